//! Sums of tensors, arithmetic with constants, and bounds.

use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Constant;

pub(super) fn add(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if let (Some(Operand::Value(a)), Some(Operand::Value(b))) = (call.operand(0), call.operand(1)) {
        if builder.shape(a) != builder.shape(b) {
            let shapes = format!("inputs of shapes {:?} and {:?}", builder.shape(a), builder.shape(b));
            return Err(unsupported(shapes, "two tensors of one shape, or a constant a channel"));
        }
        return Ok(vec![builder.emit(call, Operator::Add, &[a, b])?]);
    }
    let (value, constant, _) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| (1.0, c))
}

pub(super) fn subtract(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, constant, constant_first) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| if constant_first { (-1.0, c) } else { (1.0, -c) })
}

pub(super) fn multiply(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, constant, _) = with_constant(call)?;
    per_channel(builder, call, value, constant, |c| (c, 0.0))
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

/// `scale · x + offset` with numbers made from a constant that is one number, or one a channel.
fn per_channel(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    constant: &Constant,
    numbers: impl Fn(f32) -> (f32, f32),
) -> Result<Vec<ValueId>, Reject> {
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
    let per_channel = match elements.len() {
        1 if lead.is_some() => vec![elements[0]; channels],
        n if of_channels && n == channels => elements,
        _ => {
            let reason = format!("a constant of shape {:?} with a tensor of shape {shape:?}", constant.shape);
            return Err(unsupported(reason, "one number, or one a channel on axis 1"));
        }
    };
    let (scale, offset) = per_channel.into_iter().map(numbers).unzip();
    Ok(vec![builder.emit(call, Operator::Affine { scale, offset }, &[value])?])
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
