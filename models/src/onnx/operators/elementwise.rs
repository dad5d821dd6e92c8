//! Sums of tensors, arithmetic with constants, and bounds.

use super::{Builder, Call, Operand, Reject, unsupported};
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
    let mut total = call.value(0)?;
    for index in 1..call.operands.len() {
        let inputs = aligned(builder, call, [total, call.value(index)?])?;
        total = builder.emit(call, Operator::Add, &inputs)?;
    }
    Ok(vec![total])
}

/// Both inputs, brought to one rank, if the model computes both.
fn both_computed(builder: &mut Builder, call: &Call<'_>) -> Result<Option<[ValueId; 2]>, Reject> {
    match (call.operand(0), call.operand(1)) {
        (Some(Operand::Value(a)), Some(Operand::Value(b))) => aligned(builder, call, [a, b]).map(Some),
        _ => Ok(None),
    }
}

fn aligned(builder: &mut Builder, call: &Call<'_>, inputs: [ValueId; 2]) -> Result<[ValueId; 2], Reject> {
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
    let (value, constant, constant_first) = with_constant(call)?;
    if constant_first {
        return Err(unsupported("it divides a constant by a computed tensor", "division by a constant"));
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
    let rank = builder.shape(value).len();
    let lead = rank.checked_sub(constant.shape.len());
    let wide = constant.shape.iter().position(|&size| size > 1);
    let axis = match (lead, wide) {
        (Some(lead), Some(axis)) => lead + axis,
        _ => 1,
    };
    // Channels are the axis 1 of the graph's affine functions.
    let mut swap: Vec<usize> = (0..rank).collect();
    if rank > 1 {
        swap.swap(1, axis);
    }
    let transpose = Operator::Transpose { permutation: swap };
    let swapped = if axis == 1 { value } else { builder.emit(call, transpose.clone(), &[value])? };
    let elements = match axis {
        1 => per_channel_numbers(builder, value, constant)?,
        _ if constant.elements.len() == builder.shape(value)[axis] => constant.weights()?,
        _ => return Err(mismatch(builder.shape(value), constant)),
    };
    let (scale, offset) = elements.into_iter().map(numbers).unzip();
    let mut output = builder.emit(call, Operator::Affine { scale, offset }, &[swapped])?;
    if axis != 1 {
        output = builder.emit(call, transpose, &[output])?;
    }
    Ok(vec![output])
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

/// The larger of two computed tensors of one shape: `a + max(b − a, 0)`.
pub(super) fn larger(builder: &mut Builder, call: &Call<'_>, [a, b]: [ValueId; 2]) -> Result<ValueId, Reject> {
    let difference = builder.emit(call, Operator::Subtract, &[b, a])?;
    let excess = builder.emit(call, Operator::Clamp { min: 0.0, max: f32::INFINITY }, &[difference])?;
    builder.emit(call, Operator::Add, &[a, excess])
}

/// The larger of a tensor and a number.
pub(super) fn maximum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, bound) = with_number(call)?;
    Ok(vec![builder.emit(call, Operator::Clamp { min: bound, max: f32::INFINITY }, &[value])?])
}

/// The smaller of a tensor and a number.
pub(super) fn minimum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, bound) = with_number(call)?;
    Ok(vec![builder.emit(call, Operator::Clamp { min: f32::NEG_INFINITY, max: bound }, &[value])?])
}

fn with_number(call: &Call<'_>) -> Result<(ValueId, f32), Reject> {
    let (value, constant, _) = with_constant(call)?;
    match constant.scalar().filter(|bound| !bound.is_nan()) {
        Some(bound) if call.operands.len() == 2 => Ok((value, bound)),
        _ => Err(unsupported(format!("a constant of shape {:?}", constant.shape), "a tensor and one number")),
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
