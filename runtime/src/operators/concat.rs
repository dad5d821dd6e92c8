//! Two tensors side by side along the channels.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Multipliers are at most this, so that a product stays below 2^30.
const MAX_MULTIPLIER: i32 = 1 << 22;

/// Each pixel is the first input's channels, then the second's, each brought to the output's scale:
/// `clamp(zero_point + round_half_up((v − zi) · mi / 2^shift))`.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    geometry: Geometry,
    zero_points: [i32; 2],
    multipliers: [i32; 2],
    requantizer: Requantizer,
    /// Inputs whose numbers are the output's already.
    same: [bool; 2],
}

impl Concat {
    /// A concatenation over the geometry's shapes, of which the output has more channels than the (first) input; `None`
    /// unless pixels map one to one and both multipliers lie in `0..=2^22`.
    pub fn new(
        geometry: Geometry,
        zero_points: [i32; 2],
        multipliers: [i32; 2],
        shift: u8,
        requantizer: Requantizer,
    ) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_out > geometry.channels_in
            && shift <= 30
            && multipliers.iter().all(|m| (0..=MAX_MULTIPLIER).contains(m));
        let one = 1i32.wrapping_shl(shift.into());
        let [a, b] = multipliers;
        let [za, zb] = zero_points;
        let zero = requantizer.zero_point();
        let same = [(a, za), (b, zb)].map(|number| number == (one, zero) && !requantizer.restricts());
        sound.then_some(Self { geometry, zero_points, multipliers, requantizer, same })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        let second = context.second.ok_or(PlanError::Geometry(context.index))?;
        let channels = usize::from(second.channels).checked_add(geometry.channels_in);
        let beside = second.rows == context.input.rows && second.columns == context.input.columns;
        fits(beside && channels == Some(geometry.channels_out), context.index)?;
        let zero_points = [context.input.zero_point.into(), second.zero_point.into()];
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(geometry, zero_points, multipliers, context.step.shift, context.requantizer()?)
            .ok_or(PlanError::Requantization(context.index))
    }

    #[inline]
    fn copy(&self, from: &[i8], out: &mut [i8], [zero, multiplier]: [i32; 2], same: bool) {
        for (out, &value) in out.iter_mut().zip(from) {
            let scaled = i32::from(value).wrapping_sub(zero).wrapping_mul(multiplier);
            *out = if same { value } else { self.requantizer.round_shift(scaled) };
        }
    }
}

impl RowOperator for Concat {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let [za, zb] = self.zero_points;
        let [ma, mb] = self.multipliers;
        let [same_a, same_b] = self.same;
        let inputs = self.geometry.channels_in.max(1);
        let others = self.geometry.channels_out.saturating_sub(inputs).max(1);
        let pixels = window.tap(0).unwrap_or(&[]).chunks_exact(inputs).zip(window.second().chunks_exact(others));
        for (out, (a, b)) in out.chunks_exact_mut(self.geometry.channels_out.max(1)).zip(pixels) {
            let Some((left, right)) = out.split_at_mut_checked(inputs) else { continue };
            self.copy(a, left, [za, ma], same_a);
            self.copy(b, right, [zb, mb], same_b);
        }
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let channels = self.geometry.channels_out;
        let others = channels.wrapping_sub(self.geometry.channels_in);
        for (index, out) in output.iter_mut().enumerate() {
            let pixel = index.checked_div(channels).unwrap_or(0);
            let c = index.wrapping_sub(pixel.wrapping_mul(channels));
            let (from, [zero, _], [multiplier, _], at) = match c.checked_sub(self.geometry.channels_in) {
                None => {
                    let at = pixel.wrapping_mul(self.geometry.channels_in).wrapping_add(c);
                    (input, self.zero_points, self.multipliers, at)
                }
                Some(c) => {
                    let ([za, zb], [ma, mb]) = (self.zero_points, self.multipliers);
                    (second, [zb, za], [mb, ma], pixel.wrapping_mul(others).wrapping_add(c))
                }
            };
            let value = i64::from(from.get(at).copied().unwrap_or(0));
            let scaled = value.wrapping_sub(zero.into()).wrapping_mul(multiplier.into());
            *out = self.requantizer.apply(scaled as i32, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, pairs_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), others in 1usize..20, seed in any::<u64>(), identity in any::<bool>(), min in -128i32..0,
            ma in 0..=MAX_MULTIPLIER, mb in 0..=MAX_MULTIPLIER, zeros in any::<[i8; 3]>(), shift in 1u8..=30,
        ) {
            let geometry = Geometry { channels_out: shapes.channels_in + others, ..shapes };
            let [za, zb, zo] = zeros.map(i32::from);
            let (shift, ma, za) = if identity { (20, 1 << 20, zo) } else { (shift, ma, za) };
            let requantizer = Requantizer::new(shift, zo, if seed % 2 == 0 { -128 } else { min }, 127).unwrap();
            let operator = Concat::new(geometry, [za, zb], [ma, mb], shift, requantizer).unwrap();
            let mut bytes = int8s(seed);
            let row = geometry.columns_in as usize * others;
            let second = bytes(geometry.rows_in as usize * row);
            pairs_equal_reference(&operator, &mut bytes, Some((&second, row)))?;
        }
    }
}
