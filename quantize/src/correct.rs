//! Correction of the output: what the quantized model's output is off by on average is taken from the last layer's biases.

use crate::compile::{CompileError, Model};
use crate::lower::RowOperator;
use crate::quantize::{Statistics, quantize};
use crate::schedule::schedule;
use crate::simulate;
use crate::write::{Extras, write};
use rayon::prelude::*;
use residua::plan::Plan;
use residua_models::execute::GraphExecutor;

/// Multiply-accumulate operations that the correction may cost, beyond the first two inputs.
const MOST_MACS: u64 = 4_000_000_000;

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
    let count = usize::try_from(MOST_MACS / model.graph.macs().max(1)).unwrap_or(usize::MAX).max(2);
    let error = mean_error(model, statistics, output, &spread(inputs, count))?;
    if let RowOperator::Convolution { bias, .. } | RowOperator::Dense { bias, .. } =
        &mut model.rows.nodes[layer].operator
    {
        bias.iter_mut().zip(error).for_each(|(bias, error)| *bias += error as f32);
    }
    Ok(())
}

/// The output, or what a final softmax reads.
fn last_value(model: &Model) -> usize {
    let output = model.rows.outputs.first().copied().unwrap_or(0);
    let producer = model.rows.nodes.iter().find(|n| n.output == output);
    producer.filter(|n| n.operator == RowOperator::Softmax).map_or(output, |n| n.inputs[0])
}

/// Up to `count` of the inputs, spread over all of them: neighbours are often of one class.
fn spread(inputs: &[Vec<f32>], count: usize) -> Vec<&[f32]> {
    let count = count.min(inputs.len());
    (0..count).map(|i| inputs[i * inputs.len() / count].as_slice()).collect()
}

/// Mean of float minus quantized output, for each channel.
fn mean_error(
    model: &Model,
    statistics: &[Statistics],
    output: usize,
    inputs: &[&[f32]],
) -> Result<Vec<f64>, CompileError> {
    let executor = GraphExecutor::new(&model.graph)?;
    let graph = quantize(&model.rows, statistics)?;
    let bytes = write(&graph, &schedule(&graph), &Extras::default())?;
    let plan = Plan::load(&bytes)?;
    let (input, value) = (&graph.values[graph.input], &graph.values[output]);
    let (row_input, row_output) = (&model.rows.values[graph.input], &model.rows.values[output]);
    let channels = value.shape[2].max(1);
    let sums = inputs
        .par_iter()
        .map(|sample| {
            let expected = row_output.to_rows(&executor.run(&[sample])?[row_output.source.0]);
            let quantized = input.encode(row_input.to_rows(sample));
            let found = simulate::run_values(&plan, &quantized).map_err(|e| CompileError::Simulate(e.to_string()))?;
            let mut sums = vec![0.0; channels];
            for (index, (&expected, found)) in expected.iter().zip(value.decode(&found[output])).enumerate() {
                sums[index % channels] += f64::from(expected - found);
            }
            Ok(sums)
        })
        .try_reduce(
            || vec![0.0; channels],
            |a, b| Ok::<_, CompileError>(a.iter().zip(b).map(|(a, b)| a + b).collect()),
        )?;
    let pixels = inputs.len() * row_output.len() / channels;
    Ok(sums.iter().map(|sum| sum / pixels.max(1) as f64).filter(|e| e.is_finite()).collect())
}
