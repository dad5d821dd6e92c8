//! Windows whose taps side by side lie side by side in the rows too, copied a kernel row at a time.

use super::Windows;
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
            self.beside(start, out.get_mut(..self.len).unwrap_or(&mut []));
        }
    }

    /// Expands the windows of `pixels` output pixels from column `x`, whose pieces are whole fours; `false` where it cannot.
    #[cfg(not(residua_mve))]
    #[inline(always)]
    pub fn expand(&self, x: usize, pixels: usize, out: &mut [u32]) -> bool {
        let inside = self.inside.start <= x && x.wrapping_add(pixels) <= self.inside.end;
        inside && self.rows.expand(x.wrapping_mul(self.stride).wrapping_sub(self.pad), self.stride, pixels, out)
    }

    /// Copies the window that begins at element `start` of a row with its padding, of which some is in it.
    #[inline(never)]
    fn beside(&self, start: usize, out: &mut [i8]) {
        self.fill(out);
        let left = self.pad.saturating_sub(start);
        let right = start.wrapping_add(self.piece).saturating_sub(self.row.wrapping_add(self.pad));
        let first = start.wrapping_add(left).wrapping_sub(self.pad);
        let len = self.piece.saturating_sub(left.saturating_add(right));
        self.rows.copy(first, len, out.get_mut(left..).unwrap_or(&mut []));
    }
}
