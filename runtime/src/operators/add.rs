//! Residual add, and difference.

use super::geometry::Geometry;
use super::pairing::Pairing;
use super::rows::RowWindow;
use super::sum::Sum;
use super::{Context, RowOperator};
use crate::kernels::copy;
use crate::plan::PlanError;

/// The [`Sum`] of both inputs, element by element. The second input may be narrower, see [`Pairing`].
#[derive(Clone, Copy, Debug)]
pub struct Add {
    geometry: Geometry,
    pairing: Pairing,
    sum: Sum,
}

impl Add {
    /// An add over the geometry's shapes; `None` unless it is elementwise.
    #[inline(always)]
    pub fn new(geometry: Geometry, pairing: Pairing, sum: Sum) -> Option<Self> {
        geometry.is_elementwise().then_some(Self { geometry, pairing, sum })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        let second = context.second.ok_or(PlanError::Geometry(context.index))?;
        let pairing = Pairing::of(context.input, second).ok_or(PlanError::Geometry(context.index))?;
        let wrong = PlanError::Requantization(context.index);
        let zero_points = [context.input.zero_point, second.zero_point].map(|z| z as i8);
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        let sum = Sum::new(zero_points, multipliers, context.requantizer()?).ok_or(wrong)?;
        Self::new(geometry, pairing, sum).ok_or(wrong)
    }
}

impl RowOperator for Add {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let first = window.tap(0).unwrap_or(&[]);
        if self.pairing.is_whole() {
            copy(first, out);
            return self.sum.add_to(out, window.second());
        }
        self.pairing.for_each(first, window.second(), out, self.sum.unrestricted());
        self.sum.restrict(out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        for (index, (out, &a)) in output.iter_mut().zip(input).enumerate() {
            *out = self.sum.reference(a, self.pairing.reference(&self.geometry, second, index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::pairing::testing::{pairings, second_len};
    use crate::operators::sum::MAX_MULTIPLIER;
    use crate::operators::testing::{elementwise, int8s, pairs_equal_reference};
    use crate::requantize::Requantizer;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), pairing in pairings(), seed in any::<u64>(),
            ma in -MAX_MULTIPLIER..=MAX_MULTIPLIER, mb in -MAX_MULTIPLIER..=MAX_MULTIPLIER,
            zeros in any::<[i8; 3]>(), shift in 1u8..=30,
        ) {
            let [za, zb, zo] = zeros;
            let requantizer = Requantizer::new(shift, zo.into(), -128, 127).unwrap();
            let sum = Sum::new([za, zb], [ma, mb], requantizer).unwrap();
            let operator = Add::new(geometry, pairing.with(&geometry), sum).unwrap();
            let mut bytes = int8s(seed);
            let (len, row) = second_len(&geometry, &pairing);
            let second = bytes(len);
            pairs_equal_reference(&operator, &mut bytes, Some((&second, row)))?;
        }
    }
}
