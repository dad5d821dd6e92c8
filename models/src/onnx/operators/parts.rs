//! Operators that join tensors, cut them and pad them.

use super::convolution::{as_image, like};
use super::quantization::real_of_code;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId, Window};
use crate::onnx::fold::axis;

/// Most rows or columns that padding makes.
const MAX_PLACES: i64 = 1 << 20;

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
    match axis {
        1 if step == 1 => builder.emit(call, Operator::Slice { axis, start, end }, &[value]),
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
    let repeated = Repeated::of(mode);
    if (mode != "constant" && repeated.is_none()) || !constant.is_finite() {
        return Err(unsupported(format!("mode {mode} with {constant}"), "modes constant, reflect, edge and wrap"));
    }
    let Some(list) = call.list("pads", 1)? else { return Err(Reject::Invalid("pads are missing".into())) };
    let axes = match call.list("axes", 3)? {
        Some(axes) => axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if list.len() != 2 * axes.len() {
        return Err(Reject::Invalid(format!("{} pads for {} axes", list.len(), axes.len())));
    }
    let mut pads = [0usize; 4];
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
            1 if constant == 0.0 && repeated.is_none() => {
                value = builder.emit(call, Operator::Pad { axis, before, after }, &[value])?
            }
            2 | 3 => (pads[axis - 2], pads[axis]) = (before, after),
            _ => {
                let reason = format!("padding of axis {axis}, mode {mode}, with {constant}");
                return Err(unsupported(reason, "padding of rows or columns, or of channels with zero"));
            }
        }
    }
    if pads == [0; 4] {
        return Ok(vec![value]);
    }
    let image = as_image(builder, call, value)?;
    if let Some(repeated) = repeated {
        let places = |axis: usize| {
            let size = builder.shape(image)[axis + 2];
            repeated.places(size, pads[axis], pads[axis + 2])
        };
        let Some((rows, columns)) = places(0).zip(places(1)) else {
            let shape = builder.shape(image);
            return Err(unsupported(
                format!("pads {pads:?} around {shape:?}, mode {mode}"),
                "pads smaller than the image",
            ));
        };
        let output = builder.emit(call, Operator::Resample { rows, columns }, &[image])?;
        return Ok(vec![like(builder, call, output, value)?]);
    }
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

/// Padding that repeats pixels.
#[derive(Clone, Copy)]
enum Repeated {
    /// Mirrored at the first and the last pixel.
    Reflect,
    /// The first and the last pixel.
    Edge,
    /// From the other end.
    Wrap,
}

impl Repeated {
    fn of(mode: &str) -> Option<Self> {
        match mode {
            "reflect" => Some(Self::Reflect),
            "edge" => Some(Self::Edge),
            "wrap" => Some(Self::Wrap),
            _ => None,
        }
    }

    /// Where each row or column of the output lies in the input; `None` where the padding is absurdly large.
    fn places(self, size: usize, before: usize, after: usize) -> Option<Vec<f32>> {
        let (size, first) = (i64::try_from(size).ok()?, i64::try_from(before).ok()?);
        let end = size.checked_add(i64::try_from(after).ok()?)?;
        if first.max(end) > MAX_PLACES {
            return None;
        }
        let place = |at: i64| match self {
            Self::Edge => at.clamp(0, size - 1),
            Self::Wrap => at.rem_euclid(size),
            Self::Reflect if size == 1 => 0,
            Self::Reflect => {
                let period = 2 * (size - 1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            }
        };
        Some((-first..end).map(|at| place(at) as f32).collect())
    }
}

/// A convolution that hands on the pixel under one tap.
fn depthwise(channels: usize, window: Window, tap: impl Fn(usize, usize) -> bool) -> Operator {
    let [height, width] = window.kernel;
    let kernel = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let kernel: Vec<f32> = kernel.map(|(y, x)| f32::from(u8::from(tap(y, x)))).collect();
    let weight = Tensor { shape: vec![channels, 1, height, width], data: kernel.repeat(channels) };
    Operator::Convolution { weight, bias: vec![0.0; channels], window, groups: channels, pad_value: None }
}
