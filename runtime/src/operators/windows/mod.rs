//! Rows of a convolution as matrix products: windows are laid out in multiplication order where they do not lie so already,
//! then multiplied with all output channels.

#[cfg(not(residua_mve))]
mod lanes;
#[cfg(residua_mve)]
mod vectors;

use super::geometry::Geometry;
use super::rows::RowWindow;
#[cfg(not(residua_mve))]
use crate::kernels::expand;
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

    /// Whether taps side by side lie side by side in the rows too.
    fn together(&self) -> bool {
        self.inputs == self.geometry.channels_in && self.geometry.dilation[1] == 1
    }
}

/// Kernel rows that are looked up once for an output row.
const HELD: usize = 3;

/// How windows are laid out.
enum Layout<'o> {
    /// As they are, one `len` elements behind the other; what is behind a window is left.
    Plain { out: &'o mut [i8], len: usize },
    /// Expanded, the words of so many pixels in turn.
    #[cfg(not(residua_mve))]
    Expanded { out: &'o mut [u32], pixels: usize },
}

impl Layout<'_> {
    /// Places pieces of the windows of as many pixels, from `pixel` on, at element `at` of each.
    #[inline(never)]
    fn place(&mut self, pixel: usize, at: usize, runs: &Runs<'_>) {
        match self {
            Self::Plain { out, len } => {
                let start = pixel.wrapping_mul(*len).wrapping_add(at);
                gather(runs, *len, out.get_mut(start..).unwrap_or_default());
            }
            #[cfg(not(residua_mve))]
            Self::Expanded { out, pixels } => {
                let start = (at >> 2).wrapping_mul(*pixels).wrapping_add(pixel);
                expand(runs, *pixels, out.get_mut(start..).unwrap_or_default());
            }
        }
    }
}

/// Where the windows of a row are read from.
struct Source<'a> {
    windows: &'a Windows<'a>,
    window: &'a RowWindow<'a>,
    held: [Option<&'a [i8]>; HELD],
    padding: &'a [i8],
    /// Output columns whose windows lie inside the row, each kernel row of them in one piece.
    inside: Range<usize>,
    /// Elements from the start of a window to that of the next.
    pitch: usize,
}

impl<'a> Source<'a> {
    #[inline(never)]
    fn new(windows: &'a Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8]) -> Self {
        let geometry = windows.geometry;
        let [taps_down, taps_across] = geometry.kernel;
        let mut source = Self {
            windows,
            window,
            held: [None; HELD],
            padding,
            inside: if windows.together() { geometry.columns_inside(taps_across) } else { 0..0 },
            pitch: (geometry.stride[1] as usize).wrapping_mul(geometry.channels_in),
        };
        source.held.iter_mut().enumerate().take(taps_down).for_each(|(ky, row)| *row = window.tap(ky));
        source
    }

    /// The row under a kernel row; `None` in the padding.
    #[inline(always)]
    fn row(&self, ky: usize) -> Option<&'a [i8]> {
        self.held.get(ky).copied().unwrap_or_else(|| self.window.tap(ky))
    }

    /// Lays out the windows of `pixels` output pixels from column `x`, strip by strip.
    #[inline(never)]
    fn lay_out(&self, x: usize, pixels: usize, layout: &mut Layout<'_>) {
        let [taps_down, taps_across] = self.windows.geometry.kernel;
        let inputs = self.windows.inputs;
        let (mut pixel, mut kx) = (0usize, 0usize);
        while pixel < pixels {
            let strip = self.strip(x.wrapping_add(pixel), kx, pixels.wrapping_sub(pixel));
            let mut at = kx.wrapping_mul(inputs);
            for ky in 0..taps_down {
                let (len, pitch) = (strip.taps.wrapping_mul(inputs), self.pitch);
                let mut runs = Runs { elements: self.padding, len: inputs, pitch: 0, count: strip.count };
                let mut times = strip.taps;
                let inside = strip.start != usize::MAX;
                if let Some(elements) = inside.then(|| self.row(ky)).flatten().and_then(|row| row.get(strip.start..)) {
                    runs = Runs { elements, len, pitch, ..runs };
                    times = 1;
                }
                for time in 0..times {
                    layout.place(pixel, at.wrapping_add(time.wrapping_mul(inputs)), &runs);
                }
                at = at.wrapping_add(taps_across.wrapping_mul(inputs));
            }
            kx = kx.wrapping_add(strip.taps);
            if kx >= taps_across {
                (pixel, kx) = (pixel.wrapping_add(strip.count), 0);
            }
        }
    }

    /// The widest strip from tap `kx` of output column `x` on, of at most `most` windows.
    #[inline(never)]
    fn strip(&self, x: usize, kx: usize, most: usize) -> Strip {
        let &Windows { geometry, first, .. } = self.windows;
        let width = geometry.columns_in as usize;
        // Wraps in the padding on the left, to behind the last column.
        let column = geometry.column(x, kx) as usize;
        let start = column.wrapping_mul(geometry.channels_in).wrapping_add(first);
        let taps = geometry.kernel[1].wrapping_sub(kx);
        if self.inside.contains(&x) {
            Strip { taps, count: self.inside.end.wrapping_sub(x).min(most), start }
        } else if column >= width {
            Strip { taps: 1, count: 1, start: usize::MAX }
        } else if self.windows.together() {
            Strip { taps: taps.min(width.wrapping_sub(column)), count: 1, start }
        } else {
            Strip { taps: 1, count: 1, start }
        }
    }
}

/// The same taps of each kernel row, side by side, of windows side by side.
struct Strip {
    taps: usize,
    /// Windows.
    count: usize,
    /// Where the first tap lies in the rows; behind them in the padding.
    start: usize,
}
