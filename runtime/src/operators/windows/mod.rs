//! Rows of a convolution as matrix products: windows are laid out in multiplication order where they do not lie so already,
//! then multiplied with all output channels.

#[cfg(not(residua_mve))]
mod lanes;
#[cfg(residua_mve)]
mod vectors;

use super::geometry::Geometry;
use super::rows::RowWindow;
use crate::kernels::{Runs, gather};
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

    /// Copies the windows of `pixels` output pixels from column `x` to runs of `len` elements; what is behind a window is left.
    #[inline(never)]
    fn gather(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
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
