//! The constants section: weights, numbers of channels, tables.

use bytemuck::AnyBitPattern;

/// The constants of a plan, addressed by offset in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constants<'p>(pub &'p [u8]);

impl<'p> Constants<'p> {
    /// `len` numbers from `offset`, a multiple of their size; `None` where they are not there.
    #[inline]
    pub fn get<T: AnyBitPattern>(&self, offset: u32, len: usize) -> Option<&'p [T]> {
        let (start, len) = (offset as usize, len.checked_mul(size_of::<T>())?);
        bytemuck::try_cast_slice(self.0.get(start..start.checked_add(len)?)?).ok()
    }
}
