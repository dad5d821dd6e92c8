//! Operators that put tensors side by side.

use super::convolution::{as_image, like};
use super::order::in_image_order;
use super::places::{all, along, listed};
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
    let is_line = builder.shape(inputs[0])[0] == 1 && ((axis == 2 && rank >= 3) || axis == 3);
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
