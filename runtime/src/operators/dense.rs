//! Dense layer over a whole tensor, row by row.

use super::channels::Channels;
use super::geometry::{Geometry, fits};
use super::{Context, RowOperator, dot};
use crate::plan::PlanError;

/// `out[o] = requantize(bias[o] + Σ w[o, y, x, c] · in[y, x, c])`: the kernel is the whole input, the output one pixel.
///
/// Weights lie `[output][row][column][channel]`. One sum per output is carried from row to row.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'p> {
    geometry: Geometry,
    weights: &'p [i8],
    channels: Channels<'p>,
}

impl<'p> Dense<'p> {
    /// A dense layer over the geometry's shapes; `None` where sizes do not match.
    pub fn new(geometry: Geometry, weights: &'p [i8], channels: Channels<'p>) -> Option<Self> {
        let whole = geometry.kernel == [geometry.rows_in as usize, geometry.columns_in as usize];
        let one = geometry.rows_out == 1 && geometry.columns_out == 1 && geometry.pad == [0, 0];
        let sound = whole
            && one
            && geometry.dilation == [1, 1]
            && weights.len() == Self::fan_in(&geometry)?.checked_mul(geometry.channels_out)?;
        sound.then_some(Self { geometry, weights, channels })
    }

    fn fan_in(geometry: &Geometry) -> Option<usize> {
        geometry.row_in().checked_mul(geometry.rows_in as usize)
    }

    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry()?;
        context.single()?;
        let misfit = PlanError::Geometry(context.index);
        let fan_in = Self::fan_in(&geometry).ok_or(misfit)?;
        let channels = Channels::decode(context, geometry.channels_out, fan_in)?;
        let weights = context.weights(fan_in.checked_mul(geometry.channels_out).ok_or(misfit)?)?;
        fits(geometry.rows_out == 1, context.index)?;
        Self::new(geometry, weights, channels).ok_or(misfit)
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
        let row_len = self.geometry.row_in();
        let kernel = row_len.wrapping_mul(self.geometry.rows_in as usize).max(1);
        let start = tap.wrapping_mul(row_len);
        for (sum, weights) in sums.iter_mut().zip(self.weights.chunks_exact(kernel)) {
            *sum = sum.wrapping_add(dot(row, weights.get(start..).unwrap_or(&[])));
        }
    }

    fn finish(&self, _y: u32, sums: &[i32], out: &mut [i8]) {
        for ((out, &sum), (bias, multiplier)) in out.iter_mut().zip(sums).zip(self.channels.iter()) {
            *out = self.channels.requantizer.apply(sum.wrapping_add(bias), multiplier);
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let mut weights = self.weights.iter();
        for (out, (bias, multiplier)) in output.iter_mut().zip(self.channels.iter()) {
            let mut acc = i64::from(bias);
            for (&value, &weight) in input.iter().zip(&mut weights) {
                acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
            }
            *out = self.channels.requantizer.apply(acc as i32, multiplier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{channel_numbers, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            rows in 1u32..6, columns in 1u32..6, inputs in 1usize..8, outputs in 1usize..8, seed in any::<u64>(),
        ) {
            let geometry = Geometry {
                rows_in: rows, columns_in: columns, channels_in: inputs, rows_out: 1, columns_out: 1,
                channels_out: outputs, kernel: [rows as usize, columns as usize], stride: [1, 1], dilation: [1, 1],
                pad: [0, 0],
            };
            let fan_in = rows as usize * columns as usize * inputs;
            let mut bytes = int8s(seed);
            let weights = bytes(fan_in * outputs);
            let (bias, multiplier, requantizer) = channel_numbers(seed, outputs, fan_in);
            let channels = Channels { bias: &bias, multiplier: &multiplier, requantizer };
            let operator = Dense::new(geometry, &weights, channels).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }
}
