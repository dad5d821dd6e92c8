//! Residual add, and difference.

use super::geometry::Geometry;
use super::pairing::Pairing;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Multipliers are at most this in size, so that the sum of both products stays below 2^30.
const MAX_MULTIPLIER: i32 = 1 << 21;

/// `out = clamp(zero_point + round_half_up(((a − za) · ma + (b − zb) · mb) / 2^shift))`, element by element.
///
/// A negative multiplier subtracts. The second input may be narrower, see [`Pairing`]. Both inputs are brought to one fixed-point scale and rounded once, as in HAWQ-V3 (Yao et al., 2021).
#[derive(Clone, Copy, Debug)]
pub struct Add {
    geometry: Geometry,
    pairing: Pairing,
    zero_points: [i32; 2],
    multipliers: [i32; 2],
    requantizer: Requantizer,
}

impl Add {
    /// An add over the geometry's shapes; `None` unless it is elementwise and both multipliers lie in `−2^21..=2^21`.
    #[inline(always)]
    pub fn new(
        geometry: Geometry,
        pairing: Pairing,
        zero_points: [i32; 2],
        multipliers: [i32; 2],
        requantizer: Requantizer,
    ) -> Option<Self> {
        let bounded = multipliers.iter().all(|m| (-MAX_MULTIPLIER..=MAX_MULTIPLIER).contains(m));
        (geometry.is_elementwise() && bounded).then_some(Self {
            geometry,
            pairing,
            zero_points,
            multipliers,
            requantizer,
        })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_, '_>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        let second = context.second.ok_or(PlanError::Geometry(context.index))?;
        let pairing = Pairing::of(context.input, second).ok_or(PlanError::Geometry(context.index))?;
        let wrong = PlanError::Requantization(context.index);
        if context.step.shift > 30 {
            return Err(wrong);
        }
        let zero_points = [context.input.zero_point.into(), second.zero_point.into()];
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(geometry, pairing, zero_points, multipliers, context.requantizer()?).ok_or(wrong)
    }
}

impl RowOperator for Add {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let [za, zb] = self.zero_points;
        let [ma, mb] = self.multipliers;
        let first = window.tap(0).unwrap_or(&[]);
        let zero = za.wrapping_mul(ma).wrapping_add(zb.wrapping_mul(mb)).wrapping_neg();
        let requantizer = self.requantizer.unrestricted();
        self.pairing.for_each(first, window.second(), out, |a, b| {
            let a = i32::from(a).wrapping_mul(ma).wrapping_add(zero);
            requantizer.apply(i32::from(b).wrapping_mul(mb).wrapping_add(a))
        });
        self.requantizer.restrict(out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let [za, zb] = self.zero_points.map(i64::from);
        let [ma, mb] = self.multipliers.map(i64::from);
        for (index, (out, &a)) in output.iter_mut().zip(input).enumerate() {
            let b = self.pairing.reference(&self.geometry, second, index);
            let a = i64::from(a).wrapping_sub(za).wrapping_mul(ma);
            let b = i64::from(b).wrapping_sub(zb).wrapping_mul(mb);
            *out = self.requantizer.apply(a.wrapping_add(b) as i32, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::pairing::testing::{pairings, second_len};
    use crate::operators::testing::{elementwise, int8s, pairs_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), pairing in pairings(), seed in any::<u64>(),
            ma in -MAX_MULTIPLIER..=MAX_MULTIPLIER, mb in -MAX_MULTIPLIER..=MAX_MULTIPLIER,
            zeros in any::<[i8; 3]>(), shift in 1u8..=30,
        ) {
            let [za, zb, zo] = zeros.map(i32::from);
            let requantizer = Requantizer::new(shift, zo, -128, 127).unwrap();
            let operator = Add::new(geometry, pairing.with(&geometry), [za, zb], [ma, mb], requantizer).unwrap();
            let mut bytes = int8s(seed);
            let (len, row) = second_len(&geometry, &pairing);
            let second = bytes(len);
            pairs_equal_reference(&operator, &mut bytes, Some((&second, row)))?;
        }
    }
}
