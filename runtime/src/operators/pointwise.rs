//! Pointwise (1×1) convolution; a dense layer over one pixel is the same.

use super::epilogue::Epilogue;
use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::windows::Windows;
use super::{Context, RowOperator};
use crate::kernels::{Matrix, Output};
use crate::plan::PlanError;

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, i] · in[y · stride, x · stride, i])`, without padding.
///
/// Biases, weights and multipliers are a [`Matrix`].
#[derive(Clone, Copy, Debug)]
pub struct Pointwise<'p> {
    geometry: Geometry,
    matrix: Matrix<'p>,
    epilogue: Epilogue,
}

impl<'p> Pointwise<'p> {
    /// A pointwise convolution over the geometry's shapes; `None` where sizes do not match.
    #[inline(always)]
    pub fn new(geometry: Geometry, words: &'p [u32], epilogue: Epilogue) -> Option<Self> {
        // Without padding the last column read is inside the input: the geometry says so.
        let sound = geometry.kernel == [1, 1] && geometry.pad == [0, 0] && epilogue.is_high_word();
        let matrix = Matrix::new(words, geometry.channels_in, geometry.channels_out)?;
        sound.then_some(Self { geometry, matrix, epilogue })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        context.linked()?;
        context.unpadded()?;
        fits(geometry.span() == 1, context.index)?;
        let words = context.packed(Matrix::len(geometry.channels_in, geometry.channels_out))?;
        Self::new(geometry, words, Epilogue::decode(context)?).ok_or(PlanError::Geometry(context.index))
    }

    fn windows(&self) -> Windows<'_> {
        Windows { geometry: &self.geometry, first: 0, inputs: self.geometry.channels_in }
    }
}

impl RowOperator for Pointwise<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn scratch_words(&self) -> usize {
        self.windows().scratch_words()
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        if self.epilogue.is_closed(window.second(), out) {
            return;
        }
        let output =
            Output { elements: out, stride: self.geometry.channels_out, zero_point: self.epilogue.zero_point() };
        self.windows().multiply_pixels(window, &self.matrix, scratch, output);
        self.epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        if self.epilogue.is_closed(second, output) {
            return;
        }
        let g = &self.geometry;
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for o in 0..g.channels_out {
                    let mut acc = i64::from(self.matrix.bias(o));
                    for i in 0..g.channels_in {
                        let value = g.element(input, g.first_row(y), g.column(x, 0), i).unwrap_or(0);
                        acc = acc.wrapping_add(i64::from(value).wrapping_mul(self.matrix.weight(o, i).into()));
                    }
                    if let Some((index, out)) = outputs.next() {
                        *out = self.epilogue.reference(acc, self.matrix.multiplier(o), second, index);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{geometries, int8s, packed, rows_equal_reference, unpadded_1x1};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference((geometry, _) in geometries(1..=40, false), seed in any::<u64>()) {
            let geometry = unpadded_1x1(geometry);
            let (words, requantizer) = packed(seed, geometry.channels_out, geometry.channels_in);
            let operator = Pointwise::new(geometry, &words, requantizer.into()).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }
    }
}
