//! What a quantized model makes of calibration inputs.

use crate::compile::{CompileError, Model};
use crate::quantize::{Statistics, quantize};
use crate::schedule::schedule;
use crate::simulate;
use crate::write::{Extras, write};
use rayon::prelude::*;
use residua::plan::Plan;
use residua_models::execute::GraphExecutor;

/// Multiply-accumulate operations that all runs together may cost, beyond the first two inputs of each.
const MOST_MACS: u64 = 4_000_000_000;

/// Some calibration inputs, and what the float model makes of them.
#[derive(Clone, Debug)]
pub struct Trial<'i> {
    inputs: Vec<&'i [f32]>,
    value: usize,
    /// The row value's elements for each input, in row order.
    pub expected: Vec<Vec<f32>>,
}

impl<'i> Trial<'i> {
    /// Runs the float model for a row value; `inputs` are flat, in the layout that the ONNX model declares. As many of them are
    /// used as `runs` quantized models can be run on in reasonable time.
    ///
    /// # Errors
    /// The float model cannot be run on an input.
    pub fn new(model: &Model, value: usize, inputs: &'i [Vec<f32>], runs: u64) -> Result<Self, CompileError> {
        let macs = model.graph.macs().max(1).saturating_mul(runs.max(1));
        let inputs = spread(inputs, usize::try_from(MOST_MACS / macs).unwrap_or(usize::MAX).max(2));
        let executor = GraphExecutor::new(&model.graph)?;
        let row_value = &model.rows.values[value];
        let expected = inputs.par_iter().map(|sample| {
            let values = executor.run(&[sample])?;
            Ok::<_, CompileError>(row_value.to_rows(&values[row_value.source.0]))
        });
        let expected = expected.collect::<Result<_, _>>()?;
        Ok(Self { inputs, value, expected })
    }

    /// The same elements of the quantized model.
    ///
    /// # Errors
    /// A layer has no integer form.
    pub fn run(&self, model: &Model, statistics: &[Statistics]) -> Result<Vec<Vec<f32>>, CompileError> {
        let graph = quantize(&model.rows, statistics)?;
        let bytes = write(&graph, &schedule(&graph), &Extras::default())?;
        let plan = Plan::load(&bytes)?;
        let value = &graph.values[self.value];
        let outputs = self.inputs.par_iter().map(|sample| {
            let rows = graph.encode_input(&model.rows, sample);
            let found = simulate::run_values(&plan, &rows).map_err(|e| CompileError::Simulate(e.to_string()))?;
            Ok(value.decode(&found[self.value]))
        });
        outputs.collect()
    }
}

/// Up to `count` of the inputs, spread over all of them: neighbours are often of one class.
fn spread(inputs: &[Vec<f32>], count: usize) -> Vec<&[f32]> {
    let count = count.min(inputs.len());
    (0..count).map(|i| inputs[i * inputs.len() / count].as_slice()).collect()
}
