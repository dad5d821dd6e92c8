//! Batch normalization and softmax.

use super::{Builder, Call, Reject, unsupported};
use crate::graph::{Operator, ValueId};

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

pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let axis = softmax_axis(builder, call)?;
    Ok(vec![builder.emit(call, Operator::Softmax { axis }, &[call.value(0)?])?])
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
