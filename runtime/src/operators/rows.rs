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
    slots: &'a [u8],
    head: &'a [u8],
    row_len: usize,
    ring: u32,
    rows: u32,
    newest: Option<u32>,
}

impl<'a> Rows<'a> {
    /// The rows of `value`, whose buffers the step does not write; `newest` is the row that lies in its head.
    pub(crate) fn new(arena: &Around<'a>, value: &ValueRecord, newest: Option<u32>) -> Self {
        let (row_len, ring) = (value.row_len(), value.ring);
        let slots = arena.bytes(value.offset as usize, row_len.wrapping_mul(ring as usize)).unwrap_or(&[]);
        let head = newest.and_then(|_| arena.bytes(value.head as usize, row_len)).unwrap_or(&[]);
        Self { slots, head, row_len, ring, rows: value.rows, newest }
    }

    /// A whole tensor: row `r` is the `r`-th run of `row_len` bytes.
    pub fn whole(tensor: &'a [i8], row_len: usize) -> Self {
        let rows = tensor.len().checked_div(row_len).unwrap_or(0) as u32;
        Self { slots: bytemuck::must_cast_slice(tensor), head: &[], row_len, ring: rows, rows, newest: None }
    }

    /// Row `r`, or `None` where it lies outside the tensor, that is, in the padding.
    #[inline]
    pub fn get(&self, r: i64) -> Option<&'a [i8]> {
        let r = u32::try_from(r).ok().filter(|&r| r < self.rows)?;
        let (bytes, slot) = match self.newest {
            Some(newest) if newest == r => (self.head, 0),
            _ => (self.slots, r.checked_rem(self.ring)? as usize),
        };
        let (_, rest) = bytes.split_at_checked(slot.wrapping_mul(self.row_len))?;
        rest.get(..self.row_len).map(bytemuck::must_cast_slice)
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

    /// Row of the second input with the output row's index, or its only row; empty where there is none.
    #[inline]
    pub fn second(&self) -> &'a [i8] {
        self.second.and_then(|s| s.get(self.row.min(s.rows.saturating_sub(1)).into())).unwrap_or(&[])
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
        let rows = Rows::new(&arena, &value, Some(4));
        assert_eq!(rows.get(0), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(5), Some(&[8i8, 9][..]));
        assert_eq!(rows.get(6), Some(&[4i8, 5][..]));
        assert_eq!(rows.get(7), Some(&[6i8, 7][..]));
        assert_eq!(rows.get(4), Some(&[2i8, 3][..]));
        assert_eq!(rows.get(-1), None);
        assert_eq!(rows.get(9), None);
    }
}
