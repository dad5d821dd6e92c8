//! What operators on two tensors, element by element, share.

use super::super::Context;
use super::super::geometry::Geometry;
use super::super::pairing::Pairing;
use super::super::rows::RowWindow;
use super::{Input, WideRequantizer};
use crate::plan::{Elements, PlanError};

/// Two inputs, of which the second may be narrower (see [`Pairing`]), and the output.
#[derive(Clone, Copy, Debug)]
pub struct WidePair {
    pub(super) geometry: Geometry,
    pairing: Pairing,
    inputs: [Input; 2],
    requantizer: WideRequantizer,
}

impl WidePair {
    /// A pair over the geometry's shapes; `None` unless it is elementwise.
    pub fn new(geometry: Geometry, pairing: Pairing, inputs: [Input; 2], requantizer: WideRequantizer) -> Option<Self> {
        geometry.is_elementwise().then_some(Self { geometry, pairing, inputs, requantizer })
    }

    #[inline(never)]
    pub(super) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.unpadded()?;
        let wrong = PlanError::Geometry(context.index);
        let pairing = context.second.and_then(|second| Pairing::of(context.input, second)).ok_or(wrong)?;
        Self::new(context.elementwise()?, pairing, context.wide_pair()?, context.wide_requantizer()?).ok_or(wrong)
    }

    /// The output for elements `a` and `b`: `f` of both without their zero points, requantized with its multiplier.
    #[inline]
    fn element(&self, a: i32, b: i32, f: impl Fn(i64, i64) -> (i64, i32)) -> i32 {
        let [a_input, b_input] = self.inputs;
        let [a, b] = [(a, a_input), (b, b_input)].map(|(value, input)| i64::from(value.wrapping_sub(input.zero_point)));
        let (acc, multiplier) = f(a, b);
        self.requantizer.apply(acc, multiplier)
    }

    /// Computes an output row.
    #[inline]
    pub(super) fn row(&self, window: &RowWindow<'_>, out: &mut [i8], f: impl Fn(i64, i64) -> (i64, i32)) {
        let [a_input, b_input] = self.inputs;
        let first = Elements::new(window.tap(0).unwrap_or(&[]), a_input.element);
        let second = Elements::new(window.second(), b_input.element);
        let mut out = self.requantizer.output(out);
        self.pairing.places(self.geometry.columns_in, |a, b| {
            out.set(a, self.element(first.get(a).unwrap_or(0), second.get(b).unwrap_or(0), &f));
        });
    }

    /// The definition.
    pub(super) fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8], f: impl Fn(i64, i64) -> (i64, i32)) {
        let [a_input, b_input] = self.inputs;
        let second = Elements::new(second, b_input.element);
        let mut out = self.requantizer.output(output);
        for (index, a) in Elements::new(input, a_input.element).iter().enumerate() {
            let b = second.get(self.pairing.place(&self.geometry, index)).unwrap_or(0);
            out.set(index, self.element(a, b, &f));
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::testing::{inputs, requantizers};
    use super::*;
    use crate::operators::RowOperator;
    use crate::operators::pairing::testing::{pairings, second_len};
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    prop_compose! {
        /// Any pair.
        pub fn pairs()(
            geometry in elementwise(), pairing in pairings(), inputs in [inputs(), inputs()], requantizer in requantizers(46),
        ) -> WidePair {
            WidePair::new(geometry, pairing.with(&geometry), inputs, requantizer).unwrap()
        }
    }

    /// Rows of an operator on a pair equal its reference.
    pub fn pair_equals_reference(operator: &impl RowOperator, pair: &WidePair, seed: u64) -> Result<(), TestCaseError> {
        let (mut bytes, [first, second]) = (int8s(seed), pair.inputs.map(|input| input.element));
        let [len, row] = <[usize; 2]>::from(second_len(&pair.geometry, &pair.pairing)).map(|len| len * second.size());
        let tensor = bytes(len);
        typed_rows_equal_reference(operator, [first, pair.requantizer.element()], &mut bytes, Some((&tensor, row)))
    }
}
