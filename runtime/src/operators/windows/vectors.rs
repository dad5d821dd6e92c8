//! Windows as they are, for kernels that read vectors: those of one tap where they lie, others copied two at a time.

use super::Windows;
use super::any::Any;
use super::together::Together;
use crate::kernels::vectors::VectorMatrix;
use crate::kernels::{Multiplication, Output};
use crate::operators::padding::Padding;
use crate::operators::rows::RowWindow;

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
        let columns = g.columns_out as usize;
        let fan_in = self.fan_in().unwrap_or(0);
        // Without padding, windows of one tap lie in the row: the geometry says so.
        let single = g.kernel == [1, 1];
        let pitch = if single { g.channels_in.wrapping_mul(g.stride[1] as usize) } else { fan_in };
        let Some(product) = Multiplication::new(matrix, fan_in, pitch, out.stride, out.zero_point) else { return };
        if single {
            let elements = window.tap(0).and_then(|row| row.get(self.first..)).unwrap_or(&[]);
            return product.compute(elements, columns, out.elements);
        }
        let parts = self.parts();
        let Some((windows, pad)) = scratch.split_at_mut_checked(parts.windows) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let windows: &mut [i8] = bytemuck::must_cast_slice_mut(windows);
        let copy = Copy::new(*self, window, pad.get(..self.inputs).unwrap_or(&[]), windows);
        let step = out.stride.wrapping_mul(COPIED);
        for (x, out) in (0..columns).step_by(COPIED).zip(out.elements.chunks_mut(step.max(1))) {
            let pixels = columns.wrapping_sub(x).min(COPIED);
            copy.windows(x, pixels, fan_in, windows);
            product.compute(windows, pixels, out);
        }
    }
}

/// How windows are copied.
enum Copy<'a> {
    Together(Together<'a>),
    Any(Any<'a>),
}

impl<'a> Copy<'a> {
    /// A way for the windows of a row; what is padding in all of them is written to `out`.
    fn new(windows: Windows<'a>, window: &'a RowWindow<'a>, padding: &'a [i8], out: &mut [i8]) -> Self {
        match Together::new(windows, window, padding) {
            Some(together) => {
                together.prepare(out);
                Self::Together(together)
            }
            None => Self::Any(Any { windows, window, padding }),
        }
    }

    /// Copies the windows of `pixels` output pixels from column `x` on, of `len` elements each.
    #[inline(always)]
    fn windows(&self, x: usize, pixels: usize, len: usize, out: &mut [i8]) {
        match self {
            Self::Together(together) => {
                together.window(x, out);
                if pixels > 1 {
                    together.window(x.wrapping_add(1), out.get_mut(len..).unwrap_or(&mut []));
                }
            }
            Self::Any(any) => any.gather(x, pixels, len, out),
        }
    }
}
