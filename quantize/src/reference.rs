//! The oracle of the row engine: runs a plan tensor by tensor with the naive reference of each operator.

use residua::plan::{Plan, Tensor};

/// Runs one input; every value, whole, in row order, as [`crate::simulate::run_values`] gives them.
pub fn run_values(plan: &Plan<'_>, input: &[i8]) -> Vec<Vec<i8>> {
    let mut values: Vec<Vec<i8>> = vec![vec![]; plan.value_count().into()];
    values[usize::from(plan.input_value())] = input.to_vec();
    for index in 0..plan.step_count() {
        let (Some(step), Some(operator)) = (plan.step(index), plan.operator(index)) else { continue };
        let mut out = vec![0; plan.value(step.output).map_or(0, |value| Tensor::from(value).len())];
        let second = values.get(usize::from(step.second)).map_or(&[][..], |v| v);
        operator.reference(&values[usize::from(step.input)], second, &mut out);
        values[usize::from(step.output)] = out;
    }
    values
}
