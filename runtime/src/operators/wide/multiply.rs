//! Product of two tensors: gates and attention.

use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::pair::WidePair;
use crate::plan::PlanError;

/// Bound of the multiplier: its product with those of elements, below 2^34, stays below 2^58.
const MAX_MULTIPLIER: i32 = 1 << 24;

/// `out = clamp(zero_point + round_half_up((a − za) · (b − zb) · m / 2^shift))`, element by element; the second input may be
/// narrower.
#[derive(Clone, Copy, Debug)]
pub struct WideMultiply {
    pair: WidePair,
    multiplier: i32,
}

impl WideMultiply {
    /// A product; `None` unless the multiplier lies in `1..=2^24`.
    pub fn new(pair: WidePair, multiplier: i32) -> Option<Self> {
        (1..=MAX_MULTIPLIER).contains(&multiplier).then_some(Self { pair, multiplier })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        Self::new(WidePair::decode(context)?, context.step.first_parameter)
            .ok_or(PlanError::Requantization(context.index))
    }

    fn product(&self) -> impl Fn(i64, i64) -> (i64, i32) + use<> {
        let multiplier = self.multiplier;
        move |a, b| (a.wrapping_mul(b), multiplier)
    }
}

impl RowOperator for WideMultiply {
    fn geometry(&self) -> &Geometry {
        &self.pair.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        self.pair.row(window, out, self.product());
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        self.pair.reference(input, second, output, self.product());
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::testing::{pair_equals_reference, pairs};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(pair in pairs(), seed in any::<u64>(), multiplier in 1..=MAX_MULTIPLIER) {
            pair_equals_reference(&WideMultiply::new(pair, multiplier).unwrap(), &pair, seed)?;
        }
    }
}
