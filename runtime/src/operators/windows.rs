//! Rows of a convolution as matrix products: the windows of two or three output pixels are laid out in multiplication
//! order, then multiplied with all output channels.

use super::geometry::Geometry;
use super::padding::Padding;
use super::rows::RowWindow;
use crate::kernels::packed::PackedMatrix;
use crate::kernels::{Output, expand, multiply, multiply_one};

/// Most bytes that the expanded windows of three pixels may take; above, two are taken at once.
const MAX_EXPANDED: usize = 2048;

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
    pixels: usize,
    expanded: usize,
    padding: usize,
    plain: usize,
}

/// Words of scratch of a convolution of `groups` groups (1 for a pointwise one).
pub fn scratch_words(geometry: &Geometry, groups: usize) -> usize {
    Windows { geometry, first: 0, inputs: geometry.channels_in.checked_div(groups).unwrap_or(0) }.scratch_words()
}

impl Windows<'_> {
    /// Products of an output channel.
    pub fn fan_in(&self) -> Option<usize> {
        let [rows, columns] = self.geometry.kernel;
        rows.checked_mul(columns)?.checked_mul(self.inputs)
    }

    fn parts(&self) -> Parts {
        let steps = self.fan_in().unwrap_or(0).div_ceil(4);
        let pixels = match self.geometry.columns_out {
            0 | 1 => 1,
            2 | 4 => 2,
            _ if steps.saturating_mul(24) > MAX_EXPANDED => 2,
            _ => 3,
        };
        let odd = self.geometry.columns_out & 1 == 1 && pixels == 2;
        let fours = self.inputs & 3 == 0;
        let plain = match (pixels, fours) {
            (1, true) if self.geometry.kernel == [1, 1] => 0,
            (1, _) => 1,
            (_, true) => usize::from(odd),
            (pixels, false) => pixels,
        };
        Parts {
            pixels,
            expanded: if pixels == 1 { 0 } else { pixels.saturating_mul(steps).saturating_mul(2) },
            padding: if self.geometry.kernel == [1, 1] { 0 } else { self.inputs.div_ceil(4) },
            plain: plain.saturating_mul(steps),
        }
    }

    /// Words of scratch that [`Windows::multiply`] needs.
    pub fn scratch_words(&self) -> usize {
        let parts = self.parts();
        parts.expanded.saturating_add(parts.padding).saturating_add(parts.plain)
    }

    /// Multiplies all windows of a row. `out` starts at the group's first output channel.
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
        let source = Source { windows: *self, window, padding: pad };
        let columns = self.geometry.columns_out as usize;
        let mut x = 0usize;
        while x < columns {
            let pixels = match columns.wrapping_sub(x) {
                2 | 4 => parts.pixels.min(2),
                1 => 1,
                _ => parts.pixels,
            };
            if pixels == 1 {
                source.multiply_one(x, matrix, plain, &mut out);
            } else {
                source.expand(x, pixels, matrix.steps(), plain, expanded);
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
    windows: Windows<'a>,
    window: &'a RowWindow<'a>,
    padding: &'a [i8],
}

impl Source<'_> {
    /// Expands the windows of `pixels` output pixels from column `x`.
    fn expand(&self, x: usize, pixels: usize, steps: usize, plain: &mut [i8], expanded: &mut [u32]) {
        let mut rest = expanded;
        let mut emit = |sources: [&[i8]; 3]| {
            let [first, ..] = sources;
            let words = (first.len() >> 2).wrapping_mul(pixels.wrapping_mul(2));
            let (now, later) = core::mem::take(&mut rest).split_at_mut_checked(words).unwrap_or_default();
            expand(pixels, sources, now);
            rest = later;
        };
        if self.windows.inputs & 3 == 0 {
            self.segments(x, pixels, &mut emit);
            return;
        }
        let len = steps.wrapping_mul(4);
        self.gather(x, pixels, len, plain);
        let mut all = plain.chunks_exact(len.max(1));
        let mut next = || all.next().unwrap_or(&[]);
        emit([next(), next(), next()]);
    }

    /// Multiplies the window of one output pixel.
    fn multiply_one(&self, x: usize, matrix: &PackedMatrix<'_>, plain: &mut [i8], out: &mut Output<'_>) {
        if self.windows.geometry.kernel == [1, 1] && self.windows.inputs & 3 == 0 {
            self.segments(x, 1, &mut |[pixel, ..]| multiply_one(matrix, pixel, out));
        } else {
            self.gather(x, 1, matrix.steps().wrapping_mul(4), plain);
            multiply_one(matrix, plain, out);
        }
    }

    /// Copies the windows of `pixels` output pixels to runs of `len` bytes. What is behind a window is multiplied by zero.
    fn gather(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
        let mut at = 0usize;
        self.segments(x, pixels, &mut |sources| {
            let mut taken = 0;
            for (plain, source) in plain.chunks_exact_mut(len.max(1)).zip(sources).take(pixels) {
                copy(source, plain.get_mut(at..).unwrap_or(&mut []));
                taken = source.len();
            }
            at = at.wrapping_add(taken);
        });
    }

    /// Calls `emit` with the windows of `pixels` output pixels from column `x`, piece by piece in multiplication order; the
    /// pieces of one call are of one length.
    #[inline(never)]
    fn segments(&self, x: usize, pixels: usize, emit: &mut dyn FnMut([&[i8]; 3])) {
        let Windows { geometry, first, inputs } = self.windows;
        let [taps_down, taps_across] = geometry.kernel;
        let channels = geometry.channels_in;
        let width = i64::from(geometry.columns_in);
        let last = geometry.column(x.wrapping_add(pixels.wrapping_sub(1)), taps_across.wrapping_sub(1));
        let inside = geometry.column(x, 0) >= 0 && last < width;
        let whole = inside && inputs == channels && geometry.dilation[1] == 1;
        for ky in 0..taps_down {
            let row = self.window.tap(ky);
            let piece = |p: usize, kx: usize, len: usize| {
                let column = geometry.column(x.wrapping_add(p), kx);
                let start = (column as usize).wrapping_mul(channels).wrapping_add(first);
                match row {
                    Some(row) if (0..width).contains(&column) && p < pixels => {
                        row.get(start..start.wrapping_add(len)).unwrap_or(&[])
                    }
                    _ => self.padding.get(..len).unwrap_or(&[]),
                }
            };
            if whole && row.is_some() {
                let len = taps_across.wrapping_mul(inputs);
                emit([piece(0, 0, len), piece(1, 0, len), piece(2, 0, len)]);
                continue;
            }
            for kx in 0..taps_across {
                emit([piece(0, kx, inputs), piece(1, kx, inputs), piece(2, kx, inputs)]);
            }
        }
    }
}

/// Copies all of `from`; in words where there is one at least.
#[inline(always)]
fn copy(from: &[i8], to: &mut [i8]) {
    let Some(to) = to.get_mut(..from.len()) else { return };
    match (from.last_chunk::<4>(), to.last_chunk_mut::<4>()) {
        (Some(&last), Some(to_last)) => {
            *to_last = last;
            to.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<4>().0).for_each(|(to, from)| *to = *from);
        }
        _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}
