//! Operators that move or rename elements and compute nothing.

use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Elements;
use crate::onnx::fold::{flattened, permutation, reshaped, squeezed, unsqueezed};

pub(super) fn identity(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let _ = builder;
    if call.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(unsupported("its second output is read", "the first output alone"));
    }
    Ok(vec![call.value(0)?])
}

/// Does nothing in inference.
pub(super) fn dropout(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let ratio = call.optional_constant(1)?.and_then(|c| c.scalar());
    if call.optional_constant(2)?.and_then(|c| c.scalar()).is_some_and(|flag| flag != 0.0) && ratio != Some(0.0) {
        return Err(unsupported("training_mode is set", "training_mode = 0"));
    }
    identity(builder, call)
}

/// A cast between types that both stand for real numbers.
pub(super) fn cast(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let _ = builder;
    // TensorProto.DataType: float, float16, double, bfloat16.
    match call.attributes.int("to", 0)? {
        1 | 10 | 11 | 16 => Ok(vec![call.value(0)?]),
        to => Err(unsupported(format!("a cast to data type {to}"), "casts between floating types")),
    }
}

/// A cast to the type of another tensor.
pub(super) fn cast_like(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let _ = builder;
    match call.operand(1) {
        Some(Operand::Constant(like)) if matches!(like.elements, Elements::Integer(_)) => {
            Err(unsupported("a cast to integers", "casts between floating types"))
        }
        _ => Ok(vec![call.value(0)?]),
    }
}

/// Repetition of a tensor, which is only understood where it changes nothing.
pub(super) fn expand(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let target = call.constant(1)?.integers()?;
    let shape = builder.shape(input).to_vec();
    let lead = shape.len().checked_sub(target.len());
    let same = |(axis, &size): (usize, &i64)| size == 1 || usize::try_from(size) == Ok(shape[axis + lead.unwrap_or(0)]);
    if lead.is_none() || !target.iter().enumerate().all(same) {
        return Err(unsupported(format!("{shape:?} repeated to {target:?}"), "operators that broadcast by themselves"));
    }
    Ok(vec![input])
}

pub(super) fn tile(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let _ = builder;
    let repeats = call.constant(1)?.integers()?;
    if repeats.iter().any(|&r| r != 1) {
        return Err(unsupported(format!("repeats {repeats:?}"), "repeats of 1"));
    }
    Ok(vec![call.value(0)?])
}

pub(super) fn transpose(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let permutation = permutation(call.attributes.ints("perm")?, builder.shape(input).len())?;
    if permutation.iter().copied().eq(0..permutation.len()) {
        return Ok(vec![input]);
    }
    Ok(vec![builder.emit(call, Operator::Transpose { permutation }, &[input])?])
}

pub(super) fn reshape(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let target = call.constant(1)?.integers()?;
    let shape = reshaped(builder.shape(input), target, call.attributes.flag("allowzero", false)?)?;
    Ok(vec![builder.reshape(call, input, shape)?])
}

pub(super) fn flatten(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let shape = flattened(builder.shape(input), call.attributes.int("axis", 1)?)?;
    Ok(vec![builder.reshape(call, input, shape)?])
}

pub(super) fn squeeze(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let shape = squeezed(builder.shape(input), call.list("axes", 1)?.as_deref())?;
    Ok(vec![builder.reshape(call, input, shape)?])
}

pub(super) fn unsqueeze(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let Some(axes) = call.list("axes", 1)? else { return Err(Reject::Invalid("axes are missing".into())) };
    let shape = unsqueezed(builder.shape(input), &axes)?;
    Ok(vec![builder.reshape(call, input, shape)?])
}
