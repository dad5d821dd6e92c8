//! Softmax over the channels of each pixel, in integers.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;

/// Largest number of channels, so that the sum of 16-bit exponentials stays below 2^30.
pub(super) const MAX_CHANNELS: usize = 1 << 14;

/// `out[c] = min(127, −128 + round_half_up(256 · e[max − in[c]] / Σ e[max − in[i]]))`: output scale 1/256, zero point −128.
///
/// `e[d] = round(65535 · exp(−d · scale))` is a table of 256 numbers (u16) in the constants.
#[derive(Clone, Copy, Debug)]
pub struct Softmax<'p> {
    geometry: Geometry,
    exponentials: &'p [u16; 256],
}

impl<'p> Softmax<'p> {
    /// A softmax over the geometry's shapes; `None` unless it is elementwise with at most 2^14 channels.
    #[inline(always)]
    pub fn new(geometry: Geometry, exponentials: &'p [u16; 256]) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_in == geometry.channels_out
            && geometry.channels_in <= MAX_CHANNELS;
        sound.then_some(Self { geometry, exponentials })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        context.single()?;
        fits(context.output.zero_point == -128, context.index)?;
        let table = context.constants.get(context.step.weights, 256);
        let table = table.and_then(|t| t.first_chunk()).ok_or(PlanError::Constants(context.index))?;
        Self::new(geometry, table).ok_or(PlanError::Geometry(context.index))
    }
}

/// `e[max − value]`.
#[inline]
pub(super) fn exponential(exponentials: &[u16; 256], max: i8, value: i8) -> u32 {
    // The distance of two int8 is below 256.
    exponentials.get(usize::from(max.abs_diff(value))).copied().unwrap_or(0).into()
}

impl RowOperator for Softmax<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let pixels = window.tap(0).unwrap_or(&[]).chunks_exact(channels);
        for (out, pixel) in out.chunks_exact_mut(channels).zip(pixels) {
            let max = pixel.iter().copied().max().unwrap_or(0);
            let sum = pixel.iter().fold(0u32, |sum, &v| sum.wrapping_add(exponential(self.exponentials, max, v)));
            for (out, &value) in out.iter_mut().zip(pixel) {
                let doubled = exponential(self.exponentials, max, value).wrapping_mul(512).wrapping_add(sum);
                let share = doubled.checked_div(sum.wrapping_mul(2)).unwrap_or(0);
                *out = (share.min(255) as i32).wrapping_sub(128) as i8;
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        for (out, pixel) in output.chunks_mut(channels).zip(input.chunks(channels)) {
            let max = pixel.iter().fold(i8::MIN, |m, &v| m.max(v));
            let e = |v: i8| u64::from(exponential(self.exponentials, max, v));
            let sum: u64 = pixel.iter().map(|&v| e(v)).sum();
            for (out, &value) in out.iter_mut().zip(pixel) {
                let exact = e(value).wrapping_mul(512).wrapping_add(sum).checked_div(sum.wrapping_mul(2));
                *out = (exact.unwrap_or(0).min(255) as i64).wrapping_sub(128) as i8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{Tensor, elementwise, int8s, rows_equal_reference};
    use proptest::prelude::*;

    fn table(scale: f64) -> [u16; 256] {
        core::array::from_fn(|d| (65535.0 * (-(d as f64) * scale).exp()).round() as u16)
    }

    proptest! {
        #[test]
        fn rows_equal_the_reference(geometry in elementwise(), seed in any::<u64>(), scale in 0.001f64..1.0) {
            let table = table(scale);
            rows_equal_reference(&Softmax::new(geometry, &table).unwrap(), &mut int8s(seed), None)?;
        }

        #[test]
        fn close_to_the_real_function(values in proptest::collection::vec(any::<i8>(), 1..50), scale in 0.005f64..0.5) {
            let table = table(scale);
            let geometry = Geometry {
                rows_in: 1, columns_in: 1, channels_in: values.len(), rows_out: 1, columns_out: 1,
                channels_out: values.len(), kernel: [1, 1], stride: [1, 1], upsampling: 1, dilation: [1, 1], pad: [0, 0],
            };
            let mut out = std::vec![0i8; values.len()];
            Softmax::new(geometry, &table).unwrap().row(&Tensor::new(&values, values.len()).window(&geometry, None, 0), &mut [], &mut out);
            let exp = |v: i8| (f64::from(v) * scale).exp();
            let sum: f64 = values.iter().map(|&v| exp(v)).sum();
            for (&out, &value) in out.iter().zip(&values) {
                let real = (exp(value) / sum * 256.0).min(255.0);
                prop_assert!((f64::from(out) + 128.0 - real).abs() <= 0.51, "{} {}", out, real);
            }
        }
    }
}
