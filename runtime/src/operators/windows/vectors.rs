//! Windows as they are, for kernels that read vectors: those of one tap where they lie, others copied two at a time.

use super::{Layout, Source, Windows};
use crate::kernels::vectors::VectorMatrix;
use crate::kernels::{Multiplication, Output, Runs, WindowRows, gather};
use crate::operators::padding::Padding;
use crate::operators::rows::RowWindow;
use core::ops::Range;

/// Windows that are copied before they are multiplied.
const COPIED: usize = 2;

/// Words of scratch: windows, padding pixel.
struct Parts {
    windows: usize,
    padding: usize,
}

impl Windows<'_> {
    fn parts(&self) -> Parts {
        if self.geometry.kernel == [1, 1] {
            return Parts { windows: 0, padding: 0 };
        }
        let pixels = (self.geometry.columns_out as usize).min(COPIED);
        let windows = self.fan_in().unwrap_or(0).saturating_mul(pixels).div_ceil(4);
        Parts { windows, padding: self.inputs.div_ceil(4) }
    }

    /// Words of scratch that [`Windows::multiply`] needs: no more than where windows are expanded.
    pub fn scratch_words(&self) -> usize {
        let parts = self.parts();
        parts.windows.saturating_add(parts.padding)
    }

    /// Multiplies the pixels under windows of one tap. `out` starts at the group's first output channel.
    pub fn multiply_pixels(
        &self,
        window: &RowWindow<'_>,
        matrix: &VectorMatrix<'_>,
        _scratch: &mut [u32],
        out: Output<'_>,
    ) {
        let g = self.geometry;
        // Without padding they lie in the row: the geometry says so.
        let pitch = g.channels_in.wrapping_mul(g.stride[1] as usize);
        let product = Multiplication::new(matrix, self.inputs, pitch, out.stride, out.zero_point);
        let elements = window.tap(0).and_then(|row| row.get(self.first..)).unwrap_or(&[]);
        if let Some(product) = product {
            product.compute(elements, g.columns_out as usize, out.elements);
        }
    }

    /// Multiplies all windows of a row. `out` starts at the group's first output channel.
    #[inline(never)]
    pub fn multiply(
        &self,
        window: &RowWindow<'_>,
        matrix: &VectorMatrix<'_>,
        padding: &Padding<'_>,
        scratch: &mut [u32],
        out: Output<'_>,
    ) {
        let g = self.geometry;
        if g.kernel == [1, 1] {
            return self.multiply_pixels(window, matrix, scratch, out);
        }
        let columns = g.columns_out as usize;
        let fan_in = self.fan_in().unwrap_or(0);
        let Some(product) = Multiplication::new(matrix, fan_in, fan_in, out.stride, out.zero_point) else { return };
        let parts = self.parts();
        let Some((windows, pad)) = scratch.split_at_mut_checked(parts.windows) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let windows: &mut [i8] = bytemuck::must_cast_slice_mut(windows);
        let copy = Copy::new(self, window, pad.get(..self.inputs).unwrap_or(&[]), windows);
        let step = out.stride.wrapping_mul(COPIED);
        for (x, out) in (0..columns).step_by(COPIED).zip(out.elements.chunks_mut(step.max(1))) {
            let pixels = columns.wrapping_sub(x).min(COPIED);
            copy.windows(x, pixels, windows);
            product.compute(windows, pixels, out);
        }
    }
}

/// How windows are copied.
enum Copy<'a> {
    /// The pieces of a window in a row lie together there.
    Rows(Rows<'a>),
    /// Any windows.
    Any(Source<'a>),
}

/// Windows whose taps side by side lie side by side in the rows too.
struct Rows<'a> {
    rows: WindowRows<'a>,
    padding: &'a [i8],
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

impl<'a> Copy<'a> {
    /// A way for the windows of a row; what is padding in all of them is written to `out`.
    fn new(windows: &'a Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8], out: &mut [i8]) -> Self {
        let g = windows.geometry;
        let tap = windows.inputs;
        let piece = g.kernel[1].wrapping_mul(tap);
        let rows = WindowRows::new((0..g.kernel[0]).map(|ky| window.tap(ky)), g.row_in(), piece)
            .filter(|_| windows.together());
        let Some(rows) = rows else { return Self::Any(Source::new(windows, window, padding)) };
        let rows = Rows {
            rows,
            padding,
            inside: g.columns_inside(g.kernel[1]),
            len: windows.fan_in().unwrap_or(0),
            piece,
            tap,
            row: g.row_in(),
            stride: tap.wrapping_mul(g.stride[1] as usize),
            pad: tap.wrapping_mul(g.pad[1] as usize),
        };
        if rows.rows.padded() {
            rows.fill(out);
        }
        Self::Rows(rows)
    }

    /// Copies the windows of `pixels` output pixels from column `x` on.
    #[inline(always)]
    fn windows(&self, x: usize, pixels: usize, out: &mut [i8]) {
        match self {
            Self::Rows(rows) => {
                rows.window(x, out);
                if pixels > 1 {
                    rows.window(x.wrapping_add(1), out.get_mut(rows.len..).unwrap_or(&mut []));
                }
            }
            Self::Any(source) => {
                let len = source.windows.fan_in().unwrap_or(0);
                source.lay_out(x, pixels, &mut Layout::Plain { out, len });
            }
        }
    }
}

impl Rows<'_> {
    /// Fills windows with padding.
    #[inline(never)]
    fn fill(&self, out: &mut [i8]) {
        if let [value] = self.padding {
            return out.fill(*value);
        }
        let count = out.len().checked_div(self.tap).unwrap_or(0);
        gather(&Runs { elements: self.padding, len: self.tap, pitch: 0, count }, self.tap, out);
    }

    /// Copies the window of column `x`, but for rows in the padding.
    #[inline(always)]
    fn window(&self, x: usize, out: &mut [i8]) {
        let start = x.wrapping_mul(self.stride);
        if self.inside.contains(&x) {
            self.rows.copy(start.wrapping_sub(self.pad), self.piece, out);
        } else {
            self.beside(start, out.get_mut(..self.len).unwrap_or(&mut []));
        }
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
