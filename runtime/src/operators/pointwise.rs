//! Pointwise (1×1) convolution; a dense layer over one pixel is the same.

use super::channels::Channels;
use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator, dot};
use crate::plan::PlanError;

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, i] · in[y · stride, x · stride, i])`, without padding.
///
/// Weights lie `[output][input]`.
#[derive(Clone, Copy, Debug)]
pub struct Pointwise<'p> {
    geometry: Geometry,
    weights: &'p [i8],
    channels: Channels<'p>,
}

impl<'p> Pointwise<'p> {
    /// A pointwise convolution over the geometry's shapes; `None` where sizes do not match.
    pub fn new(geometry: Geometry, weights: &'p [i8], channels: Channels<'p>) -> Option<Self> {
        // Without padding the last column read is inside the input: the geometry says so.
        let sound = geometry.kernel == [1, 1]
            && geometry.pad == [0, 0]
            && weights.len() == geometry.channels_in.checked_mul(geometry.channels_out)?;
        sound.then_some(Self { geometry, weights, channels })
    }

    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry()?;
        context.single()?;
        let misfit = PlanError::Geometry(context.index);
        let channels = Channels::decode(context, geometry.channels_out, geometry.channels_in)?;
        let weights = context.weights(geometry.channels_in.checked_mul(geometry.channels_out).ok_or(misfit)?)?;
        fits(geometry.span() == 1, context.index)?;
        Self::new(geometry, weights, channels).ok_or(misfit)
    }
}

impl RowOperator for Pointwise<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let inputs = self.geometry.channels_in.max(1);
        let stride = inputs.wrapping_mul(self.geometry.stride[1] as usize).max(1);
        let pixels = window.tap(0).unwrap_or(&[]).chunks(stride);
        for (out, pixel) in out.chunks_exact_mut(self.geometry.channels_out.max(1)).zip(pixels) {
            let pixel = pixel.get(..inputs).unwrap_or(&[]);
            let weights = self.weights.chunks_exact(inputs);
            for ((out, weights), (bias, multiplier)) in out.iter_mut().zip(weights).zip(self.channels.iter()) {
                let acc = bias.wrapping_add(dot(weights, pixel));
                *out = self.channels.requantizer.apply(acc, multiplier);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let mut outputs = output.iter_mut();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                let mut weights = self.weights.iter();
                for (bias, multiplier) in self.channels.iter() {
                    let mut acc = i64::from(bias);
                    for i in 0..g.channels_in {
                        let value = g.element(input, g.first_row(y), g.column(x, 0), i).unwrap_or(0);
                        let weight = weights.next().copied().unwrap_or(0);
                        acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                    }
                    if let Some(out) = outputs.next() {
                        *out = self.channels.requantizer.apply(acc as i32, multiplier);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{channel_numbers, geometries, int8s, rows_equal_reference, unpadded_1x1};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference((geometry, _) in geometries(1..=40, false), seed in any::<u64>()) {
            let geometry = unpadded_1x1(geometry);
            let mut bytes = int8s(seed);
            let weights = bytes(geometry.channels_in * geometry.channels_out);
            let (bias, multiplier, requantizer) = channel_numbers(seed, geometry.channels_out, geometry.channels_in);
            let channels = Channels { bias: &bias, multiplier: &multiplier, requantizer };
            let operator = Pointwise::new(geometry, &weights, channels).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }
}
