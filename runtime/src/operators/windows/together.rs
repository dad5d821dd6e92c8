//! Windows whose taps side by side lie side by side in the rows too, copied a kernel row at a time.

use super::Windows;
#[cfg(not(residua_mve))]
use crate::kernels::portable::OFFSET;
use crate::kernels::{Runs, WindowRows, gather};
use crate::operators::rows::RowWindow;
use core::ops::Range;

/// Where the windows of a row are read from.
pub(super) struct Together<'a> {
    rows: WindowRows<'a>,
    /// What stands in the padding: an element for each input channel.
    padding: &'a [i8],
    /// Output columns whose windows lie inside the row.
    inside: Range<usize>,
    /// Elements of a window, of its pieces, and of a tap.
    len: usize,
    piece: usize,
    tap: usize,
    /// Elements of a row, from a window to the next, and of padding before the first column.
    row: usize,
    stride: usize,
    pad: usize,
}

impl<'a> Together<'a> {
    /// The windows of a row; `None` where taps lie apart, or a window has more than [`WindowRows::MAX`] rows.
    #[inline(never)]
    pub fn new(windows: Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8]) -> Option<Self> {
        let g = windows.geometry;
        let tap = windows.inputs;
        let piece = g.kernel[1].wrapping_mul(tap);
        let rows = || WindowRows::new((0..g.kernel[0]).map(|ky| window.tap(ky)), g.row_in(), piece);
        Some(Self {
            rows: if windows.together() { rows()? } else { return None },
            padding,
            inside: g.columns_inside(g.kernel[1]),
            len: windows.fan_in().unwrap_or(0),
            piece,
            tap,
            row: g.row_in(),
            stride: tap.wrapping_mul(g.stride[1] as usize),
            pad: tap.wrapping_mul(g.pad[1] as usize),
        })
    }

    /// Writes what is padding in all windows of the row to each of those that `windows` has room for.
    pub fn prepare(&self, windows: &mut [i8]) {
        if self.rows.padded() {
            self.fill(windows);
        }
    }

    /// Fills windows with padding.
    #[inline(never)]
    fn fill(&self, out: &mut [i8]) {
        if let [value] = self.padding {
            return out.fill(*value);
        }
        let count = out.len().checked_div(self.tap).unwrap_or(0);
        gather(&Runs { elements: self.padding, len: self.tap, pitch: 0, count }, self.tap, out);
    }

    /// Copies the window of column `x`, but for rows in the padding, to a prepared one.
    #[inline(always)]
    pub fn window(&self, x: usize, out: &mut [i8]) {
        let start = x.wrapping_mul(self.stride);
        if self.inside.contains(&x) {
            self.rows.copy(start.wrapping_sub(self.pad), self.piece, out);
        } else {
            self.window_beside(start, out.get_mut(..self.len).unwrap_or(&mut []));
        }
    }

    /// Copies the window that begins at element `start` of a row with its padding, of which some is in it.
    #[inline(never)]
    fn window_beside(&self, start: usize, out: &mut [i8]) {
        self.fill(out);
        let Body { left, first, len } = self.body(start);
        self.rows.copy(first, len, out.get_mut(left..).unwrap_or(&mut []));
    }

    /// What lies inside the row of the window that begins at element `start` of a row with its padding.
    fn body(&self, start: usize) -> Body {
        let left = self.pad.saturating_sub(start).min(self.piece);
        let right = start.wrapping_add(self.piece).saturating_sub(self.row.wrapping_add(self.pad));
        let first = start.wrapping_add(left).wrapping_sub(self.pad);
        Body { left, first, len: self.piece.saturating_sub(left.saturating_add(right)) }
    }

    /// Expands the windows of `pixels` output pixels, 2 or 3 from column `x` on, whose taps are whole fours.
    #[cfg(not(residua_mve))]
    #[inline(always)]
    pub fn expand(&self, x: usize, pixels: usize, out: &mut [u32]) {
        let inside = self.inside.start <= x && x.wrapping_add(pixels) <= self.inside.end;
        let start = x.wrapping_mul(self.stride);
        if !(inside && self.rows.expand(start.wrapping_sub(self.pad), self.stride, pixels, out)) {
            self.expand_beside(start, pixels, out);
        }
    }

    /// Expands the windows of `pixels` output pixels, the first of which begins at element `start` of a row with its padding.
    #[cfg(not(residua_mve))]
    #[inline(never)]
    fn expand_beside(&self, mut start: usize, pixels: usize, out: &mut [u32]) {
        let taps = |elements: usize| elements.checked_div(self.tap).unwrap_or(0);
        for pixel in 0..pixels {
            let out = out.get_mut(pixel..).unwrap_or(&mut []);
            let Body { left, first, len } = self.body(start);
            let words = |elements: usize| (elements >> 2).wrapping_mul(pixels);
            let behind = left.wrapping_add(len);
            if len < self.piece || self.rows.padded() {
                for (ky, row) in out.chunks_mut(words(self.piece).max(1)).enumerate() {
                    if self.rows.is_padding(ky) {
                        self.pad(taps(self.piece), pixels, row);
                    } else {
                        self.pad(taps(left), pixels, row);
                        self.pad(
                            taps(self.piece.wrapping_sub(behind)),
                            pixels,
                            row.get_mut(words(behind)..).unwrap_or(&mut []),
                        );
                    }
                }
            }
            self.rows.spread(first, len >> 2, pixels, out.get_mut(words(left)..).unwrap_or(&mut []));
            start = start.wrapping_add(self.stride);
        }
    }

    /// Writes the words of `taps` pixels of padding to every `step`-th word.
    #[cfg(not(residua_mve))]
    fn pad(&self, taps: usize, step: usize, out: &mut [u32]) {
        let (fours, _) = self.padding.as_chunks::<4>();
        let mut at = 0usize;
        for _ in 0..taps {
            for &four in fours {
                if let Some(word) = out.get_mut(at) {
                    *word = bytemuck::must_cast::<_, u32>(four) ^ OFFSET;
                }
                at = at.wrapping_add(step);
            }
        }
    }
}

/// What lies inside a row of a piece of a window.
struct Body {
    /// Elements before it.
    left: usize,
    /// First element of it in the row.
    first: usize,
    len: usize,
}
