//! Logarithm of the softmax over the channels of each pixel.

use super::geometry::Geometry;
use super::rows::RowWindow;
use super::softmax::{MAX_CHANNELS, exponential};
use super::{Context, RowOperator};
use crate::frontend::ln;
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// The table's value for a distance of 0 is e^0.
const ONE: u64 = 65535;
/// Largest multiplier of a distance, so that the product stays below 2^30.
const MAX_MULTIPLIER: i32 = 1 << 22;

/// `out = clamp(zero_point + round_half_up(((v − max) · m − L · n / 2^16) / 2^shift))`, where `L = ln(Σ exp(v − max))` as Q16 and
/// the exponentials come from the table of [`Softmax`](super::Softmax).
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax<'p> {
    geometry: Geometry,
    exponentials: &'p [u16; 256],
    multipliers: [i32; 2],
    requantizer: Requantizer,
}

impl<'p> LogSoftmax<'p> {
    /// A log-softmax over the geometry's shapes; `None` unless it is elementwise with at most 2^14 channels and both multipliers
    /// lie in `0..=2^22` and `0..=2^25`.
    pub fn new(
        geometry: Geometry,
        exponentials: &'p [u16; 256],
        multipliers: [i32; 2],
        requantizer: Requantizer,
    ) -> Option<Self> {
        let [m, n] = multipliers;
        let sound = geometry.is_elementwise()
            && geometry.channels_in == geometry.channels_out
            && geometry.channels_in <= MAX_CHANNELS
            && (0..=MAX_MULTIPLIER).contains(&m)
            && (0..=MAX_MULTIPLIER.wrapping_mul(8)).contains(&n);
        sound.then_some(Self { geometry, exponentials, multipliers, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        context.single()?;
        let table = context.constants.get(context.step.weights, 256);
        let table = table.and_then(|t| t.first_chunk()).ok_or(PlanError::Constants(context.index))?;
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(geometry, table, multipliers, context.requantizer()?).ok_or(PlanError::Requantization(context.index))
    }

    /// `L · n / 2^16`, rounded.
    fn logarithm(&self, sum: u64) -> i32 {
        let [_, n] = self.multipliers;
        // At most 2^14 channels: L is below ln(2^14) + 1, the product below 2^30.
        let l = i64::from(ln(sum.max(ONE), 0)).wrapping_sub(ln(ONE, 0).into());
        (l.wrapping_mul(n.into()).wrapping_add(1 << 15) >> 16) as i32
    }
}

impl RowOperator for LogSoftmax<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let [m, _] = self.multipliers;
        let pixels = window.tap(0).unwrap_or(&[]).chunks_exact(channels);
        for (out, pixel) in out.chunks_exact_mut(channels).zip(pixels) {
            let max = pixel.iter().copied().max().unwrap_or(0);
            let sum = pixel.iter().fold(0u32, |sum, &v| sum.wrapping_add(exponential(self.exponentials, max, v)));
            let logarithm = self.logarithm(sum.into());
            for (out, &value) in out.iter_mut().zip(pixel) {
                let distance = i32::from(value).wrapping_sub(max.into());
                *out = self.requantizer.round_shift(distance.wrapping_mul(m).wrapping_sub(logarithm));
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let [m, _] = self.multipliers;
        for (out, pixel) in output.chunks_mut(channels).zip(input.chunks(channels)) {
            let max = pixel.iter().fold(i8::MIN, |m, &v| m.max(v));
            let sum: u64 = pixel.iter().map(|&v| u64::from(exponential(self.exponentials, max, v))).sum();
            for (out, &value) in out.iter_mut().zip(pixel) {
                let distance = i64::from(value).wrapping_sub(max.into()).wrapping_mul(m.into());
                *out = self.requantizer.apply(distance.wrapping_sub(self.logarithm(sum).into()) as i32, 1);
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
        fn rows_equal_the_reference(
            geometry in elementwise(), seed in any::<u64>(), scale in 0.001f64..1.0, m in 0..=MAX_MULTIPLIER,
            n in 0..=MAX_MULTIPLIER, shift in 10u8..=30,
        ) {
            let requantizer = Requantizer::new(shift, 127, -128, 127).unwrap();
            let table = table(scale);
            let operator = LogSoftmax::new(geometry, &table, [m, n], requantizer).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }

        #[test]
        fn close_to_the_real_function(values in proptest::collection::vec(any::<i8>(), 1..50), scale in 0.005f64..0.5) {
            let table = table(scale);
            let out_scale = (255.0 * scale + 4.0) / 255.0;
            let unit = f64::from(1 << 18);
            let multipliers = [(scale / out_scale * unit) as i32, (unit / out_scale) as i32];
            let geometry = Geometry {
                rows_in: 1, columns_in: 1, channels_in: values.len(), rows_out: 1, columns_out: 1,
                channels_out: values.len(), kernel: [1, 1], stride: [1, 1], upsampling: 1, dilation: [1, 1], pad: [0, 0],
            };
            let requantizer = Requantizer::new(18, 127, -128, 127).unwrap();
            let mut out = std::vec![0i8; values.len()];
            let operator = LogSoftmax::new(geometry, &table, multipliers, requantizer).unwrap();
            operator.row(&Tensor::new(&values, values.len()).window(&geometry, None, 0), &mut [], &mut out);
            let sum: f64 = values.iter().map(|&v| (f64::from(v) * scale).exp()).sum();
            for (&out, &value) in out.iter().zip(&values) {
                let real = f64::from(value) * scale - sum.ln();
                prop_assert!((f64::from(out) - 127.0 - real / out_scale).abs() <= 0.6, "{} {}", out, real);
            }
        }
    }
}
