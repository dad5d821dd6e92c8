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
        let parts = self.parts();
        let Some((expanded, rest)) = scratch.split_at_mut_checked(parts.expanded) else { return };
        let Some((pad, plain)) = rest.split_at_mut_checked(parts.padding) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let plain: &mut [i8] = bytemuck::must_cast_slice_mut(plain);
        let source = Source::new(*self, window, pad.get(..self.inputs).unwrap_or(&[]));
        let len = matrix.steps().wrapping_mul(4);
        source.prepare(len, plain);
        let columns = self.geometry.columns_out as usize;
        let mut x = 0usize;
        while x < columns {
            let pixels = taken(columns.wrapping_sub(x));
            if !plain.is_empty() {
                source.copy(x, pixels, len, plain);
            }
            if pixels == 1 {
                multiply_one(matrix, if plain.is_empty() { source.pixel(x) } else { plain }, &mut out);
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
struct Source<'a> {
    together: Option<Together<'a>>,
    any: Any<'a>,
}

impl<'a> Source<'a> {
    fn new(windows: Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8]) -> Self {
        Self { together: Together::new(windows, window, padding), any: Any { windows, window, padding } }
    }

    /// Prepares the runs of `len` elements that windows are copied to.
    fn prepare(&self, len: usize, plain: &mut [i8]) {
        if let Some(together) = &self.together {
            plain.chunks_exact_mut(len.max(1)).for_each(|window| together.prepare(window));
        }
    }

    /// Copies the windows of `pixels` output pixels from column `x` to prepared runs of `len` elements.
    #[inline(always)]
    fn copy(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
        let Some(together) = &self.together else { return self.any.gather(x, pixels, len, plain) };
        for (pixel, window) in plain.chunks_exact_mut(len.max(1)).take(pixels).enumerate() {
            together.window(x.wrapping_add(pixel), window);
        }
    }

    /// The pixel under a window of one tap.
    fn pixel(&self, x: usize) -> &[i8] {
        let Windows { geometry, first, inputs } = self.any.windows;
        let start = (geometry.column(x, 0) as usize).wrapping_mul(geometry.channels_in).wrapping_add(first);
        self.any.window.tap(0).and_then(|row| row.get(start..start.wrapping_add(inputs))).unwrap_or(&[])
    }

    /// Expands the windows of `pixels` output pixels from column `x`.
    #[inline(always)]
    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        if !self.together.as_ref().is_some_and(|together| together.expand(x, pixels, expanded)) {
            self.expand_pieces(x, pixels, expanded);
        }
    }

    #[inline(never)]
    fn expand_pieces(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        self.any.pieces(x, pixels, |pixel, at, elements| {
            let start = (at >> 2).wrapping_mul(pixels).wrapping_add(pixel);
            let runs = Runs { elements, len: elements.len(), pitch: 0, count: 1 };
            expand(&runs, pixels, expanded.get_mut(start..).unwrap_or(&mut []));
        });
    }
}
