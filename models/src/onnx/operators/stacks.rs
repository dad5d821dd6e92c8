//! Tensors that were put together along an axis of their own, as by torch.stack: what is computed of all of them is computed of
//! each, so that the axis never needs a place among rows, columns and channels.

use super::{Builder, Call, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};

/// Most parts of a stack.
const MAX_PARTS: usize = 64;
/// Most parts of a stack whose shares are computed.
const MAX_SHARES: usize = 8;
/// Most operators between a stack and where it is taken apart.
const MAX_DEPTH: usize = 8;

/// How a value's parts along an axis come about.
enum Form {
    /// They were put side by side; each is a value, or a part of one.
    Joined(Vec<(ValueId, Option<usize>)>),
    /// An operator of one element works on the parts of its inputs; inputs that are one part are taken as they are.
    Each(Operator, Vec<(ValueId, bool)>),
    /// They are those of a value of another shape, along an axis of that.
    Reshaped(ValueId, usize),
    /// They are those of a value with its axes in another order.
    Turned(ValueId, Vec<usize>),
    /// They are runs of so many channels of a value.
    Channels(ValueId, usize),
}

/// The form of a value as a stack along an axis of size 2 or more.
fn form(builder: &Builder, value: ValueId, axis: usize, depth: usize) -> Option<Form> {
    let shape = builder.shape(value);
    let size = *shape.get(axis)?;
    if depth > MAX_DEPTH || !(2..=MAX_PARTS).contains(&size) {
        return None;
    }
    let node = builder.graph.nodes.get(builder.graph.producer(value)?)?;
    let is_stack = |value: ValueId, axis: usize| form(builder, value, axis, depth + 1).is_some();
    let input = *node.inputs.first()?;
    match &node.operator {
        Operator::Concat { axis: joined } if *joined == axis => {
            let mut parts = Vec::with_capacity(size);
            for &input in &node.inputs {
                match builder.shape(input)[axis] {
                    1 => parts.push((input, None)),
                    size if is_stack(input, axis) => parts.extend((0..size).map(|index| (input, Some(index)))),
                    _ => return None,
                }
            }
            Some(Form::Joined(parts))
        }
        operator @ (Operator::Clamp { .. } | Operator::Function(_) | Operator::Quantize { .. }) => {
            is_stack(input, axis).then(|| Form::Each(operator.clone(), vec![(input, true)]))
        }
        operator @ (Operator::Add | Operator::Subtract | Operator::Multiply) => {
            let of_input = |&input: &ValueId| {
                let single = builder.shape(input)[axis] == 1;
                (single || is_stack(input, axis)).then_some((input, !single))
            };
            Some(Form::Each(operator.clone(), node.inputs.iter().map(of_input).collect::<Option<_>>()?))
        }
        Operator::Reshape => {
            let from = builder.shape(input);
            let before: usize = shape[..axis].iter().product();
            let outer = |axis: &usize| from[..*axis].iter().product::<usize>() == before && from[*axis] > 1;
            let origin = (0..from.len()).find(outer)?;
            if from[origin] == size {
                return is_stack(input, origin).then_some(Form::Reshaped(input, origin));
            }
            let runs = from[..2.min(from.len())] == [1, from[origin]] && from[origin].is_multiple_of(size);
            runs.then(|| Form::Channels(input, from[origin] / size))
        }
        Operator::Transpose { permutation } => {
            is_stack(input, permutation[axis]).then(|| Form::Turned(input, permutation.clone()))
        }
        _ => None,
    }
}

/// Whether a value is a stack along an axis.
pub(super) fn is_stack(builder: &Builder, value: ValueId, axis: usize) -> bool {
    form(builder, value, axis, 0).is_some()
}

/// A stack along an axis as the runs of channels that a reshape makes of its parts; `None` where it makes something else.
pub(super) fn flattened(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    shape: &[usize],
) -> Result<Option<ValueId>, Reject> {
    let from = builder.shape(value).to_vec();
    let Some(axis) = from.iter().position(|&size| size > 1) else { return Ok(None) };
    let size = from[axis];
    let joins = shape.starts_with(&[1]) && shape.get(1).is_some_and(|&to| to > size && to.is_multiple_of(size));
    let mut writer = builder.graph.producer(value).and_then(|n| builder.graph.nodes.get(n));
    while let Some(Operator::Quantize { .. }) = writer.map(|node| &node.operator) {
        writer = writer.and_then(|node| builder.graph.nodes.get(builder.graph.producer(node.inputs[0])?));
    }
    let joined = writer.is_some_and(|node| node.operator == Operator::Concat { axis });
    if !joins || !joined || !is_stack(builder, value, axis) {
        return Ok(None);
    }
    let run = [&[1, shape[1] / size], &shape[2..]].concat();
    let mut runs = Vec::with_capacity(size);
    for index in 0..size {
        let taken = part(builder, call, value, axis, index)?;
        runs.push(builder.reshape(call, taken, run.clone())?);
    }
    builder.emit(call, Operator::Concat { axis: 1 }, &runs).map(Some)
}

/// The parts of a value along an axis, each of size 1 there; `None` where it is no stack.
pub(super) fn parts(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
) -> Result<Option<Vec<ValueId>>, Reject> {
    if form(builder, value, axis, 0).is_none() {
        return Ok(None);
    }
    let size = builder.shape(value)[axis];
    (0..size).map(|index| part(builder, call, value, axis, index)).collect::<Result<_, _>>().map(Some)
}

/// One part of a stack.
pub(super) fn part(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
    index: usize,
) -> Result<ValueId, Reject> {
    let mut shape = builder.shape(value).to_vec();
    shape[axis] = 1;
    match form(builder, value, axis, 0) {
        Some(Form::Joined(parts)) => match parts[index] {
            (value, None) => Ok(value),
            (value, Some(index)) => part(builder, call, value, axis, index),
        },
        Some(Form::Each(operator, inputs)) => {
            let mut taken = Vec::with_capacity(inputs.len());
            for (input, is_stack) in inputs {
                taken.push(if is_stack { part(builder, call, input, axis, index)? } else { input });
            }
            builder.emit(call, operator, &taken)
        }
        Some(Form::Reshaped(input, axis)) => {
            let taken = part(builder, call, input, axis, index)?;
            builder.reshape(call, taken, shape)
        }
        Some(Form::Turned(input, permutation)) => {
            let taken = part(builder, call, input, permutation[axis], index)?;
            builder.emit(call, Operator::Transpose { permutation }, &[taken])
        }
        Some(Form::Channels(input, run)) => {
            let run = Operator::Slice { axis: 1, start: index * run, end: (index + 1) * run };
            let taken = builder.emit(call, run, &[input])?;
            builder.reshape(call, taken, shape)
        }
        None => Err(unsupported("it takes a tensor apart that was not put together", "tensors of one stack")),
    }
}

/// Softmax over the parts of a stack, which stays one: each part's share is `σ(x − ln Σ e^y)` over the others `y`, whose sum
/// grows one at a time by `ln(e^s + e^y) = s + softplus(y − s)`. No number is larger than the inputs' differences. `None` where
/// the value is no stack of few parts, or one of images, whose parts are channels.
pub(super) fn softmax(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
) -> Result<Option<ValueId>, Reject> {
    let writer = builder.graph.producer(value).and_then(|n| builder.graph.nodes.get(n));
    let of_channels = axis == 1 && writer.is_some_and(|node| node.operator == Operator::Concat { axis: 1 });
    if builder.shape(value)[axis] > MAX_SHARES || (of_channels && builder.shape(value).len() == 4) {
        return Ok(None);
    }
    let Some(parts) = parts(builder, call, value, axis)? else { return Ok(None) };
    let mut shares = Vec::with_capacity(parts.len());
    for (index, &own) in parts.iter().enumerate() {
        let mut others = parts.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, &part)| part);
        let Some(mut sum) = others.next() else { return Ok(None) };
        for other in others {
            let above = builder.emit(call, Operator::Subtract, &[other, sum])?;
            let above = builder.emit(call, Operator::Function(Function::Softplus), &[above])?;
            sum = builder.emit(call, Operator::Add, &[sum, above])?;
        }
        let above = builder.emit(call, Operator::Subtract, &[own, sum])?;
        shares.push(builder.emit(call, Operator::Function(Function::Sigmoid), &[above])?);
    }
    builder.emit(call, Operator::Concat { axis }, &shares).map(Some)
}
