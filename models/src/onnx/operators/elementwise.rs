//! Sums of tensors, arithmetic with constants, and bounds.

use super::{Builder, Call, Handler, Operand, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Constant;
use crate::shape::broadcast;

pub(super) fn add(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if let Some(inputs) = both_computed(builder, call)? {
        return Ok(vec![builder.emit(call, Operator::Add, &inputs)?]);
    }
    let (value, constant, _) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| (1.0, c))
}

pub(super) fn subtract(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if let Some(inputs) = both_computed(builder, call)? {
        return Ok(vec![builder.emit(call, Operator::Subtract, &inputs)?]);
    }
    let (value, constant, constant_first) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| if constant_first { (-1.0, c) } else { (1.0, -c) })
}

pub(super) fn multiply(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if let Some(inputs) = both_computed(builder, call)? {
        return Ok(vec![builder.emit(call, Operator::Multiply, &inputs)?]);
    }
    let (value, constant, _) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| (c, 0.0))
}

/// Any number of summands.
pub(super) fn sum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    joined(builder, call, add)
}

/// The mean of any number of tensors.
pub(super) fn mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let total = joined(builder, call, add)?;
    let share = Function::Linear { scale: 1.0 / call.operands.len() as f32, offset: 0.0 };
    Ok(vec![builder.emit(call, Operator::Function(share), &total)?])
}

/// Any number of inputs, two at a time.
fn joined(builder: &mut Builder, call: &Call<'_>, two: Handler) -> Result<Vec<ValueId>, Reject> {
    // What is computed comes first, so that there are never two constants.
    let (values, constants): (Vec<_>, Vec<_>) =
        call.operands.iter().flatten().copied().partition(|o| matches!(o, Operand::Value(_)));
    let mut operands = values.into_iter().chain(constants);
    let Some(Operand::Value(mut total)) = operands.next() else {
        return Err(Reject::Invalid("no input is computed".into()));
    };
    for operand in operands {
        let operands = [Some(Operand::Value(total)), Some(operand)];
        let inner = Call { operands: &operands, ..*call };
        total = two(builder, &inner)?[0];
    }
    Ok(vec![total])
}

/// Both inputs, brought to one rank, if the model computes both.
pub(super) fn both_computed(builder: &mut Builder, call: &Call<'_>) -> Result<Option<[ValueId; 2]>, Reject> {
    match (call.operand(0), call.operand(1)) {
        (Some(Operand::Value(a)), Some(Operand::Value(b))) => aligned(builder, call, [a, b]).map(Some),
        _ => Ok(None),
    }
}

fn aligned(builder: &mut Builder, call: &Call<'_>, inputs: [ValueId; 2]) -> Result<[ValueId; 2], Reject> {
    let inputs = [0, 1].map(|i| match builder.spread.get(&inputs[i]) {
        // What is repeated to the other input's shape is read as it was.
        Some(&narrow) if builder.shape(inputs[i]) == builder.shape(inputs[1 - i]) => narrow,
        _ => inputs[i],
    });
    let rank = inputs.map(|i| builder.shape(i).len()).into_iter().max().unwrap_or(0);
    let mut aligned = inputs;
    for input in &mut aligned {
        let shape = builder.shape(*input);
        let shape: Vec<usize> = std::iter::repeat_n(1, rank - shape.len()).chain(shape.iter().copied()).collect();
        *input = builder.reshape(call, *input, shape)?;
    }
    let [a, b] = aligned.map(|i| builder.shape(i));
    if broadcast(a, b).is_err() {
        return Err(unsupported(
            format!("inputs of shapes {a:?} and {b:?}"),
            "two tensors, one of which has the shape of the result",
        ));
    }
    Ok(aligned)
}

pub(super) fn divide(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let values = call.operands.iter().flatten();
    if values.into_iter().any(|o| matches!(o, Operand::Value(value) if builder.is_fed(*value))) {
        return Err(unsupported("it divides whole numbers, and rounds", "division of real numbers: a Cast before"));
    }
    let reciprocal = Operator::Function(Function::Reciprocal);
    if let Some([dividend, divisor]) = both_computed(builder, call)? {
        let factor = builder.emit(call, reciprocal, &[divisor])?;
        return Ok(vec![builder.emit(call, Operator::Multiply, &[dividend, factor])?]);
    }
    let (value, constant, constant_first) = with_constant(call)?;
    if constant_first {
        let factor = builder.emit(call, reciprocal, &[value])?;
        return per_channel(builder, call, factor, constant, |c| (c, 0.0));
    }
    if constant.floats().contains(&0.0) {
        return Err(Reject::Invalid("division by zero".into()));
    }
    per_channel(builder, call, value, constant, |c| (1.0 / c, 0.0))
}

pub(super) fn negate(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let minus = Constant::new(call.name, vec![], crate::onnx::constant::Elements::Float(vec![-1.0]));
    per_channel(builder, call, call.value(0)?, &minus, |c| (c, 0.0))
}

/// The input that is computed, the one that is constant, and whether the constant comes first.
fn with_constant<'a>(call: &Call<'a>) -> Result<(ValueId, &'a Constant, bool), Reject> {
    match (call.operand(0), call.operand(1)) {
        (Some(Operand::Value(value)), Some(Operand::Constant(constant))) => Ok((value, constant, false)),
        (Some(Operand::Constant(constant)), Some(Operand::Value(value))) => Ok((value, constant, true)),
        (Some(Operand::Value(_)), Some(Operand::Value(_))) => {
            Err(unsupported("both inputs are computed by the model", "one constant input"))
        }
        _ => Err(Reject::Invalid("an input is missing".into())),
    }
}

/// `scale · x + offset` with numbers made from a constant that is one number, or one an index of one axis.
fn per_channel(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    constant: &Constant,
    numbers: impl Fn(f32) -> (f32, f32),
) -> Result<Vec<ValueId>, Reject> {
    let value = widened(builder, call, value, constant)?;
    let rank = builder.shape(value).len();
    let lead = rank.checked_sub(constant.shape.len());
    let wide = constant.shape.iter().position(|&size| size > 1);
    let axis = match (lead, wide) {
        (Some(lead), Some(axis)) => lead + axis,
        _ => 1,
    };
    // Channels are the axis 1 of the graph's affine functions; the other axes keep their order, as they do where images have
    // their channels last.
    let forth: Vec<usize> = match axis {
        1 => (0..rank).collect(),
        _ => [0, axis].into_iter().chain((1..rank).filter(|&a| a != axis)).collect(),
    };
    let back: Vec<usize> = (0..rank).filter_map(|a| forth.iter().position(|&from| from == a)).collect();
    let forth = Operator::Transpose { permutation: forth };
    let swapped = if axis == 1 { value } else { builder.emit(call, forth, &[value])? };
    let elements = match axis {
        1 => per_channel_numbers(builder, value, constant)?,
        _ if constant.elements.len() == builder.shape(value)[axis] => constant.weights()?,
        _ => return Err(mismatch(builder.shape(value), constant)),
    };
    let (scale, offset) = elements.into_iter().map(numbers).unzip();
    let mut output = builder.emit(call, Operator::Affine { scale, offset }, &[swapped])?;
    if axis != 1 {
        output = builder.emit(call, Operator::Transpose { permutation: back }, &[output])?;
    }
    Ok(vec![output])
}

/// An image of one channel as one of as many as a constant has.
fn widened(builder: &mut Builder, call: &Call<'_>, value: ValueId, constant: &Constant) -> Result<ValueId, Reject> {
    let channels = match (builder.shape(value), constant.shape.as_slice()) {
        (&[_, 1, _, _], &[1, channels, 1, 1] | &[channels, 1, 1]) if channels > 1 => channels,
        _ => return Ok(value),
    };
    match Operator::pick(1, 1, &vec![(0, 0); channels]) {
        Some(copies) => builder.emit(call, copies, &[value]),
        None => Err(mismatch(builder.shape(value), constant)),
    }
}

fn mismatch(shape: &[usize], constant: &Constant) -> Reject {
    let reason = format!("a constant of shape {:?} with a tensor of shape {shape:?}", constant.shape);
    unsupported(reason, "one number, or one an index of one axis")
}

/// One number a channel, from a constant that broadcasts along channels alone.
pub(super) fn per_channel_numbers(builder: &Builder, value: ValueId, constant: &Constant) -> Result<Vec<f32>, Reject> {
    let shape = builder.shape(value);
    let Some(&channels) = shape.get(1) else {
        return Err(unsupported(format!("input of shape {shape:?} has no channel axis"), "channels on axis 1"));
    };
    let lead = shape.len().checked_sub(constant.shape.len());
    // Sizes of the constant on the axes of the tensor, with the ones that broadcasting puts in front.
    let of_channels = lead.is_some_and(|lead| {
        let sizes = std::iter::repeat_n(1, lead).chain(constant.shape.iter().copied());
        sizes.enumerate().all(|(axis, size)| size == 1 || (axis == 1 && size == channels))
    });
    let elements = constant.weights()?;
    match elements.len() {
        1 if lead.is_some() => Ok(vec![elements[0]; channels]),
        n if of_channels && n == channels => Ok(elements),
        _ => Err(mismatch(shape, constant)),
    }
}

/// The larger of two computed tensors: of two images of one shape the channels side by side, of others `a + max(b − a, 0)`.
pub(super) fn larger(builder: &mut Builder, call: &Call<'_>, [a, b]: [ValueId; 2]) -> Result<ValueId, Reject> {
    if let (&[_, outputs, _, _], true) = (builder.shape(a), builder.shape(a) == builder.shape(b)) {
        let both = builder.emit(call, Operator::Concat { axis: 1 }, &[a, b])?;
        return builder.emit(call, Operator::MaxOfChannels { outputs }, &[both]);
    }
    let difference = builder.emit(call, Operator::Subtract, &[b, a])?;
    let excess = builder.emit(call, Operator::Clamp { min: 0.0, max: f32::INFINITY }, &[difference])?;
    builder.emit(call, Operator::Add, &[a, excess])
}

/// The smaller of two computed tensors of one shape: `a − max(a − b, 0)`.
fn smaller(builder: &mut Builder, call: &Call<'_>, [a, b]: [ValueId; 2]) -> Result<ValueId, Reject> {
    let difference = builder.emit(call, Operator::Subtract, &[a, b])?;
    let excess = builder.emit(call, Operator::Clamp { min: 0.0, max: f32::INFINITY }, &[difference])?;
    builder.emit(call, Operator::Subtract, &[a, excess])
}

/// The largest of any number of tensors.
pub(super) fn maximum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    joined(builder, call, |builder, call| {
        let above = [0.0, f32::INFINITY];
        bounded(builder, call, larger, |bound| [bound, f32::INFINITY], above)
    })
}

/// The smallest of any number of tensors.
pub(super) fn minimum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    joined(builder, call, |builder, call| {
        let below = [f32::NEG_INFINITY, 0.0];
        bounded(builder, call, smaller, |bound| [f32::NEG_INFINITY, bound], below)
    })
}

/// A bound of a tensor: computed too, or one number, or a number a channel, which is taken away before the bound at zero and
/// added again.
fn bounded(
    builder: &mut Builder,
    call: &Call<'_>,
    computed: fn(&mut Builder, &Call<'_>, [ValueId; 2]) -> Result<ValueId, Reject>,
    by_number: fn(f32) -> [f32; 2],
    [min, max]: [f32; 2],
) -> Result<Vec<ValueId>, Reject> {
    if let Some(inputs) = both_computed(builder, call)? {
        return Ok(vec![computed(builder, call, inputs)?]);
    }
    let (value, constant, _) = with_constant(call)?;
    match constant.scalar() {
        Some(bound) if !bound.is_nan() => {
            let [min, max] = by_number(bound);
            Ok(vec![builder.emit(call, Operator::Clamp { min, max }, &[value])?])
        }
        _ => {
            let centred = per_channel(builder, call, value, constant, |c| (1.0, -c))?;
            let bounded = builder.emit(call, Operator::Clamp { min, max }, &centred)?;
            per_channel(builder, call, bounded, constant, |c| (1.0, c))
        }
    }
}

pub(super) fn relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let operator = Operator::Clamp { min: 0.0, max: f32::INFINITY };
    Ok(vec![builder.emit(call, operator, &[call.value(0)?])?])
}

pub(super) fn clip(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let bound = |name: &str, index: usize, default: f32| -> Result<f32, Reject> {
        if let Some(bound) = call.attributes.float(name)? {
            return Ok(bound);
        }
        match call.optional_constant(index)? {
            Some(constant) => constant.scalar().ok_or_else(|| Reject::Invalid(format!("{name} is not one number"))),
            None => Ok(default),
        }
    };
    let (min, max) = (bound("min", 1, f32::NEG_INFINITY)?, bound("max", 2, f32::INFINITY)?);
    if min.is_nan() || max.is_nan() || min > max {
        return Err(Reject::Invalid(format!("bounds {min} and {max}")));
    }
    Ok(vec![builder.emit(call, Operator::Clamp { min, max }, &[call.value(0)?])?])
}
