//! Operators that take parts of tensors: ranges of an axis, or some of its indices.

use super::convolution::{as_image, like};
use super::order::on_axis;
use super::places::{along, listed};
use super::{Builder, Call, Reject, stacks, unsupported};
use crate::graph::{Operator, ValueId};
use crate::onnx::fold::axis;

pub(super) fn split(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let axis = axis(call.attributes.int("axis", 0)?, builder.shape(input).len())?;
    let size = builder.shape(input)[axis];
    let lengths: Vec<usize> = match call.list("split", 1)? {
        Some(list) => list.iter().map(|&l| usize::try_from(l).unwrap_or(usize::MAX)).collect(),
        None => {
            let count = call.outputs.len().max(1);
            let part = size.div_ceil(count);
            (0..count).map(|i| part.min(size.saturating_sub(i * part))).collect()
        }
    };
    let total = lengths.iter().try_fold(0usize, |sum, &l| sum.checked_add(l));
    if total != Some(size) || lengths.len() < call.outputs.len() {
        return Err(Reject::Invalid(format!("parts {lengths:?} of {size}")));
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(lengths.len());
    for length in lengths {
        parts.push(part(builder, call, input, Cut { axis, start, end: start + length, step: 1 })?);
        start += length;
    }
    Ok(parts)
}

pub(super) fn slice(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let mut value = call.value(0)?;
    let (starts, ends) = (call.list("starts", 1)?, call.list("ends", 2)?);
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return Err(Reject::Invalid("starts or ends are missing".into()));
    };
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Reject::Invalid("starts, ends, axes and steps differ in length".into()));
    }
    for (((&start, &end), &wanted), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = axis(wanted, builder.shape(value).len())?;
        let size = builder.shape(value)[axis] as i64;
        if step == 0 {
            return Err(Reject::Invalid("a step of 0".into()));
        }
        // Backwards, the end lies before the first index where nothing is left out.
        let (least, most) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let within = |v: i64| (if v < 0 { v.saturating_add(size) } else { v }).clamp(least, most);
        let (start, end) = (within(start), within(end));
        value = match usize::try_from(step) {
            Ok(step) => part(builder, call, value, Cut { axis, start: start as usize, end: end as usize, step })?,
            Err(_) => {
                let count = (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs());
                let wanted: Vec<usize> = (0..count as i64).map(|i| (start + i * step) as usize).collect();
                if wanted.is_empty() {
                    return Err(Reject::Invalid(format!("a slice of axis {axis} is empty")));
                }
                on_axis(builder, call, value, axis, |builder, image, axis| picked(builder, call, image, axis, &wanted))?
            }
        };
    }
    Ok(vec![value])
}

/// A range of an axis.
pub(super) struct Cut {
    pub(super) axis: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) step: usize,
}

/// A part of a tensor whose channels may come last.
fn part(builder: &mut Builder, call: &Call<'_>, value: ValueId, wanted: Cut) -> Result<ValueId, Reject> {
    if (wanted.start, wanted.end, wanted.step) == (0, builder.shape(value)[wanted.axis], 1) {
        return Ok(value);
    }
    if wanted.end == wanted.start + 1 && stacks::is_stack(builder, value, wanted.axis) {
        return stacks::part(builder, call, value, wanted.axis, wanted.start);
    }
    on_axis(builder, call, value, wanted.axis, |builder, image, axis| cut(builder, call, image, Cut { axis, ..wanted }))
}

pub(super) fn cut(builder: &mut Builder, call: &Call<'_>, value: ValueId, part: Cut) -> Result<ValueId, Reject> {
    let Cut { axis, start, end, step } = part;
    let size = builder.shape(value)[axis];
    if start >= end {
        return Err(Reject::Invalid(format!("{start}..{end} of {size} along axis {axis} is empty")));
    }
    if (start, end, step) == (0, size, 1) {
        return Ok(value);
    }
    let is_sequence = builder.shape(value)[0] != 1;
    match axis {
        1 if step > 1 && (3..=4).contains(&builder.shape(value).len()) => {
            picked(builder, call, value, axis, &(start..end).step_by(step).collect::<Vec<_>>())
        }
        _ if step == 1 && (axis == 1 || is_sequence) => {
            builder.emit(call, Operator::Slice { axis, start, end }, &[value])
        }
        2 | 3 => {
            let image = as_image(builder, call, value)?;
            listed(end - start)?;
            let taken: Vec<f32> = (start..end).step_by(step).map(|place| place as f32).collect();
            let operator = along(builder.shape(image), axis, taken)?;
            let output = builder.emit(call, operator, &[image])?;
            like(builder, call, output, value)
        }
        _ => Err(unsupported(
            format!("a slice of axis {axis} of {:?} in steps of {step}", builder.shape(value)),
            "channels in steps of 1, rows or columns",
        )),
    }
}

/// Indices along one axis: channels that lie in a row, or are picked, rows or columns.
pub(super) fn gather(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (input, indices) = (call.value(0)?, call.constant(1)?);
    let shape = builder.shape(input).to_vec();
    let axis = axis(call.attributes.int("axis", 0)?, shape.len())?;
    let size = shape[axis];
    let wanted: Option<Vec<usize>> =
        indices.integers()?.iter().map(|&i| usize::try_from(if i < 0 { i + size as i64 } else { i }).ok()).collect();
    let Some(wanted) = wanted.filter(|w| !w.is_empty() && w.iter().all(|&i| i < size)) else {
        return Err(Reject::Invalid(format!("indices {:?} of {size}", indices.elements)));
    };
    let taken = match wanted[..] {
        [index] if stacks::is_stack(builder, input, axis) => stacks::part(builder, call, input, axis, index)?,
        _ => on_axis(builder, call, input, axis, |builder, image, axis| picked(builder, call, image, axis, &wanted))?,
    };
    let target = [&shape[..axis], &indices.shape, &shape[axis + 1..]].concat();
    Ok(vec![builder.reshape(call, taken, target)?])
}

/// Whole sequences from the last step to the first.
pub(super) fn reverse_sequence(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, lengths) = (call.value(0)?, call.constant(1)?);
    let rank = builder.shape(value).len();
    let [time, batch] = [("time_axis", 0), ("batch_axis", 1)].map(|(name, default)| call.attributes.int(name, default));
    let (time, batch) = (axis(time?, rank)?, axis(batch?, rank)?);
    let steps = builder.shape(value)[time];
    if builder.shape(value)[batch] != 1
        || lengths.integers()?.iter().any(|&length| usize::try_from(length) != Ok(steps))
    {
        return Err(unsupported("sequences that end early, or several", format!("one sequence of {steps} steps")));
    }
    let wanted: Vec<usize> = (0..listed(steps)?).rev().collect();
    let turned =
        on_axis(builder, call, value, time, |builder, image, axis| picked(builder, call, image, axis, &wanted))?;
    Ok(vec![turned])
}

/// Some indices of an axis.
fn picked(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
    wanted: &[usize],
) -> Result<ValueId, Reject> {
    let (first, count) = (wanted[0], wanted.len());
    let size = builder.shape(value)[axis];
    if wanted.iter().copied().eq(first..first + count) {
        return cut(builder, call, value, Cut { axis, start: first, end: first + count, step: 1 });
    }
    let form = || unsupported(format!("indices {wanted:?} of axis {axis}"), "channels, rows or columns of an image");
    // Steps of a sequence are the rows of a signal.
    if let (0, &[_, first, second]) = (axis, builder.shape(value))
        && (first == 1 || second == 1)
    {
        let [forth, back] = if first == 1 { [[1, 2, 0], [2, 0, 1]] } else { [[2, 1, 0]; 2] };
        let turn = |order: [usize; 3]| Operator::Transpose { permutation: order.to_vec() };
        let signal = builder.emit(call, turn(forth), &[value])?;
        let taken = picked(builder, call, signal, 2, wanted)?;
        return builder.emit(call, turn(back), &[taken]);
    }
    if !(1..4).contains(&axis) {
        return Err(form());
    }
    let image = as_image(builder, call, value)?;
    let operator = if axis == 1 {
        let sources: Vec<(usize, usize)> = wanted.iter().map(|&channel| (channel, 0)).collect();
        Operator::pick(size, 1, &sources).ok_or_else(form)?
    } else {
        along(builder.shape(image), axis, wanted.iter().map(|&i| i as f32).collect())?
    };
    let output = builder.emit(call, operator, &[image])?;
    like(builder, call, output, value)
}
