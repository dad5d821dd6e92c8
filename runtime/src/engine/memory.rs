//! The arena behind the engine's counters.

use crate::operators::rows::Around;

/// Bytes of the arena, from an offset on.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    bytes: &'a mut [u8],
    start: usize,
}

impl<'a> Memory<'a> {
    /// The bytes from offset `start` on.
    pub fn new(bytes: &'a mut [u8], start: usize) -> Self {
        Self { bytes, start }
    }

    /// The first `len` bytes, and what lies behind them; less where the arena ends.
    pub fn split(&mut self, len: usize) -> (&mut [u8], Memory<'_>) {
        let len = len.min(self.bytes.len());
        let (first, bytes) = self.bytes.split_at_mut_checked(len).unwrap_or_default();
        (first, Memory { bytes, start: self.start.wrapping_add(len) })
    }

    /// `len` bytes at an arena offset, to be written, and what lies around them, to be read; less where the arena ends.
    #[inline(never)]
    pub fn at(&mut self, offset: usize, len: usize) -> Cut<'_> {
        let low_start = self.start;
        let (low, rest) = self.split(offset.saturating_sub(low_start));
        let high_start = rest.start.wrapping_add(len);
        let (bytes, high) = rest.bytes.split_at_mut_checked(len.min(rest.bytes.len())).unwrap_or_default();
        Cut { bytes, around: Around { low, low_start, high, high_start } }
    }
}

/// Bytes to be written, and what lies around them.
pub(super) struct Cut<'a> {
    pub bytes: &'a mut [u8],
    pub around: Around<'a>,
}
