//! Pointwise (1×1) convolution; a dense layer over one pixel is the same.

use super::RowOperator;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::layer::{HoldsLayer, Kind, Layer, Pixel};
use super::padding::Padding;
use super::rows::RowWindow;
use super::windows::Windows;
use crate::kernels::{Matrix, Output};

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, i] · in[y · stride, x · stride, i])`, without padding.
///
/// Biases, weights and multipliers are a [`Matrix`].
#[derive(Clone, Copy, Debug)]
pub struct Pointwise<L>(pub(in crate::operators) L);

impl<'p> Pointwise<Layer<'p>> {
    pub(super) const KIND: Kind = Kind { words: Self::words, columns: true, pixel: Pixel::Never };

    /// Number of packed words; `None` where there is more than a pixel under a window.
    fn words(geometry: &Geometry, _groups: usize) -> Option<usize> {
        // Without padding the last column read is inside the input: the geometry says so.
        let sound = geometry.kernel == [1, 1] && geometry.pad == [0, 0];
        Matrix::len(geometry.channels_in, geometry.channels_out).filter(|_| sound)
    }

    /// A pointwise convolution over the geometry's shapes; `None` where sizes do not match.
    pub fn new(geometry: Geometry, words: &'p [u32], epilogue: Epilogue) -> Option<Self> {
        Layer::new(geometry, 1, words, epilogue, Padding::uniform(0), &Self::KIND).map(Self)
    }
}

impl<L: HoldsLayer> Pointwise<L> {
    fn windows(&self) -> Windows<'_> {
        Windows { geometry: &self.0.layer().geometry, first: 0, inputs: self.0.layer().geometry.channels_in }
    }

    fn matrix(&self) -> Option<Matrix<'_>> {
        Matrix::new(self.0.layer().words, self.0.layer().geometry.channels_in, self.0.layer().geometry.channels_out)
    }
}

impl<L: HoldsLayer> RowOperator for Pointwise<L> {
    fn geometry(&self) -> &Geometry {
        &self.0.layer().geometry
    }

    fn scratch_words(&self) -> usize {
        self.windows().scratch_words()
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let epilogue = &self.0.layer().epilogue;
        if epilogue.is_closed(window.second(), out) {
            return;
        }
        if let Some(matrix) = &self.matrix() {
            let (stride, zero_point) = (matrix.channels(), epilogue.zero_point());
            self.windows().multiply_pixels(window, matrix, scratch, Output { elements: out, stride, zero_point });
        }
        epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let Layer { geometry: g, epilogue, .. } = self.0.layer();
        let Some(matrix) = self.matrix().filter(|_| !epilogue.is_closed(second, output)) else { return };
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for o in 0..g.channels_out {
                    let mut acc = i64::from(matrix.bias(o));
                    for i in 0..g.channels_in {
                        let value = g.element(input, g.first_row(y), g.column(x, 0), i).unwrap_or(0);
                        acc = acc.wrapping_add(i64::from(value).wrapping_mul(matrix.weight(o, i).into()));
                    }
                    if let Some((index, out)) = outputs.next() {
                        *out = epilogue.reference(acc, matrix.multiplier(o), second, index);
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
