//! Operators that join tensors, cut them and pad them.

use super::convolution::{as_image, like};
use super::order::in_image_order;
use super::places::{all, along, listed};
use super::quantization::real_of_code;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Constant;
use crate::onnx::fold::axis;

pub(super) fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let operands: Vec<Operand<'_>> = call.operands.iter().flatten().copied().collect();
    let values: Vec<ValueId> =
        operands.iter().filter_map(|o| if let Operand::Value(id) = o { Some(*id) } else { None }).collect();
    let Some(&first) = values.first() else { return Err(Reject::Invalid("no input is computed".into())) };
    let axis = axis(call.attributes.int("axis", 1)?, builder.shape(first).len())?;
    if operands.len() == 1 {
        return Ok(values);
    }
    if values.len() < operands.len() {
        return beside_constants(builder, call, &operands, axis);
    }
    let output = in_image_order(builder, call, first, |builder, image, axes| {
        let axis = axes.iter().position(|&a| a == axis).unwrap_or(axis);
        let mut inputs = vec![image];
        for &value in &values[1..] {
            let same = axes.iter().copied().eq(0..axes.len());
            let turn = Operator::Transpose { permutation: axes.to_vec() };
            inputs.push(if same { value } else { builder.emit(call, turn, &[value])? });
        }
        side_by_side(builder, call, &inputs, axis)
    })?;
    Ok(vec![output])
}

fn side_by_side(builder: &mut Builder, call: &Call<'_>, inputs: &[ValueId], axis: usize) -> Result<ValueId, Reject> {
    let rank = builder.shape(inputs[0]).len();
    let is_line = (axis == 2 && rank >= 3) || axis == 3;
    if !is_line || !(3..=4).contains(&rank) || inputs.iter().any(|&i| builder.shape(i).len() != rank) {
        return builder.emit(call, Operator::Concat { axis }, inputs);
    }
    let mut images = Vec::with_capacity(inputs.len());
    for &input in inputs {
        images.push(as_image(builder, call, input)?);
    }
    if let Some((source, operator)) = parts_of_one(builder, &images, axis) {
        let output = builder.emit(call, operator, &[source])?;
        return like(builder, call, output, inputs[0]);
    }
    // Each with zeros in place of the others, summed.
    let sizes: Vec<usize> = images.iter().map(|&i| builder.shape(i)[axis]).collect();
    let total: usize = sizes.iter().sum();
    let mut sum: Option<ValueId> = None;
    let mut start = 0;
    for (&image, &size) in images.iter().zip(&sizes) {
        let place = |at: usize| if (start..start + size).contains(&at) { (at - start) as f32 } else { -1.0 };
        let operator = along(builder.shape(image), axis, (0..listed(total)?).map(place).collect())?;
        let padded = builder.emit(call, operator, &[image])?;
        sum = Some(match sum {
            Some(sum) => builder.emit(call, Operator::Add, &[sum, padded])?,
            None => padded,
        });
        start += size;
    }
    match sum {
        Some(output) => like(builder, call, output, inputs[0]),
        None => Err(Reject::Invalid("it has no input".into())),
    }
}

/// Channels, some of which are constants: one number each.
fn beside_constants(
    builder: &mut Builder,
    call: &Call<'_>,
    operands: &[Operand<'_>],
    axis: usize,
) -> Result<Vec<ValueId>, Reject> {
    let form = |constant: &Constant| {
        let reason = format!("a constant of shape {:?} beside computed tensors along axis {axis}", constant.shape);
        unsupported(reason, "constants along the channels, one number each")
    };
    let mut output: Option<ValueId> = None;
    let (mut before, mut offsets) = (0, vec![]);
    for operand in operands {
        match operand {
            Operand::Constant(constant) => {
                let (size, numbers) = (constant.shape.get(axis).copied().unwrap_or(0), constant.weights()?);
                let inner: usize = constant.shape.iter().skip(axis + 1).product();
                let same = numbers.chunks(inner.max(1)).all(|part| part.iter().all(|&n| n == part[0]));
                if axis != 1 || !same || size * inner != numbers.len() {
                    return Err(form(constant));
                }
                offsets.extend(numbers.chunks(inner.max(1)).map(|part| part[0]));
                match output {
                    Some(value) => {
                        output = Some(builder.emit(call, Operator::Pad { axis, before: 0, after: size }, &[value])?);
                    }
                    None => before += size,
                }
            }
            Operand::Value(value) => {
                offsets.extend(std::iter::repeat_n(0.0, builder.shape(*value).get(axis).copied().unwrap_or(0)));
                let mut value = *value;
                if before > 0 {
                    value = builder.emit(call, Operator::Pad { axis, before, after: 0 }, &[value])?;
                    before = 0;
                }
                output = Some(match output {
                    Some(output) => builder.emit(call, Operator::Concat { axis }, &[output, value])?,
                    None => value,
                });
            }
        }
    }
    let Some(mut output) = output else { return Err(Reject::Invalid("no input is computed".into())) };
    if offsets.iter().any(|&o| o != 0.0) {
        let scale = vec![1.0; offsets.len()];
        output = builder.emit(call, Operator::Affine { scale, offset: offsets }, &[output])?;
    }
    Ok(vec![output])
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
                picked_in_order(builder, call, value, axis, &wanted)?
            }
        };
    }
    Ok(vec![value])
}

struct Cut {
    axis: usize,
    start: usize,
    end: usize,
    step: usize,
}

/// A part of a tensor whose channels may come last.
fn part(builder: &mut Builder, call: &Call<'_>, value: ValueId, wanted: Cut) -> Result<ValueId, Reject> {
    if (wanted.start, wanted.end, wanted.step) == (0, builder.shape(value)[wanted.axis], 1) {
        return Ok(value);
    }
    if let (Some(parts), true) = (parts_along(builder, value, wanted.axis), wanted.end == wanted.start + 1) {
        return Ok(parts[wanted.start]);
    }
    in_image_order(builder, call, value, |builder, image, axes| {
        let axis = axes.iter().position(|&a| a == wanted.axis).unwrap_or(wanted.axis);
        cut(builder, call, image, Cut { axis, ..wanted })
    })
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

pub(super) fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let value = call.value(0)?;
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
    let mut pads = vec![[0; 2]; rank];
    axes.iter().enumerate().for_each(|(index, &axis)| pads[axis] = [list[index], list[index + axes.len()]]);
    let padded = in_image_order(builder, call, value, |builder, image, axes| {
        let pads: Vec<[i64; 2]> = axes.iter().map(|&axis| pads[axis]).collect();
        padded(builder, call, image, &pads, constant, repeated)
    })?;
    Ok(vec![padded])
}

/// A tensor with padding before and behind each axis, negative padding taken away.
fn padded(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    pads: &[[i64; 2]],
    constant: f32,
    repeated: Option<Repeated>,
) -> Result<ValueId, Reject> {
    let mut value = value;
    for (axis, pads) in pads.iter().enumerate() {
        let taken = pads.map(|pad| usize::try_from(pad.saturating_neg()).unwrap_or(0));
        let size = builder.shape(value)[axis];
        let Some(end) = size.checked_sub(taken[1]).filter(|&end| end > taken[0]) else {
            return Err(Reject::Invalid(format!("pads {pads:?} leave nothing of axis {axis}")));
        };
        value = cut(builder, call, value, Cut { axis, start: taken[0], end, step: 1 })?;
    }
    let pads: Vec<[usize; 2]> = pads.iter().map(|pads| pads.map(|pad| usize::try_from(pad).unwrap_or(0))).collect();
    // Other numbers than zero: zeros around what is less by as much.
    let shifted = constant != 0.0 && repeated.is_none() && pads.iter().any(|&pads| pads != [0, 0]);
    let shift = |builder: &mut Builder, value: ValueId, offset: f32| {
        let channels = builder.shape(value).get(1).copied().unwrap_or(1);
        let operator = Operator::Affine { scale: vec![1.0; channels], offset: vec![offset; channels] };
        builder.emit(call, operator, &[value])
    };
    if shifted {
        value = shift(builder, value, -constant)?;
    }
    let lines = |axis: usize| pads.get(axis).copied().unwrap_or([0; 2]);
    for (axis, &[before, after]) in pads.iter().enumerate().filter(|&(_, &pads)| pads != [0, 0]) {
        match axis {
            1 if repeated.is_none() => value = builder.emit(call, Operator::Pad { axis, before, after }, &[value])?,
            2 | 3 => {}
            _ => {
                let reason = format!("padding of axis {axis} of {:?}", builder.shape(value));
                return Err(unsupported(reason, "padding of rows or columns, or of channels with a constant"));
            }
        }
    }
    if [lines(2), lines(3)] != [[0; 2]; 2] {
        let image = as_image(builder, call, value)?;
        let places = |axis: usize| -> Result<Vec<f32>, Reject> {
            let ([before, after], size) = (lines(axis), builder.shape(image)[axis]);
            [before, after, size].into_iter().try_for_each(|count| listed(count).map(drop))?;
            Ok(match repeated {
                Some(repeated) => repeated.places(size as i64, before as i64, after as i64),
                None => {
                    let zeros = |count| std::iter::repeat_n(-1.0, count);
                    zeros(before).chain((0..size).map(|i| i as f32)).chain(zeros(after)).collect()
                }
            })
        };
        let (rows, columns) = (places(2)?, places(3)?);
        let output = builder.emit(call, Operator::Resample { rows, columns }, &[image])?;
        value = like(builder, call, output, value)?;
    }
    if shifted { shift(builder, value, constant) } else { Ok(value) }
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

    /// Where each row or column of the output lies in the input.
    fn places(self, size: i64, before: i64, after: i64) -> Vec<f32> {
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
        (-before..size + after).map(|at| place(at) as f32).collect()
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
    let taken = match parts_along(builder, input, axis) {
        Some(parts) if wanted.len() == 1 => parts[wanted[0]],
        _ => picked_in_order(builder, call, input, axis, &wanted)?,
    };
    let target = [&shape[..axis], &indices.shape, &shape[axis + 1..]].concat();
    Ok(vec![builder.reshape(call, taken, target)?])
}

/// Some indices of an axis of a tensor whose channels may come last.
fn picked_in_order(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
    wanted: &[usize],
) -> Result<ValueId, Reject> {
    in_image_order(builder, call, value, |builder, image, axes| {
        let axis = axes.iter().position(|&a| a == axis).unwrap_or(axis);
        picked(builder, call, image, axis, wanted)
    })
}

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

/// The tensors that were put side by side, one index each, if that is what a value is.
pub(super) fn parts_along(builder: &Builder, value: ValueId, axis: usize) -> Option<Vec<ValueId>> {
    let node = builder.graph.nodes.get(builder.graph.producer(value)?)?;
    let single = node.inputs.iter().all(|&part| builder.shape(part).get(axis) == Some(&1));
    (node.operator == Operator::Concat { axis } && single).then(|| node.inputs.clone())
}

/// Rows (axis 2) or columns (axis 3) of images below or beside each other, some of which are parts of one image: what takes
/// them all from there.
fn parts_of_one(builder: &Builder, inputs: &[ValueId], axis: usize) -> Option<(ValueId, Operator)> {
    let part = |&input: &ValueId| {
        let node = builder.graph.producer(input).and_then(|n| builder.graph.nodes.get(n));
        Some(match node.map(|n| (&n.operator, n.inputs[0])) {
            Some((Operator::Resample { rows, columns }, source)) => (source, [rows.clone(), columns.clone()]),
            _ => {
                let all = |axis: usize| all(builder.shape(input)[axis]).ok();
                (input, [all(2)?, all(3)?])
            }
        })
    };
    let parts: Vec<_> = inputs.iter().map(part).collect::<Option<_>>()?;
    let (source, first) = parts.first()?;
    let (own, across) = (axis - 2, 3 - axis);
    if !parts.iter().all(|(from, places)| from == source && places[across] == first[across]) {
        return None;
    }
    let places: Vec<f32> = parts.iter().flat_map(|(_, places)| places[own].iter().copied()).collect();
    let [rows, columns] = if axis == 2 { [places, first[1].clone()] } else { [first[0].clone(), places] };
    Some((*source, Operator::Resample { rows, columns }))
}
