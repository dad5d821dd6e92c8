//! Correction of the output: what the quantized model's output is off by on average is taken from the last layer's biases.

use crate::compile::{CompileError, Model};
use crate::lower::RowOperator;
use crate::quantize::Statistics;
use crate::trial::Trial;

/// Runs the quantized model on inputs (flat, in the layout that the ONNX model declares), compares with the float model, and
/// takes the mean error of each output channel from the layer that computes it, if that has biases and no bounds; a final
/// softmax is looked through.
///
/// # Errors
/// The float model cannot be run on an input, or a layer has no integer form.
pub fn correct_output(model: &mut Model, statistics: &[Statistics], inputs: &[Vec<f32>]) -> Result<(), CompileError> {
    let output = last_value(model);
    let Some(layer) = model.rows.nodes.iter().position(|n| n.output == output) else { return Ok(()) };
    let node = &model.rows.nodes[layer];
    let has_bias = matches!(node.operator, RowOperator::Convolution { .. } | RowOperator::Dense { .. });
    if !has_bias || node.clamp.iter().any(|bound| bound.is_finite()) {
        return Ok(());
    }
    let error = mean_error(model, statistics, output, inputs)?;
    if let RowOperator::Convolution { bias, .. } | RowOperator::Dense { bias, .. } =
        &mut model.rows.nodes[layer].operator
    {
        bias.iter_mut().zip(error).for_each(|(bias, error)| *bias += error as f32);
    }
    Ok(())
}

/// The output, or what a final softmax reads.
pub(crate) fn last_value(model: &Model) -> usize {
    let output = model.rows.outputs.first().copied().unwrap_or(0);
    let producer = model.rows.nodes.iter().find(|n| n.output == output);
    producer.filter(|n| n.operator == RowOperator::Softmax).map_or(output, |n| n.inputs[0])
}

/// Mean of float minus quantized output, for each channel.
fn mean_error(
    model: &Model,
    statistics: &[Statistics],
    output: usize,
    inputs: &[Vec<f32>],
) -> Result<Vec<f64>, CompileError> {
    let trial = Trial::new(model, output, inputs, 1)?;
    let channels = model.rows.values[output].shape[2].max(1);
    let (mut sums, mut pixels) = (vec![0.0; channels], 0);
    for (expected, found) in trial.expected.iter().zip(trial.run(model, statistics)?) {
        pixels += expected.len() / channels;
        for (index, (&expected, found)) in expected.iter().zip(found).enumerate() {
            sums[index % channels] += f64::from(expected - found);
        }
    }
    Ok(sums.iter().map(|sum| sum / pixels.max(1) as f64).filter(|e| e.is_finite()).collect())
}
