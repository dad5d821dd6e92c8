//! Operators that move or rename elements and compute nothing.

use super::convolution::{as_image, like};
use super::logic::is_truth;
use super::order::in_image_order;
use super::places::listed;
use super::{Builder, Call, Operand, Reject, stacks, unsupported};
use crate::graph::{Operator, Tensor, ValueId};
use crate::onnx::constant::Elements;
use crate::onnx::fold::{flattened, permutation, reshaped, squeezed, unsqueezed};
use crate::shape::elements;

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
    // TensorProto.DataType: float, float16, double, bfloat16.
    match call.attributes.int("to", 0)? {
        1 | 10 | 11 | 16 => Ok(vec![call.value(0)?]),
        // Numbers 0 and 1 are the same in all types.
        2..=7 | 9 | 12 | 13 if is_truth(builder, call.value(0)?) => Ok(vec![call.value(0)?]),
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

/// Repetition along axes of size 1.
pub(super) fn expand(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let target = call.constant(1)?.integers()?;
    let target: Option<Vec<usize>> = target.iter().map(|&size| usize::try_from(size).ok()).collect();
    let Some(target) = target else { return Err(Reject::Invalid("negative sizes".into())) };
    let shape = builder.shape(input).to_vec();
    let wanted = crate::onnx::fold::broadcast(&shape, &target)?;
    let lead = wanted.len() - shape.len();
    let aligned = [vec![1; lead], shape].concat();
    let repeats: Vec<usize> = wanted.iter().zip(&aligned).map(|(to, from)| to / from.max(&1)).collect();
    let value = builder.reshape(call, input, aligned)?;
    Ok(vec![repeated(builder, call, value, &repeats)?])
}

/// Repetition of a whole tensor along its axes.
pub(super) fn tile(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let repeats = call.constant(1)?.integers()?;
    let repeats: Option<Vec<usize>> = repeats.iter().map(|&r| usize::try_from(r).ok().filter(|&r| r > 0)).collect();
    match repeats {
        Some(repeats) if repeats.len() == builder.shape(input).len() => {
            Ok(vec![repeated(builder, call, input, &repeats)?])
        }
        _ => Err(Reject::Invalid(format!("repeats of {:?}", builder.shape(input)))),
    }
}

/// A tensor so many times along each axis: rows and columns of an image from places of the input, channels side by side.
fn repeated(builder: &mut Builder, call: &Call<'_>, value: ValueId, repeats: &[usize]) -> Result<ValueId, Reject> {
    let shape = builder.shape(value).to_vec();
    if repeats.iter().all(|&r| r == 1) {
        return Ok(value);
    }
    let sizes: Vec<usize> = shape.iter().zip(repeats).map(|(size, r)| size.saturating_mul(*r)).collect();
    let form = || unsupported(format!("{shape:?} repeated to {sizes:?}"), "channels, rows and columns of an image");
    if elements(&sizes).is_none() {
        return Err(form());
    }
    if let (&[_, 1], &[1, copies]) = (shape.as_slice(), repeats) {
        listed(copies)?;
        let weight = Tensor { shape: vec![copies, 1], data: vec![1.0; copies] };
        let output = builder.emit(call, Operator::Dense { weight, bias: vec![0.0; copies] }, &[value])?;
        builder.spread.insert(output, value);
        return Ok(output);
    }
    // Neighbours along an axis that is merged with the one before: each of them several times.
    if let Some(axis) = (2..shape.len()).find(|&axis| shape.len() == 5 && shape[axis] == 1 && repeats[axis] > 1)
        && repeats.iter().enumerate().all(|(a, &r)| r == 1 || a == axis)
    {
        let times = repeats[axis];
        let merged: Vec<usize> = (0..5).filter(|&a| a != axis).map(|a| shape[a]).collect();
        let image = builder.reshape(call, value, merged)?;
        let axis = axis - 1;
        let output = in_image_order(builder, call, image, |builder, image, axes| {
            let axis = axes.iter().position(|&a| a == axis).unwrap_or(axis);
            let lines = |a: usize| -> Result<Vec<f32>, Reject> {
                let (size, times) = (builder.shape(image)[a], if a == axis { times } else { 1 });
                listed(size.saturating_mul(times))?;
                Ok((0..size).flat_map(|i| std::iter::repeat_n(i as f32, times)).collect())
            };
            if axis < 2 {
                return Err(form());
            }
            let operator = Operator::Resample { rows: lines(2)?, columns: lines(3)? };
            builder.emit(call, operator, &[image])
        })?;
        return builder.reshape(call, output, sizes);
    }
    let output = in_image_order(builder, call, value, |builder, image, axes| {
        let repeats: Vec<usize> = axes.iter().map(|&axis| repeats[axis]).collect();
        if repeats[0] != 1 || !(3..=4).contains(&repeats.len()) {
            return Err(form());
        }
        let mut output = as_image(builder, call, image)?;
        let lines = |axis: usize| -> Result<Vec<f32>, Reject> {
            let size = builder.shape(output)[axis];
            let times = repeats.get(axis).copied().unwrap_or(1);
            let count = listed(size.saturating_mul(times))?;
            Ok((0..count).map(|i| (i % size) as f32).collect())
        };
        if repeats[2..].iter().any(|&r| r > 1) {
            let (rows, columns) = (lines(2)?, lines(3)?);
            output = builder.emit(call, Operator::Resample { rows, columns }, &[output])?;
        }
        let channels = builder.shape(output)[1];
        if repeats[1] > 1 {
            listed(channels.saturating_mul(repeats[1]))?;
            let sources: Vec<(usize, usize)> = (0..channels * repeats[1]).map(|c| (c % channels, 0)).collect();
            let operator = Operator::pick(channels, 1, &sources).ok_or_else(form)?;
            output = builder.emit(call, operator, &[output])?;
        }
        like(builder, call, output, image)
    })?;
    if shape.iter().zip(repeats).all(|(&size, &r)| size == 1 || r == 1) {
        builder.spread.insert(output, value);
    }
    Ok(output)
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
    match stacks::flattened(builder, call, input, &shape)? {
        Some(runs) => Ok(vec![runs]),
        None => Ok(vec![builder.reshape(call, input, shape)?]),
    }
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
