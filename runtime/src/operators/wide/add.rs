//! Residual add: the sum of two tensors of different scales.

use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::pair::WidePair;
use crate::plan::PlanError;

/// Multipliers are at most this in size, so that the sum of both products stays below 2^48.
const MAX_MULTIPLIER: u32 = 1 << 30;

/// `out = clamp(zero_point + round_half_up(((a − za) · ma + (b − zb) · mb) / 2^shift))`, element by element; a negative
/// multiplier subtracts. The second input may be narrower.
#[derive(Clone, Copy, Debug)]
pub struct WideAdd {
    pair: WidePair,
    multipliers: [i32; 2],
}

impl WideAdd {
    /// An add; `None` unless both multipliers lie in `−2^30..=2^30`.
    pub fn new(pair: WidePair, multipliers: [i32; 2]) -> Option<Self> {
        let sound = multipliers.iter().all(|m| m.unsigned_abs() <= MAX_MULTIPLIER);
        sound.then_some(Self { pair, multipliers })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(WidePair::decode(context)?, multipliers).ok_or(PlanError::Requantization(context.index))
    }

    fn sum(&self) -> impl Fn(i64, i64) -> (i64, i32) + use<> {
        let [ma, mb] = self.multipliers.map(i64::from);
        move |a, b| (a.wrapping_mul(ma).wrapping_add(b.wrapping_mul(mb)), 1)
    }
}

impl RowOperator for WideAdd {
    fn geometry(&self) -> &Geometry {
        &self.pair.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        self.pair.row(window, out, self.sum());
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        self.pair.reference(input, second, output, self.sum());
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::testing::{pair_equals_reference, pairs};
    use super::*;
    use proptest::prelude::*;

    const LIMIT: i32 = MAX_MULTIPLIER as i32;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            pair in pairs(), seed in any::<u64>(), multipliers in [-LIMIT..=LIMIT, -LIMIT..=LIMIT],
        ) {
            pair_equals_reference(&WideAdd::new(pair, multipliers).unwrap(), &pair, seed)?;
        }
    }
}
