//! Residual add.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Multipliers are at most this, so that the sum of both products stays below 2^30.
const MAX_MULTIPLIER: i32 = 1 << 21;

/// `out = clamp(zero_point + round_half_up(((a − za) · ma + (b − zb) · mb) / 2^shift))`, element by element.
///
/// Both inputs are brought to one fixed-point scale and rounded once, as in HAWQ-V3 (Yao et al., 2021).
#[derive(Clone, Copy, Debug)]
pub struct Add {
    geometry: Geometry,
    zero_points: [i32; 2],
    multipliers: [i32; 2],
    requantizer: Requantizer,
}

impl Add {
    /// An add over the geometry's shapes; `None` unless it is elementwise and both multipliers lie in `0..=2^21`.
    pub fn new(
        geometry: Geometry,
        zero_points: [i32; 2],
        multipliers: [i32; 2],
        requantizer: Requantizer,
    ) -> Option<Self> {
        let bounded = multipliers.iter().all(|m| (0..=MAX_MULTIPLIER).contains(m));
        (geometry.is_elementwise() && bounded).then_some(Self { geometry, zero_points, multipliers, requantizer })
    }

    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        let second = context.second.ok_or(PlanError::Geometry(context.index))?;
        let same = second.rows == context.input.rows
            && second.columns == context.input.columns
            && second.channels == context.input.channels;
        fits(same, context.index)?;
        let wrong = PlanError::Requantization(context.index);
        if context.step.shift > 30 {
            return Err(wrong);
        }
        let zero_points = [context.input.zero_point.into(), second.zero_point.into()];
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(geometry, zero_points, multipliers, context.requantizer()?).ok_or(wrong)
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
        for ((out, &a), &b) in out.iter_mut().zip(first).zip(window.second()) {
            let a = i32::from(a).wrapping_sub(za).wrapping_mul(ma);
            let b = i32::from(b).wrapping_sub(zb).wrapping_mul(mb);
            *out = self.requantizer.round_shift(a.wrapping_add(b));
        }
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let [za, zb] = self.zero_points.map(i64::from);
        let [ma, mb] = self.multipliers.map(i64::from);
        for ((out, &a), &b) in output.iter_mut().zip(input).zip(second) {
            let a = i64::from(a).wrapping_sub(za).wrapping_mul(ma);
            let b = i64::from(b).wrapping_sub(zb).wrapping_mul(mb);
            *out = self.requantizer.apply(a.wrapping_add(b) as i32, 1);
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
            geometry in elementwise(), seed in any::<u64>(), ma in 0..=MAX_MULTIPLIER, mb in 0..=MAX_MULTIPLIER,
            zeros in any::<[i8; 3]>(), shift in 1u8..=30,
        ) {
            let [za, zb, zo] = zeros.map(i32::from);
            let requantizer = Requantizer::new(shift, zo, -128, 127).unwrap();
            let operator = Add::new(geometry, [za, zb], [ma, mb], requantizer).unwrap();
            let mut bytes = int8s(seed);
            let second = bytes(geometry.rows_out as usize * geometry.row_out());
            rows_equal_reference(&operator, &mut bytes, Some(&second))?;
        }
    }
}
