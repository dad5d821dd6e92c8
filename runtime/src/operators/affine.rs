//! Scale and offset per channel: a norm that could not be folded into a neighbour.

use super::geometry::Geometry;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Bound of `|multiplier|`: its product with an int8 stays below 2^29.
const MAX_MULTIPLIER: u32 = 1 << 22;
/// Bound of `|offset|`.
const MAX_OFFSET: u32 = 1 << 29;

/// `out[y, x, c] = clamp(zero_point + round_half_up((in[y, x, c] · m[c] + b[c]) / 2^shift))`.
///
/// In the constants: all offsets `b` (i32), then all multipliers `m` (i32, of either sign); the input's zero point is
/// folded into the offsets.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'p> {
    geometry: Geometry,
    offsets: &'p [i32],
    multipliers: &'p [i32],
    requantizer: Requantizer,
}

impl<'p> Affine<'p> {
    /// An affine map over the geometry's shapes; `None` where sizes or bounds do not hold.
    pub fn new(
        geometry: Geometry,
        offsets: &'p [i32],
        multipliers: &'p [i32],
        requantizer: Requantizer,
    ) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_in == geometry.channels_out
            && offsets.len() == geometry.channels_out
            && multipliers.len() == geometry.channels_out
            && offsets.iter().all(|b| b.unsigned_abs() <= MAX_OFFSET)
            && multipliers.iter().all(|m| m.unsigned_abs() <= MAX_MULTIPLIER);
        sound.then_some(Self { geometry, offsets, multipliers, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        context.single()?;
        let constants = PlanError::Constants(context.index);
        let count = geometry.channels_out.checked_mul(2).ok_or(constants)?;
        let numbers = context.constants.get(context.step.channel_parameters, count).ok_or(constants)?;
        let (offsets, multipliers) = numbers.split_at_checked(geometry.channels_out).ok_or(constants)?;
        let wrong = PlanError::Requantization(context.index);
        if context.step.shift > 30 {
            return Err(wrong);
        }
        Self::new(geometry, offsets, multipliers, context.requantizer()?).ok_or(wrong)
    }
}

impl RowOperator for Affine<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let pixels = window.tap(0).unwrap_or(&[]).chunks_exact(channels);
        for (out, pixel) in out.chunks_exact_mut(channels).zip(pixels) {
            let numbers = self.multipliers.iter().zip(self.offsets);
            for ((out, &value), (&m, &b)) in out.iter_mut().zip(pixel).zip(numbers) {
                *out = self.requantizer.round_shift(i32::from(value).wrapping_mul(m).wrapping_add(b));
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        for (i, (out, &value)) in output.iter_mut().zip(input).enumerate() {
            let c = i.checked_rem(self.geometry.channels_out).unwrap_or(0);
            let (m, b) = (self.multipliers.get(c).copied().unwrap_or(0), self.offsets.get(c).copied().unwrap_or(0));
            let acc = i64::from(value).wrapping_mul(m.into()).wrapping_add(b.into());
            *out = self.requantizer.apply(acc as i32, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), seed in any::<u64>(), shift in 1u8..=30, zp in any::<i8>(),
            numbers in proptest::collection::vec((-(1i32 << 22)..(1 << 22), -(1i32 << 29)..(1 << 29)), 64),
        ) {
            let (multipliers, offsets): (std::vec::Vec<i32>, std::vec::Vec<i32>) =
                numbers.into_iter().take(geometry.channels_out).unzip();
            let requantizer = Requantizer::new(shift, zp.into(), -128, 127).unwrap();
            let operator = Affine::new(geometry, &offsets, &multipliers, requantizer).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }
    }
}
