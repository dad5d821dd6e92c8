//! Dense layer over a whole tensor, row by row.

use super::geometry::{Geometry, fits};
use super::{Context, RowOperator};
use crate::kernels::{Matrix, accumulate};
use crate::plan::PlanError;
use crate::requantize::{Requantizer, high_word};

/// `out[o] = requantize(bias[o] + Σ w[o, y, x, c] · in[y, x, c])`: the kernel is the whole input, the output one pixel.
///
/// Biases, weights and multipliers are a [`Matrix`] whose inputs are `[row][column][channel]`, the inputs of a row
/// filled up to a multiple of its grain. One sum per output is carried from row to row.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'p> {
    geometry: Geometry,
    matrix: Matrix<'p>,
    requantizer: Requantizer,
}

impl<'p> Dense<'p> {
    /// Inputs of the packed matrix: those of each row, filled up.
    pub fn fan_in(geometry: &Geometry) -> Option<usize> {
        geometry.row_in().checked_next_multiple_of(Matrix::GRAIN)?.checked_mul(geometry.rows_in as usize)
    }

    /// A dense layer over the geometry's shapes; `None` where sizes do not match.
    #[inline(always)]
    pub fn new(geometry: Geometry, words: &'p [u32], requantizer: Requantizer) -> Option<Self> {
        let whole = geometry.kernel == [geometry.rows_in as usize, geometry.columns_in as usize];
        let one = geometry.rows_out == 1 && geometry.columns_out == 1 && geometry.pad == [0, 0];
        let sound = whole && one && geometry.dilation == [1, 1] && requantizer.is_high_word();
        let matrix = Matrix::new(words, Self::fan_in(&geometry)?, geometry.channels_out)?;
        sound.then_some(Self { geometry, matrix, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        context.single()?;
        fits(geometry.rows_out == 1, context.index)?;
        let len = Self::fan_in(&geometry).and_then(|fan_in| Matrix::len(fan_in, geometry.channels_out));
        let words = context.packed(len)?;
        Self::new(geometry, words, context.requantizer()?).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Dense<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn sums(&self) -> usize {
        self.geometry.channels_out
    }

    fn accumulate(&self, tap: usize, row: &[i8], sums: &mut [i32]) {
        accumulate(&self.matrix, tap, row, sums);
    }

    fn finish(&self, _y: u32, sums: &[i32], out: &mut [i8]) {
        for ((out, &sum), (init, multiplier)) in out.iter_mut().zip(sums).zip(self.matrix.numbers()) {
            *out = high_word(sum.wrapping_add(init), multiplier, self.requantizer.zero_point());
        }
        self.requantizer.restrict(out);
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let row_len = self.geometry.row_in();
        let filled = row_len.next_multiple_of(Matrix::GRAIN);
        for (o, out) in output.iter_mut().enumerate() {
            let mut acc = i64::from(self.matrix.bias(o));
            for (y, row) in input.chunks_exact(row_len.max(1)).enumerate() {
                for (i, &value) in row.iter().enumerate() {
                    let weight = self.matrix.weight(o, y.wrapping_mul(filled).wrapping_add(i));
                    acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                }
            }
            *out = self.requantizer.apply(acc as i32, self.matrix.multiplier(o));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{int8s, packed, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            rows in 1u32..6, columns in 1u32..6, inputs in 1usize..8, outputs in 1usize..8, seed in any::<u64>(),
        ) {
            let geometry = Geometry {
                rows_in: rows, columns_in: columns, channels_in: inputs, rows_out: 1, columns_out: 1,
                channels_out: outputs, kernel: [rows as usize, columns as usize], stride: [1, 1], upsampling: 1, dilation: [1, 1],
                pad: [0, 0],
            };
            let (words, requantizer) = packed(seed, outputs, Dense::fan_in(&geometry).unwrap());
            let operator = Dense::new(geometry, &words, requantizer).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }
    }
}
