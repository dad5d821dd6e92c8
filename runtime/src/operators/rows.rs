//! What an operator sees of its inputs: rows of ring buffers.

use crate::plan::format::ValueRecord;

/// The rows of one value, some of them held in a ring buffer inside the arena.
///
/// The arena is lent in two pieces, around the bytes that the step writes.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    low: &'a [u8],
    high: &'a [u8],
    high_start: usize,
    offset: usize,
    row_len: usize,
    ring: u32,
    rows: u32,
}

impl<'a> Rows<'a> {
    /// The rows of `value`; `low` are the arena's first bytes, `high` those from `high_start`.
    pub(crate) fn new(low: &'a [u8], high: &'a [u8], high_start: usize, value: &ValueRecord) -> Self {
        Self {
            low,
            high,
            high_start,
            offset: value.offset as usize,
            row_len: usize::from(value.columns).wrapping_mul(value.channels.into()),
            ring: value.ring,
            rows: value.rows,
        }
    }

    /// A whole tensor: row `r` is the `r`-th run of `row_len` elements.
    pub fn whole(tensor: &'a [i8], row_len: usize) -> Self {
        let rows = tensor.len().checked_div(row_len).unwrap_or(0) as u32;
        let low = bytemuck::must_cast_slice(tensor);
        Self { low, high: &[], high_start: usize::MAX, offset: 0, row_len, ring: rows, rows }
    }

    /// Row `r`, or `None` where it lies outside the tensor, that is, in the padding.
    #[inline]
    pub fn get(&self, r: i64) -> Option<&'a [i8]> {
        let r = u32::try_from(r).ok().filter(|&r| r < self.rows)?;
        let slot = r.checked_rem(self.ring)? as usize;
        let start = self.offset.wrapping_add(slot.wrapping_mul(self.row_len));
        let end = start.wrapping_add(self.row_len);
        let bytes = match self.low.get(start..end) {
            Some(bytes) => bytes,
            None => self.high.get(start.checked_sub(self.high_start)?..end.checked_sub(self.high_start)?)?,
        };
        Some(bytemuck::must_cast_slice(bytes))
    }
}

/// The rows that one output row depends on.
#[derive(Clone, Copy, Debug)]
pub struct RowWindow<'a> {
    /// Rows of the (first) input.
    pub input: Rows<'a>,
    /// Rows of the second input, where there is one.
    pub second: Option<Rows<'a>>,
    /// Index of the output row.
    pub row: u32,
    /// Input row of the first tap; negative in the top padding.
    pub first: i64,
    /// Rows between taps.
    pub dilation: u32,
}

impl<'a> RowWindow<'a> {
    /// Input row under a tap of the kernel; `None` in the padding.
    #[inline]
    pub fn tap(&self, tap: usize) -> Option<&'a [i8]> {
        self.input.get(self.first.wrapping_add((tap as i64).wrapping_mul(self.dilation.into())))
    }

    /// Row of the second input with the output row's index; empty where there is none.
    #[inline]
    pub fn second(&self) -> &'a [i8] {
        self.second.and_then(|s| s.get(self.row.into())).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_slots_wrap_and_padding_is_none() {
        let arena: [u8; 12] = core::array::from_fn(|i| i as u8);
        let value = ValueRecord { rows: 9, columns: 1, channels: 2, offset: 4, ring: 3, ..Default::default() };
        // Bytes 6..8 are being written, so that slot 1 cannot be read.
        let rows = Rows::new(&arena[..6], &arena[8..], 8, &value);
        assert_eq!(rows.get(0), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(5), Some(&[8i8, 9][..]));
        assert_eq!(rows.get(6), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(7), None);
        assert_eq!(rows.get(-1), None);
        assert_eq!(rows.get(9), None);
    }
}
