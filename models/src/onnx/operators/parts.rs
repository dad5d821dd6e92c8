//! Operators that join tensors, cut them and pad them.

use super::convolution::{as_image, like};
use super::quantization::real_of_code;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId, Window};
use crate::onnx::fold::axis;

pub(super) fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let mut inputs = Vec::with_capacity(call.operands.len());
    for index in 0..call.operands.len() {
        inputs.push(call.value(index)?);
    }
    let Some(&first) = inputs.first() else { return Err(Reject::Invalid("it has no input".into())) };
    let axis = axis(call.attributes.int("axis", 1)?, builder.shape(first).len())?;
    if inputs.len() == 1 {
        return Ok(inputs);
    }
    Ok(vec![builder.emit(call, Operator::Concat { axis }, &inputs)?])
}

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
        parts.push(cut(builder, call, input, Cut { axis, start, end: start + length, step: 1 })?);
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
        let within = |v: i64| (if v < 0 { v.saturating_add(size) } else { v }).clamp(0, size) as usize;
        let Some(step) = usize::try_from(step).ok().filter(|&s| s > 0) else {
            return Err(unsupported(format!("a step of {step}"), "steps of one or more"));
        };
        value = cut(builder, call, value, Cut { axis, start: within(start), end: within(end), step })?;
    }
    Ok(vec![value])
}

/// Indices that follow one another along an axis; a single number takes the axis away.
pub(super) fn gather(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let indices = call.constant(1)?;
    let axis = axis(call.attributes.int("axis", 0)?, builder.shape(input).len())?;
    let size = builder.shape(input)[axis];
    let from_front = |index: i64| if index < 0 { index.saturating_add(size as i64) } else { index };
    let places: Vec<i64> = indices.integers()?.iter().map(|&index| from_front(index)).collect();
    let range = places.first().copied().zip(places.last().copied());
    let Some((start, end)) = range.filter(|&(start, end)| places.iter().copied().eq(start..=end)) else {
        return Err(unsupported(format!("indices {places:?}"), "indices that follow one another"));
    };
    if start < 0 || end >= size as i64 {
        return Err(Reject::Invalid(format!("indices {places:?} of {size} along axis {axis}")));
    }
    let part = cut(builder, call, input, Cut { axis, start: start as usize, end: end as usize + 1, step: 1 })?;
    if !indices.shape.is_empty() {
        return Ok(vec![part]);
    }
    let mut shape = builder.shape(part).to_vec();
    shape.remove(axis);
    Ok(vec![builder.reshape(call, part, shape)?])
}

struct Cut {
    axis: usize,
    start: usize,
    end: usize,
    step: usize,
}

fn cut(builder: &mut Builder, call: &Call<'_>, value: ValueId, part: Cut) -> Result<ValueId, Reject> {
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
        _ if step == 1 && (axis == 1 || is_sequence) => {
            builder.emit(call, Operator::Slice { axis, start, end }, &[value])
        }
        2 | 3 => {
            // A kernel that keeps one pixel of those that it covers.
            let image = as_image(builder, call, value)?;
            let channels = builder.shape(image)[1];
            let (mut kernel, mut strides, mut tap) = ([1; 2], [1; 2], [0; 2]);
            let axis = axis - 2;
            (kernel[axis], strides[axis], tap[axis]) = (start + size - end + 1, step, start);
            let window = Window { kernel, strides, dilations: [1, 1], pads: [0; 4] };
            let operator = if kernel == [1, 1] {
                Operator::MaxPool { window }
            } else {
                depthwise(channels, window, |row, column| [row, column] == tap)
            };
            let output = builder.emit(call, operator, &[image])?;
            like(builder, call, output, value)
        }
        _ => Err(unsupported(
            format!("a slice of axis {axis} of {:?} in steps of {step}", builder.shape(value)),
            "channels in steps of 1, rows or columns",
        )),
    }
}

pub(super) fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let mut value = call.value(0)?;
    let rank = builder.shape(value).len();
    let mode = call.attributes.string("mode", "constant")?;
    let constant = match call.operand(2) {
        Some(Operand::Constant(c)) => match real_of_code(builder, value, c) {
            Some(real) => real,
            None => c.scalar().ok_or_else(|| Reject::Invalid("constant_value is not one number".into()))?,
        },
        _ => call.attributes.float("value")?.unwrap_or(0.0),
    };
    if mode != "constant" || !constant.is_finite() {
        return Err(unsupported(format!("mode {mode} with {constant}"), "constant padding"));
    }
    let Some(list) = call.list("pads", 1)? else { return Err(Reject::Invalid("pads are missing".into())) };
    let axes = match call.list("axes", 3)? {
        Some(axes) => axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if list.len() != 2 * axes.len() {
        return Err(Reject::Invalid(format!("{} pads for {} axes", list.len(), axes.len())));
    }
    let mut pads = [0; 4];
    for (index, &axis) in axes.iter().enumerate() {
        let (first, last) = (list[index], list[index + axes.len()]);
        // Negative padding takes away.
        let taken = [first, last].map(|pad| usize::try_from(pad.saturating_neg()).unwrap_or(0));
        let size = builder.shape(value)[axis];
        let end = size.checked_sub(taken[1]).filter(|&end| end > taken[0]);
        let Some(end) = end else { return Err(Reject::Invalid(format!("pads {list:?} leave nothing of axis {axis}"))) };
        value = cut(builder, call, value, Cut { axis, start: taken[0], end, step: 1 })?;
        let [before, after] = [first, last].map(|pad| usize::try_from(pad).unwrap_or(0));
        match axis {
            _ if (before, after) == (0, 0) => {}
            1 if constant == 0.0 => value = builder.emit(call, Operator::Pad { axis, before, after }, &[value])?,
            2 | 3 => (pads[axis - 2], pads[axis]) = (before, after),
            _ => {
                let reason = format!("padding of axis {axis} with {constant}");
                return Err(unsupported(reason, "padding of rows or columns, or of channels with zero"));
            }
        }
    }
    if pads == [0; 4] {
        return Ok(vec![value]);
    }
    let image = as_image(builder, call, value)?;
    let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads };
    let mut operator = depthwise(builder.shape(image)[1], window, |_, _| true);
    if let Operator::Convolution { pad_value, groups, .. } = &mut operator
        && constant != 0.0
    {
        *pad_value = Some(vec![constant; *groups]);
    }
    let output = builder.emit(call, operator, &[image])?;
    Ok(vec![like(builder, call, output, value)?])
}

/// A convolution that hands on the pixel under one tap.
fn depthwise(channels: usize, window: Window, tap: impl Fn(usize, usize) -> bool) -> Operator {
    let [height, width] = window.kernel;
    let kernel = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let kernel: Vec<f32> = kernel.map(|(y, x)| f32::from(u8::from(tap(y, x)))).collect();
    let weight = Tensor { shape: vec![channels, 1, height, width], data: kernel.repeat(channels) };
    Operator::Convolution { weight, bias: vec![0.0; channels], window, groups: channels, pad_value: None }
}
