//! Comparisons, whose results are the numbers 0 and 1, what is done with them, and choices by them.

use super::elementwise::{add, both_computed, larger, multiply, subtract};
use super::{Builder, Call, Handler, Operand, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::{Constant, Elements};

/// `1 − x`.
const OPPOSITE: Function = Function::Linear { scale: -1.0, offset: 1.0 };
const MINUS: Function = Function::Linear { scale: -1.0, offset: 0.0 };

pub(super) fn greater(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    compare(builder, call, false, false)
}

pub(super) fn less(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    compare(builder, call, true, false)
}

/// Not less.
pub(super) fn greater_or_equal(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    compare(builder, call, true, true)
}

/// Not greater.
pub(super) fn less_or_equal(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    compare(builder, call, false, true)
}

fn compare(builder: &mut Builder, call: &Call<'_>, less: bool, opposite: bool) -> Result<Vec<ValueId>, Reject> {
    let (value, threshold, less) = match (call.operand(0), call.operand(1)) {
        (Some(Operand::Value(value)), Some(Operand::Constant(constant))) => (value, number(constant)?, less),
        (Some(Operand::Constant(constant)), Some(Operand::Value(value))) => (value, number(constant)?, !less),
        _ => {
            let Some(inputs) = both_computed(builder, call)? else {
                return Err(Reject::Invalid("an input is missing".into()));
            };
            (builder.emit(call, Operator::Subtract, &inputs)?, 0.0, less)
        }
    };
    let mut function =
        if less { MINUS.then(Function::Step { threshold: -threshold }) } else { Function::Step { threshold } };
    if opposite {
        function = function.then(OPPOSITE);
    }
    Ok(vec![builder.emit(call, Operator::Function(function), &[value])?])
}

fn number(constant: &Constant) -> Result<f32, Reject> {
    match constant.scalar().filter(|t| t.is_finite()) {
        Some(number) => Ok(number),
        None => Err(unsupported(format!("a constant of shape {:?}", constant.shape), "comparison with one number")),
    }
}

pub(super) fn not(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![builder.emit(call, Operator::Function(OPPOSITE), &[call.value(0)?])?])
}

pub(super) fn and(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    multiply(builder, call)
}

pub(super) fn or(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    match both_computed(builder, call)? {
        Some(inputs) => Ok(vec![larger(builder, call, inputs)?]),
        None => Err(unsupported("an input is constant", "two computed inputs")),
    }
}

/// 1, 0 or −1.
pub(super) fn sign(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, step) = (call.value(0)?, Function::Step { threshold: 0.0 });
    let positive = builder.emit(call, Operator::Function(step.clone()), &[value])?;
    let negative = builder.emit(call, Operator::Function(MINUS.then(step)), &[value])?;
    Ok(vec![builder.emit(call, Operator::Subtract, &[positive, negative])?])
}

/// Whether a value's elements are 0 and 1 by the way they are computed.
pub(super) fn is_truth(builder: &Builder, value: ValueId) -> bool {
    let node = builder.graph.producer(value).and_then(|n| builder.graph.nodes.get(n));
    let Some(node) = node else { return false };
    let ends = |function: &Function| match function {
        Function::Step { .. } => true,
        Function::Chain(steps) => match steps.as_slice() {
            [.., Function::Step { .. }] => true,
            [.., Function::Step { .. }, last] => *last == OPPOSITE,
            _ => false,
        },
        _ => false,
    };
    match &node.operator {
        Operator::Function(function) if *function == OPPOSITE => is_truth(builder, node.inputs[0]),
        Operator::Function(function) => ends(function),
        Operator::Multiply => node.inputs.iter().all(|&input| is_truth(builder, input)),
        Operator::Reshape | Operator::Transpose { .. } => is_truth(builder, node.inputs[0]),
        _ => false,
    }
}

/// `condition · yes + (1 − condition) · no`, without the factors that constants spare.
pub(super) fn choose(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let condition = match call.operand(0) {
        Some(Operand::Value(condition)) => condition,
        _ => return Err(unsupported("its condition is a constant", "a computed condition")),
    };
    let join = |builder: &mut Builder, with: Handler, a: Operand<'_>, b: Operand<'_>| {
        let operands = [Some(a), Some(b)];
        with(builder, &Call { operands: &operands, ..*call }).map(|outputs| outputs[0])
    };
    let (Some(yes), Some(no)) = (call.operand(1), call.operand(2)) else {
        return Err(Reject::Invalid("an input is missing".into()));
    };
    let constant = |operand: Operand<'_>| match operand {
        Operand::Constant(constant) => Some(number(constant)),
        Operand::Value(_) => None,
    };
    let scalar = |number: f32| Constant::new(call.name, vec![], Elements::Float(vec![number]));
    let (gate, chosen, other) = match (constant(yes).transpose()?, constant(no).transpose()?) {
        (Some(yes), Some(no)) => {
            let function = Function::Linear { scale: yes - no, offset: no };
            return Ok(vec![builder.emit(call, Operator::Function(function), &[condition])?]);
        }
        (None, Some(number)) => (condition, yes, number),
        (Some(number), None) => (builder.emit(call, Operator::Function(OPPOSITE), &[condition])?, no, number),
        (None, None) => {
            let difference = join(builder, subtract, yes, no)?;
            let gated = join(builder, multiply, Operand::Value(difference), Operand::Value(condition))?;
            return Ok(vec![join(builder, add, Operand::Value(gated), no)?]);
        }
    };
    if other == 0.0 {
        return Ok(vec![join(builder, multiply, chosen, Operand::Value(gate))?]);
    }
    let number = scalar(other);
    let above = join(builder, subtract, chosen, Operand::Constant(&number))?;
    let gated = join(builder, multiply, Operand::Value(above), Operand::Value(gate))?;
    Ok(vec![join(builder, add, Operand::Value(gated), Operand::Constant(&number))?])
}
