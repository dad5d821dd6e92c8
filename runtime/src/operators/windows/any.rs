//! Any windows, tap by tap where taps lie apart.

use super::Windows;
use crate::kernels::{Runs, gather};
use crate::operators::rows::RowWindow;

/// Where the windows of a row are read from.
pub(super) struct Any<'a> {
    pub windows: Windows<'a>,
    pub window: &'a RowWindow<'a>,
    /// What stands in the padding: an element for each input channel of the group.
    pub padding: &'a [i8],
}

impl Any<'_> {
    /// Copies the windows of `pixels` output pixels from column `x` to runs of `len` elements; what is behind a window is left.
    #[inline(never)]
    pub fn gather(&self, x: usize, pixels: usize, len: usize, plain: &mut [i8]) {
        self.pieces(x, pixels, |pixel, at, elements| {
            let runs = Runs { elements, len: elements.len(), pitch: 0, count: 1 };
            gather(&runs, len, plain.get_mut(pixel.wrapping_mul(len).wrapping_add(at)..).unwrap_or(&mut []));
        });
    }

    /// Calls `place` with the pieces of the windows of `pixels` output pixels from column `x`: the pixel that each is of,
    /// position in the window, elements.
    #[inline(always)]
    pub fn pieces(&self, x: usize, pixels: usize, mut place: impl FnMut(usize, usize, &[i8])) {
        let Windows { geometry, first, inputs } = self.windows;
        let [taps_down, taps_across] = geometry.kernel;
        let ([_, stride], [_, dilation], [_, pad]) = (geometry.stride, geometry.dilation, geometry.pad);
        let channels = geometry.channels_in;
        let width = geometry.columns_in as usize;
        let together = self.windows.together();
        let mut below = 0usize;
        for ky in 0..taps_down {
            let row = self.window.tap(ky);
            for pixel in 0..pixels {
                // Wraps in the padding on the left, to behind the last column.
                let mut column = x.wrapping_add(pixel).wrapping_mul(stride as usize).wrapping_sub(pad as usize);
                let (mut at, mut taps) = (below, taps_across);
                while taps > 0 {
                    let count = if together && column < width { taps.min(width.wrapping_sub(column)) } else { 1 };
                    let len = count.wrapping_mul(inputs);
                    let start = column.wrapping_mul(channels).wrapping_add(first);
                    let elements = row.filter(|_| column < width).and_then(|row| row.get(start..)?.get(..len));
                    match elements {
                        Some(elements) => place(pixel, at, elements),
                        None => (0..count).for_each(|tap| {
                            place(pixel, at.wrapping_add(tap.wrapping_mul(inputs)), self.padding);
                        }),
                    }
                    column = column.wrapping_add(count.wrapping_mul(dilation as usize));
                    at = at.wrapping_add(len);
                    taps = taps.wrapping_sub(count);
                }
            }
            below = below.wrapping_add(taps_across.wrapping_mul(inputs));
        }
    }
}
