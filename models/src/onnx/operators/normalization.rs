//! Normalization by constants (batch) and by statistics of the tensor itself (instance, group, layer); softmax.

use super::convolution::{as_image, like};
use super::elementwise::{add, multiply};
use super::{Builder, Call, Handler, Operand, Reject, stacks, unsupported};
use crate::function::Function;
use crate::graph::{Operator, Tensor, ValueId, Window};

/// `scale · (x − mean) / √(variance + ε) + offset` a channel: in inference an affine function.
pub(super) fn batch(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if call.attributes.flag("training_mode", false)? {
        return Err(unsupported("it computes statistics of the batch", "training_mode = 0"));
    }
    if call.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(unsupported("it has more than one output", "inference form with one output"));
    }
    let [scale, offset, mean, variance] = [1, 2, 3, 4].map(|index| call.constant(index));
    let (scale, offset) = (scale?.weights()?, offset?.weights()?);
    let (mean, variance) = (mean?.weights()?, variance?.weights()?);
    let epsilon = call.attributes.float("epsilon")?.unwrap_or(1e-5);
    if [offset.len(), mean.len(), variance.len()] != [scale.len(); 3] {
        return Err(Reject::Invalid("scale, offset, mean and variance differ in length".into()));
    }
    let gain: Vec<f32> =
        scale.iter().zip(&variance).map(|(s, v)| (f64::from(*s) / f64::from(v + epsilon).sqrt()) as f32).collect();
    if let Some(channel) = gain.iter().position(|g| !g.is_finite()) {
        return Err(Reject::Invalid(format!("variance of channel {channel} is {}", variance[channel])));
    }
    let offset = offset.iter().zip(&mean).zip(&gain).map(|((o, m), g)| o - m * g).collect();
    Ok(vec![builder.emit(call, Operator::Affine { scale: gain, offset }, &[call.value(0)?])?])
}

/// `(x − mean(x)) / √(mean((x − mean(x))²) + ε)`, with means that broadcast to the tensor.
fn standardized(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    mean: impl Fn(&mut Builder, ValueId) -> Result<ValueId, Reject>,
) -> Result<ValueId, Reject> {
    let epsilon = call.attributes.float("epsilon")?.unwrap_or(1e-5);
    let centre = mean(builder, value)?;
    let centred = builder.emit(call, Operator::Subtract, &[value, centre])?;
    let squares = builder.emit(call, Operator::Function(Function::square()), &[centred])?;
    let variance = mean(builder, squares)?;
    let shifted = Function::Linear { scale: 1.0, offset: epsilon };
    let factor = Operator::Function(shifted.then(Function::SquareRoot).then(Function::Reciprocal));
    let factor = builder.emit(call, factor, &[variance])?;
    builder.emit(call, Operator::Multiply, &[centred, factor])
}

/// The mean over the pixels of each channel, or of groups of channels, in the shape `[1, channels, 1, 1]`.
fn mean_of_image(builder: &mut Builder, call: &Call<'_>, image: ValueId, groups: usize) -> Result<ValueId, Reject> {
    let &[_, channels, rows, columns] = builder.shape(image) else {
        return Err(Reject::Invalid(format!("input of shape {:?}", builder.shape(image))));
    };
    let window = Window { kernel: [rows, columns], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let mut mean = image;
    if [rows, columns] != [1, 1] {
        mean = builder.emit(call, Operator::AveragePool { window, count_include_pad: false }, &[image])?;
    }
    if groups == channels {
        return Ok(mean);
    }
    // Each channel gets the mean of its group.
    let size = channels / groups;
    let share = |at: usize| f32::from(u8::from(at / channels / size == at % channels / size)) / size as f32;
    let weight = Tensor { shape: vec![channels, channels, 1, 1], data: (0..channels * channels).map(share).collect() };
    let window = Window { kernel: [1, 1], ..window };
    let bias = vec![0.0; channels];
    builder.emit(call, Operator::Convolution { weight, bias, window, groups: 1, pad_value: None }, &[mean])
}

/// Normalization of groups of channels over all their pixels, then a scale and an offset a channel.
fn of_groups(builder: &mut Builder, call: &Call<'_>, groups: usize) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let image = as_image(builder, call, input)?;
    let channels = builder.shape(image)[1];
    if groups == 0 || !channels.is_multiple_of(groups) || channels > MAX_NORMALIZED {
        return Err(unsupported(format!("{channels} channels in {groups} groups"), "groups of one size"));
    }
    let normal = standardized(builder, call, image, |b, value| mean_of_image(b, call, value, groups))?;
    let (mut scale, mut offset) = (call.constant(1)?.weights()?, call.constant(2)?.weights()?);
    // Before operator set 21 group normalization had one number a group.
    for numbers in [&mut scale, &mut offset] {
        if numbers.len() == groups && groups < channels {
            *numbers = numbers.iter().flat_map(|&n| std::iter::repeat_n(n, channels / groups)).collect();
        }
    }
    let output = builder.emit(call, Operator::Affine { scale, offset }, &[normal])?;
    Ok(vec![like(builder, call, output, input)?])
}

/// Most channels of a normalization over groups: its means take as many weights squared.
const MAX_NORMALIZED: usize = 1 << 12;

pub(super) fn instance(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    // Groups of channels as PyTorch writes them: `[1, groups, all of the rest]`.
    let source = builder.graph.producer(input).and_then(|n| builder.graph.nodes.get(n));
    let source = source.filter(|n| n.operator == Operator::Reshape).map(|n| n.inputs[0]);
    if let (Some(image), &[_, groups, _]) = (source, builder.shape(input))
        && let &[_, channels, _, _] = builder.shape(image)
        && channels > groups
        && channels.is_multiple_of(groups)
        && channels <= MAX_NORMALIZED
    {
        let shape = builder.shape(input).to_vec();
        let normal = standardized(builder, call, image, |b, value| mean_of_image(b, call, value, groups))?;
        let spread = |numbers: Vec<f32>| -> Vec<f32> {
            numbers.iter().flat_map(|&n| std::iter::repeat_n(n, channels / groups)).collect()
        };
        let (scale, offset) = (spread(call.constant(1)?.weights()?), spread(call.constant(2)?.weights()?));
        let output = builder.emit(call, Operator::Affine { scale, offset }, &[normal])?;
        return Ok(vec![builder.reshape(call, output, shape)?]);
    }
    let channels = builder.shape(call.value(0)?).get(1).copied().unwrap_or(0);
    of_groups(builder, call, channels)
}

pub(super) fn group(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let groups = usize::try_from(call.attributes.int("num_groups", 0)?).unwrap_or(0);
    of_groups(builder, call, groups)
}

/// Normalization of vectors with their channels last.
pub(super) fn layer(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let shape = builder.shape(input).to_vec();
    let axis = crate::onnx::fold::axis(call.attributes.int("axis", -1)?, shape.len())?;
    if axis + 1 != shape.len() || call.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(unsupported(
            format!("normalization from axis {axis} of {shape:?} on"),
            "that of the last axis alone",
        ));
    }
    let size = shape[axis];
    let mean = |b: &mut Builder, value| {
        let weight = Tensor { shape: vec![1, size], data: vec![1.0 / size as f32; size] };
        b.emit(call, Operator::Dense { weight, bias: vec![0.0] }, &[value])
    };
    let mut output = standardized(builder, call, input, mean)?;
    for (index, join) in [(1, multiply as Handler), (2, add)] {
        if let Some(constant) = call.optional_constant(index)? {
            let operands = [Some(Operand::Value(output)), Some(Operand::Constant(constant))];
            output = join(builder, &Call { operands: &operands, ..*call })?[0];
        }
    }
    Ok(vec![output])
}

pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (axis, input) = (softmax_axis(builder, call)?, call.value(0)?);
    match stacks::softmax(builder, call, input, axis)? {
        Some(shares) => Ok(vec![shares]),
        None => Ok(vec![builder.emit(call, Operator::Softmax { axis }, &[input])?]),
    }
}

pub(super) fn log_softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let axis = softmax_axis(builder, call)?;
    Ok(vec![builder.emit(call, Operator::LogSoftmax { axis }, &[call.value(0)?])?])
}

fn softmax_axis(builder: &Builder, call: &Call<'_>) -> Result<usize, Reject> {
    let input = call.value(0)?;
    let shape = builder.shape(input).to_vec();
    // Before operator set 13 the axes from `axis` on were one.
    let flattens = call.opset < 13;
    let axis = call.attributes.int("axis", if flattens { 1 } else { -1 })?;
    let axis = crate::onnx::fold::axis(axis, shape.len())?;
    if flattens && shape[axis + 1..].iter().any(|&d| d > 1) {
        return Err(unsupported(
            format!("softmax over axes {axis} and following of {shape:?}"),
            "softmax over one axis",
        ));
    }
    Ok(axis)
}
