//! Rows of a convolution as matrix products: the windows of two or three output pixels are laid out in multiplication
//! order, then multiplied with all output channels.

use super::geometry::Geometry;
use super::padding::Padding;
use super::rows::RowWindow;
use crate::kernels::packed::PackedMatrix;
use crate::kernels::{Output, Runs, expand, gather, multiply, multiply_one};
use core::ops::Range;

/// The windows of a group of input channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows<'g> {
    pub geometry: &'g Geometry,
    /// First input channel of the group.
    pub first: usize,
    /// Input channels of the group.
    pub inputs: usize,
}

/// Words of scratch: expanded windows, padding pixel, windows as they are.
struct Parts {
    expanded: usize,
    padding: usize,
    plain: usize,
}

/// Words of scratch of a convolution of `groups` groups (1 for a pointwise one).
pub fn scratch_words(geometry: &Geometry, groups: usize) -> usize {
    Windows { geometry, first: 0, inputs: geometry.channels_in.checked_div(groups).unwrap_or(0) }.scratch_words()
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
    /// Products of an output channel.
    pub fn fan_in(&self) -> Option<usize> {
        let [rows, columns] = self.geometry.kernel;
        rows.checked_mul(columns)?.checked_mul(self.inputs)
    }

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
        let padding = pad.get(..self.inputs).unwrap_or(&[]);
        let source = Source::new(*self, window, padding);
        let columns = self.geometry.columns_out as usize;
        let mut x = 0usize;
        while x < columns {
            let pixels = taken(columns.wrapping_sub(x));
            if parts.plain > 0 {
                source.gather(x, pixels, matrix.steps(), plain);
            }
            if pixels == 1 {
                multiply_one(matrix, if parts.plain > 0 { plain } else { source.pixel(x) }, &mut out);
            } else {
                if parts.plain > 0 {
                    let len = matrix.steps().wrapping_mul(4);
                    expand(&Runs { elements: plain, len, pitch: len, count: pixels }, pixels, expanded);
                } else {
                    source.expand(x, pixels, expanded);
                }
                multiply(pixels, matrix, expanded, &mut out);
            }
            let elements = core::mem::take(&mut out.elements);
            out.elements = elements.get_mut(pixels.wrapping_mul(out.stride)..).unwrap_or_default();
            x = x.wrapping_add(pixels);
        }
    }
}

/// Kernel rows that are looked up once for an output row.
const HELD: usize = 4;

/// Where the windows of a row are read from.
struct Source<'a> {
    windows: Windows<'a>,
    window: &'a RowWindow<'a>,
    held: [Option<&'a [i8]>; HELD],
    padding: &'a [i8],
    /// Whether taps side by side lie side by side in the row too.
    together: bool,
    /// Output columns whose windows lie inside the row, each kernel row of them in one piece.
    inside: Range<usize>,
}

impl<'a> Source<'a> {
    fn new(windows: Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8]) -> Self {
        let geometry = windows.geometry;
        let [taps_down, taps_across] = geometry.kernel;
        let together = windows.inputs == geometry.channels_in && geometry.dilation[1] == 1;
        let inside = if together { geometry.columns_inside(taps_across) } else { 0..0 };
        let mut held = [None; HELD];
        held.iter_mut().enumerate().take(taps_down).for_each(|(ky, row)| *row = window.tap(ky));
        Self { windows, window, held, padding, together, inside }
    }

    /// The row under a kernel row; `None` in the padding.
    #[inline(always)]
    fn row(&self, ky: usize) -> Option<&'a [i8]> {
        self.held.get(ky).copied().unwrap_or_else(|| self.window.tap(ky))
    }

    /// The pixel under a window of one tap.
    fn pixel(&self, x: usize) -> &'a [i8] {
        let Windows { geometry, first, inputs } = self.windows;
        let start = (geometry.column(x, 0) as usize).wrapping_mul(geometry.channels_in).wrapping_add(first);
        self.row(0).and_then(|row| row.get(start..start.wrapping_add(inputs))).unwrap_or(&[])
    }

    /// The windows of `pixels` output pixels from column `x` if they are pixels of the input.
    #[inline(always)]
    fn single(&self, x: usize, pixels: usize) -> Option<Runs<'a>> {
        let Windows { geometry, inputs, .. } = self.windows;
        let inside = self.inside.start <= x && x.wrapping_add(pixels) <= self.inside.end;
        let [row, ..] = self.held;
        let row = row.filter(|_| inside && geometry.kernel == [1, 1])?;
        let [pitch, start] = [geometry.stride[1] as usize, geometry.column(x, 0) as usize]
            .map(|columns| columns.wrapping_mul(geometry.channels_in));
        Some(Runs { elements: row.get(start..)?, len: inputs, pitch, count: pixels })
    }

    /// Expands the windows of `pixels` output pixels from column `x`.
    #[inline(never)]
    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        if let Some(runs) = self.single(x, pixels) {
            return expand(&runs, pixels, expanded);
        }
        self.pieces(x, pixels, |pixel, at, runs| {
            let start = (at >> 2).wrapping_mul(pixels).wrapping_add(pixel);
            expand(&runs, pixels, expanded.get_mut(start..).unwrap_or(&mut []));
        });
    }

    /// Copies the windows of `pixels` output pixels to runs of `steps` fours. What is behind a window is multiplied by zero.
    #[inline(never)]
    fn gather(&self, x: usize, pixels: usize, steps: usize, plain: &mut [i8]) {
        let len = steps.wrapping_mul(4);
        self.pieces(x, pixels, |pixel, at, runs| {
            gather(&runs, len, plain.get_mut(pixel.wrapping_mul(len).wrapping_add(at)..).unwrap_or(&mut []));
        });
    }

    /// Calls `place` with the pieces of the windows of `pixels` output pixels from column `x`: the first pixel that they are
    /// of, position in the windows, a run for each pixel.
    #[inline(always)]
    fn pieces(&self, x: usize, pixels: usize, mut place: impl FnMut(usize, usize, Runs<'_>)) {
        let Windows { geometry, first, inputs } = self.windows;
        let [taps_down, taps_across] = geometry.kernel;
        let ([_, stride], [_, dilation], [_, pad]) = (geometry.stride, geometry.dilation, geometry.pad);
        let channels = geometry.channels_in;
        let width = geometry.columns_in as usize;
        let whole = taps_across.wrapping_mul(inputs);
        let end = x.wrapping_add(pixels);
        let from = self.inside.start.clamp(x, end).wrapping_sub(x);
        let to = self.inside.end.clamp(x, end).wrapping_sub(x).max(from);
        // Wraps in the padding on the left, to behind the last column.
        let column = |pixel: usize| x.wrapping_add(pixel).wrapping_mul(stride as usize).wrapping_sub(pad as usize);
        let mut at = 0usize;
        let mut step = |pixel, count, at, elements, len| {
            let pitch = if count > 1 { (stride as usize).wrapping_mul(channels) } else { 0 };
            place(pixel, at, Runs { elements, len, pitch, count });
        };
        for ky in 0..taps_down {
            let row = self.row(ky);
            let tail = |column: usize| {
                let row = row.filter(|_| column < width)?;
                row.get(column.wrapping_mul(channels).wrapping_add(first)..)
            };
            let mut pixel = 0usize;
            while pixel < pixels {
                if pixel == from
                    && to > from
                    && let Some(elements) = tail(column(from))
                {
                    step(pixel, to.wrapping_sub(from), at, elements, whole);
                    pixel = to;
                    continue;
                }
                let (mut column, mut at, mut taps) = (column(pixel), at, taps_across);
                while taps > 0 {
                    let (elements, count) = match tail(column) {
                        Some(elements) if self.together => (elements, taps.min(width.wrapping_sub(column))),
                        Some(elements) => (elements, 1),
                        None => (self.padding, 1),
                    };
                    let len = count.wrapping_mul(inputs);
                    step(pixel, 1, at, elements, len);
                    column = column.wrapping_add(count.wrapping_mul(dilation as usize));
                    at = at.wrapping_add(len);
                    taps = taps.wrapping_sub(count);
                }
                pixel = pixel.wrapping_add(1);
            }
            at = at.wrapping_add(whole);
        }
    }
}
