//! The rows under the windows of an output row.

use super::expand;
use crate::kernels::Runs;

/// Rows under the windows of an output row.
#[derive(Debug)]
pub struct WindowRows<'a> {
    /// Elements of a window from a kernel row to the next.
    stride: usize,
    /// Kernel rows.
    count: usize,
    /// The row under each kernel row; `None` in the padding.
    rows: [Option<&'a [i8]>; WindowRows::MAX],
}

impl<'a> WindowRows<'a> {
    /// Most kernel rows.
    pub const MAX: usize = 12;

    /// Rows of at least `row_len` elements, those of a window `stride` elements apart; `None` where they are more than
    /// [`WindowRows::MAX`], or one is shorter.
    pub fn new(rows: impl ExactSizeIterator<Item = Option<&'a [i8]>>, row_len: usize, stride: usize) -> Option<Self> {
        let count = rows.len();
        let mut out = Self { stride, count, rows: [None; Self::MAX] };
        let slots = out.rows.get_mut(..count)?;
        for (slot, row) in slots.iter_mut().zip(rows) {
            *slot = match row {
                Some(row) => Some(row.get(..row_len)?),
                None => None,
            };
        }
        Some(out)
    }

    fn rows(&self) -> impl Iterator<Item = Option<&'a [i8]>> {
        self.rows.iter().take(self.count).copied()
    }

    /// Whether there is none under some kernel row.
    pub fn padded(&self) -> bool {
        self.rows().any(|row| row.is_none())
    }

    /// Copies `len` elements from element `start` on of each row, but for those in the padding, to their place in a window
    /// that begins before `window`; what is not there is left out.
    pub fn copy(&self, start: usize, len: usize, window: &mut [i8]) {
        for (row, out) in self.rows().zip(window.chunks_mut(self.stride.max(1))) {
            let elements = row.and_then(|row| row.get(start..)).unwrap_or(&[]);
            out.iter_mut().zip(elements).take(len).for_each(|(out, &element)| *out = element);
        }
    }

    /// Writes the fours of the windows of `count` pixels, 2 or 3 and `pitch` elements apart, the first from element `start`
    /// on, in turn; a window has a stride of elements of each row, in fours. `false`, and nothing is written, where a row
    /// is in the padding.
    pub fn expand(&self, start: usize, pitch: usize, count: usize, out: &mut [u32]) -> bool {
        if self.padded() {
            return false;
        }
        let words = (self.stride >> 2).wrapping_mul(count);
        for (row, out) in self.rows().zip(out.chunks_mut(words.max(1))) {
            let elements = row.and_then(|row| row.get(start..)).unwrap_or(&[]);
            expand(&Runs { elements, len: self.stride, pitch, count }, count, out);
        }
        true
    }
}
