//! What an operator sees of its inputs: rows of ring buffers.

use crate::plan::format::ValueRecord;

/// The arena, lent in two pieces: below and above the bytes that the step writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub low: &'a [u8],
    pub low_start: usize,
    pub high: &'a [u8],
    pub high_start: usize,
}

impl<'a> Around<'a> {
    /// `len` bytes at an arena offset; `None` where they do not lie in one of the pieces.
    #[inline]
    pub fn bytes(&self, offset: usize, len: usize) -> Option<&'a [u8]> {
        let (piece, start) =
            if offset >= self.high_start { (self.high, self.high_start) } else { (self.low, self.low_start) };
        let start = offset.checked_sub(start)?;
        piece.get(start..start.checked_add(len)?)
    }
}

/// The rows of one value, some of them held in a ring buffer inside the arena, the newest perhaps in its head.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    arena: &'a Around<'a>,
    value: &'a ValueRecord,
    /// The row that lies in the head, or [`NONE`](crate::plan::format::NONE).
    newest: u32,
}

impl<'a> Rows<'a> {
    /// The rows of `value`, whose buffers the step does not write; `newest` is the row that lies in its head,
    /// or [`NONE`](crate::plan::format::NONE).
    #[inline]
    pub(crate) fn new(arena: &'a Around<'a>, value: &'a ValueRecord, newest: u32) -> Self {
        Self { arena, value, newest }
    }

    /// Row `r`, or `None` where it lies outside the tensor, that is, in the padding.
    #[inline(never)]
    pub fn get(&self, r: i32) -> Option<&'a [i8]> {
        // Rows above the first are behind the last, as unsigned numbers.
        let r = Some(r as u32).filter(|&r| r < self.value.rows)?;
        let len = self.value.row_len();
        let offset = if r == self.newest { self.value.head as usize } else { self.value.place(r)? };
        self.arena.bytes(offset, len).map(bytemuck::must_cast_slice)
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
    pub first: i32,
    /// Rows between taps.
    pub dilation: u32,
}

impl<'a> RowWindow<'a> {
    /// Input row under a tap of the kernel; `None` in the padding.
    #[inline]
    pub fn tap(&self, tap: usize) -> Option<&'a [i8]> {
        self.input.get(self.first.wrapping_add((tap as u32).wrapping_mul(self.dilation) as i32))
    }

    /// Row of the second input with the output row's index, or its only row; empty where there is none.
    #[inline]
    pub fn second(&self) -> &'a [i8] {
        self.second.and_then(|s| s.get(self.row.min(s.value.rows.saturating_sub(1)) as i32)).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_slots_wrap_and_padding_is_none() {
        let bytes: [u8; 12] = core::array::from_fn(|i| i as u8);
        let value = ValueRecord { rows: 9, columns: 1, channels: 2, offset: 4, ring: 3, head: 2, ..Default::default() };
        // The arena is lent from byte 2; the head lies below what is written, the ring above.
        let arena = Around { low: &bytes[2..4], low_start: 2, high: &bytes[4..], high_start: 4 };
        let rows = Rows::new(&arena, &value, 4);
        assert_eq!(rows.get(0), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(5), Some(&[8i8, 9][..]));
        assert_eq!(rows.get(6), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(7), Some(&[6i8, 7][..]));
        assert_eq!(rows.get(4), Some(&[2i8, 3][..]));
        assert_eq!(rows.get(-1), None);
        assert_eq!(rows.get(9), None);
    }
}
