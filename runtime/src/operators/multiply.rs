//! Product of two tensors: gates and attention.

use super::geometry::Geometry;
use super::pairing::Pairing;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// `out = clamp(zero_point + round_half_up((a − za) · (b − zb) · m / 2^shift))`, element by element; the second input may be
/// narrower, see [`Pairing`].
#[derive(Clone, Copy, Debug)]
pub struct Multiply {
    geometry: Geometry,
    pairing: Pairing,
    zero_points: [i32; 2],
    multiplier: i32,
    requantizer: Requantizer,
}

impl Multiply {
    /// A product over the geometry's shapes; `None` unless it is elementwise and the multiplier is positive.
    pub fn new(
        geometry: Geometry,
        pairing: Pairing,
        zero_points: [i32; 2],
        multiplier: i32,
        requantizer: Requantizer,
    ) -> Option<Self> {
        let sound = geometry.is_elementwise() && multiplier > 0;
        sound.then_some(Self { geometry, pairing, zero_points, multiplier, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        let second = context.second.ok_or(PlanError::Geometry(context.index))?;
        let pairing = Pairing::of(context.input, second).ok_or(PlanError::Geometry(context.index))?;
        let zero_points = [context.input.zero_point.into(), second.zero_point.into()];
        Self::new(geometry, pairing, zero_points, context.step.first_parameter, context.requantizer()?)
            .ok_or(PlanError::Requantization(context.index))
    }
}

impl RowOperator for Multiply {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let [za, zb] = self.zero_points;
        let first = window.tap(0).unwrap_or(&[]);
        self.pairing.for_each(first, window.second(), out, |a, b| {
            let product = i32::from(a).wrapping_sub(za).wrapping_mul(i32::from(b).wrapping_sub(zb));
            self.requantizer.apply(product, self.multiplier)
        });
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let [za, zb] = self.zero_points.map(i64::from);
        for (index, (out, &a)) in output.iter_mut().zip(input).enumerate() {
            let b = self.pairing.reference(&self.geometry, second, index);
            let product = i64::from(a).wrapping_sub(za).wrapping_mul(i64::from(b).wrapping_sub(zb));
            *out = self.requantizer.apply(product as i32, self.multiplier);
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
            geometry in elementwise(), pairing in pairings(), seed in any::<u64>(), multiplier in 1i32..,
            zeros in any::<[i8; 3]>(), shift in 20u8..=40,
        ) {
            let [za, zb, zo] = zeros.map(i32::from);
            let requantizer = Requantizer::new(shift, zo, -128, 127).unwrap();
            let operator = Multiply::new(geometry, pairing.with(&geometry), [za, zb], multiplier, requantizer).unwrap();
            let mut bytes = int8s(seed);
            let (len, row) = second_len(&geometry, &pairing);
            let second = bytes(len);
            pairs_equal_reference(&operator, &mut bytes, Some((&second, row)))?;
        }
    }
}
