//! Windows of two or three output pixels at a time, expanded for kernels that read lanes.

use super::Windows;
use super::any::Any;
use super::together::Together;
use crate::kernels::packed::PackedMatrix;
use crate::kernels::{Output, Runs, expand, multiply, multiply_one};
use crate::operators::padding::Padding;
use crate::operators::rows::RowWindow;

/// Words of scratch: expanded windows, padding pixel, windows as they are.
struct Parts {
    expanded: usize,
    padding: usize,
    plain: usize,
}

/// Output pixels that are taken at once where `columns` are to go. One is left over only where there is but one.
#[inline(always)]
fn taken(columns: usize) -> usize {
    match columns {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

impl Windows<'_> {
    /// Whether pieces of windows are whole fours.
    fn in_fours(&self) -> bool {
        self.inputs & 3 == 0
    }

    fn parts(&self) -> Parts {
        let steps = self.fan_in().unwrap_or(0).div_ceil(4);
        let pixels = taken(self.geometry.columns_out as usize);
        let single = self.geometry.kernel == [1, 1];
        let plain = match (pixels, self.in_fours()) {
            (1, true) => usize::from(!single),
            (_, true) => 0,
            (pixels, false) => pixels,
        };
        Parts {
            expanded: if pixels == 1 { 0 } else { pixels.saturating_mul(steps) },
            padding: if single { 0 } else { self.inputs.div_ceil(4) },
            plain: plain.saturating_mul(steps),
        }
    }

    /// Words of scratch that [`Windows::multiply`] needs.
    pub fn scratch_words(&self) -> usize {
        let parts = self.parts();
        parts.expanded.saturating_add(parts.padding).saturating_add(parts.plain)
    }

    /// Multiplies all windows of a row. `out` starts at the group's first output channel.
    #[inline(never)]
    pub fn multiply(
        &self,
        window: &RowWindow<'_>,
        matrix: &PackedMatrix<'_>,
        padding: &Padding<'_>,
        scratch: &mut [u32],
        mut out: Output<'_>,
    ) {
        match self.pixel(window) {
            Some(pixel) => multiply_one(matrix, pixel, &mut out),
            None => self.multiply_windows(window, matrix, padding, scratch, out),
        }
    }

    /// The pixel under the only window of a row, where it can be multiplied as it lies there.
    fn pixel<'a>(&self, window: &RowWindow<'a>) -> Option<&'a [i8]> {
        let Windows { geometry, first, inputs } = *self;
        let single = geometry.columns_out == 1 && geometry.kernel == [1, 1] && self.in_fours();
        let start = (geometry.column(0, 0) as usize).wrapping_mul(geometry.channels_in).wrapping_add(first);
        window.tap(0).filter(|_| single)?.get(start..start.wrapping_add(inputs))
    }

    #[inline(never)]
    fn multiply_windows(
        &self,
        window: &RowWindow<'_>,
        matrix: &PackedMatrix<'_>,
        padding: &Padding<'_>,
        scratch: &mut [u32],
        out: Output<'_>,
    ) {
        let parts = self.parts();
        let Some((expanded, rest)) = scratch.split_at_mut_checked(parts.expanded) else { return };
        let Some((pad, plain)) = rest.split_at_mut_checked(parts.padding) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let plain: &mut [i8] = bytemuck::must_cast_slice_mut(plain);
        let padding = pad.get(..self.inputs).unwrap_or(&[]);
        if Together::fits(self) {
            let source = Together::new(*self, window, padding);
            let len = matrix.steps().wrapping_mul(4);
            plain.chunks_exact_mut(len.max(1)).for_each(|window| source.prepare(window));
            self.multiply_from(&source, matrix, expanded, plain, out);
        } else {
            self.multiply_from(&Any { windows: *self, window, padding }, matrix, expanded, plain, out);
        }
    }

    /// Multiplies windows that are expanded, or first copied to `plain` where that has room for them.
    #[inline(never)]
    fn multiply_from(
        &self,
        source: &dyn Source,
        matrix: &PackedMatrix<'_>,
        expanded: &mut [u32],
        plain: &mut [i8],
        mut out: Output<'_>,
    ) {
        let len = matrix.steps().wrapping_mul(4);
        let columns = self.geometry.columns_out as usize;
        let mut x = 0usize;
        while x < columns {
            let pixels = taken(columns.wrapping_sub(x));
            if !plain.is_empty() {
                source.copy(x, pixels, len, plain);
            }
            if pixels == 1 {
                multiply_one(matrix, plain, &mut out);
            } else {
                if plain.is_empty() {
                    source.expand(x, pixels, expanded);
                } else {
                    expand(&Runs { elements: plain, len, pitch: len, count: pixels }, pixels, expanded);
                }
                multiply(pixels, matrix, expanded, &mut out);
            }
            let elements = core::mem::take(&mut out.elements);
            out.elements = elements.get_mut(pixels.wrapping_mul(out.stride)..).unwrap_or_default();
            x = x.wrapping_add(pixels);
        }
    }
}

/// Where the windows of a row are read from.
trait Source {
    /// Copies the windows of `pixels` output pixels from column `x` to runs of `len` elements.
    fn copy(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]);

    /// Expands the windows of `pixels` output pixels from column `x`.
    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]);
}

impl Source for Together<'_> {
    fn copy(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
        for (pixel, window) in plain.chunks_exact_mut(len.max(1)).take(pixels).enumerate() {
            self.window(x.wrapping_add(pixel), window);
        }
    }

    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        Together::expand(self, x, pixels, expanded);
    }
}

impl Source for Any<'_> {
    fn copy(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
        self.gather(x, pixels, len, plain);
    }

    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        self.pieces(x, pixels, &mut |pixel, at, elements| {
            let start = (at >> 2).wrapping_mul(pixels).wrapping_add(pixel);
            let runs = Runs { elements, len: elements.len(), pitch: 0, count: 1 };
            expand(&runs, pixels, expanded.get_mut(start..).unwrap_or(&mut []));
        });
    }
}
