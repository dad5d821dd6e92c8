//! Choice by measurement: how strongly to equalize and how to choose ranges, whichever brings the quantized output closest
//! to the float output over calibration inputs.

use crate::calibrate::{Method, Observed};
use crate::compile::{CompileError, Model};
use crate::equalize::Gain;
use crate::lower::RowOperator;
use crate::quantize::{Statistics, quantize};
use crate::schedule::schedule;
use crate::simulate;
use crate::write::{Extras, write};
use rayon::prelude::*;
use residua::plan::Plan;
use residua_models::execute::GraphExecutor;
use std::iter::Sum;

/// Inputs over which choices are compared.
const MOST_INPUTS: usize = 16;
/// Multiply-accumulate operations that one choice may cost, beyond the first two inputs.
const MOST_MACS: u64 = 2_000_000_000;

/// A model after its balancing, with ranges.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The model, balanced.
    pub model: Model,
    /// What calibration says of its row values.
    pub statistics: Vec<Statistics>,
    /// How the ranges were chosen.
    pub method: Method,
    /// Signal to error ratio of the output over the inputs compared, in dB.
    pub snr_db: f64,
}

/// Balances and calibrates a model over inputs (flat, in the layout that the ONNX model declares). Every range method is
/// tried unless one is given.
///
/// Choices are compared on inputs that the ranges do not come from: each half of the inputs is the judge of the other.
///
/// # Errors
/// There is no input, the float model cannot be run on one, or a layer has no integer form.
pub fn choose(model: &Model, inputs: &[Vec<f32>], method: Option<Method>) -> Result<Choice, CompileError> {
    let count = usize::try_from(MOST_MACS / model.graph.macs().max(1)).unwrap_or(MOST_INPUTS).clamp(2, MOST_INPUTS);
    let methods = method.map_or(vec![Method::Mse, Method::MinMax, Method::Percentile(1e-4)], |method| vec![method]);
    let half = |odd: usize| inputs.iter().skip(odd).step_by(2).map(Vec::as_slice).collect::<Vec<&[f32]>>();
    let halves = [half(0), half(1)];
    let mut best: Option<Choice> = None;
    let mut before: Option<usize> = None;
    let mut failure = CompileError::NoCalibration;
    for gain in [Gain::Large, Gain::Any] {
        let mut balanced = model.clone();
        let changed = balanced.balance(inputs, gain)?;
        if before.replace(changed) == Some(changed) {
            continue;
        }
        let mut observed = balanced.observe(&halves[0])?;
        let mut folds = vec![(observed.clone(), expected(&balanced, spread(&halves[0], count.div_ceil(2)))?)];
        if !halves[1].is_empty() {
            let other = balanced.observe(&halves[1])?;
            observed.iter_mut().zip(&other).for_each(|(a, b)| a.merge(b.clone()));
            let judge = expected(&balanced, spread(&halves[1], count / 2))?;
            let first = std::mem::replace(&mut folds[0].1, judge);
            folds.push((other, first));
        }
        for &method in &methods {
            let statistics = |observed: &[Observed]| observed.iter().map(|o| o.statistics(method)).collect::<Vec<_>>();
            let measured = folds.iter().map(|(observed, judge)| difference(&balanced, &statistics(observed), judge));
            let snr_db = match measured.sum::<Result<Difference, _>>() {
                Ok(difference) => difference.snr_db(),
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            if best.as_ref().is_none_or(|best| snr_db > best.snr_db) {
                best = Some(Choice { model: balanced.clone(), statistics: statistics(&observed), method, snr_db });
            }
        }
    }
    let mut best = best.ok_or(failure)?;
    let all: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let judge = expected(&best.model, spread(&all, count))?;
    let mean = difference(&best.model, &best.statistics, &judge)?.means();
    correct_last_bias(&mut best.model, &mean);
    Ok(best)
}

/// Takes the mean error of the compared value's channels from the layer that computes it, if that has biases and no bounds.
fn correct_last_bias(model: &mut Model, error: &[f64]) {
    let value = compared_value(model);
    let Some(node) = model.rows.nodes.iter_mut().find(|n| n.output == value) else { return };
    let bounded = node.clamp.iter().any(|bound| bound.is_finite());
    if let RowOperator::Convolution { bias, .. } | RowOperator::Dense { bias, .. } = &mut node.operator
        && !bounded
    {
        bias.iter_mut().zip(error).for_each(|(bias, error)| *bias += *error as f32);
    }
}

/// Up to `count` of the inputs, spread over all of them: neighbours are often of one class.
fn spread<'a>(inputs: &[&'a [f32]], count: usize) -> Vec<&'a [f32]> {
    let count = count.clamp(1, inputs.len());
    (0..count).map(|i| inputs[i * inputs.len() / count]).collect()
}

/// Input and expected output, in row order.
struct Expected {
    input: Vec<f32>,
    output: Vec<f32>,
}

/// The value that is compared: the output, or what a final softmax reads, which would hide most of the difference.
fn compared_value(model: &Model) -> usize {
    let output = model.rows.outputs.first().copied().unwrap_or(0);
    let producer = model.rows.nodes.iter().find(|n| n.output == output);
    producer.filter(|n| n.operator == RowOperator::Softmax).map_or(output, |n| n.inputs[0])
}

fn expected(model: &Model, inputs: Vec<&[f32]>) -> Result<Vec<Expected>, CompileError> {
    let executor = GraphExecutor::new(&model.graph)?;
    let output = &model.rows.values[compared_value(model)];
    let input = &model.rows.values[model.rows.input];
    inputs
        .into_par_iter()
        .map(|sample| {
            let values = executor.run(&[sample])?;
            Ok(Expected { input: input.to_rows(sample), output: output.to_rows(&values[output.source.0]) })
        })
        .collect()
}

/// How far plans are from what was expected, over some inputs.
#[derive(Clone, Debug, Default)]
struct Difference {
    signal: f64,
    /// Sums over the pixels of each channel: expected minus found, and its square.
    channels: Vec<[f64; 2]>,
    pixels: u64,
}

impl Difference {
    fn of(expected: &[f32], found: impl Iterator<Item = f32>, channels: usize) -> Self {
        let mut difference = Self { channels: vec![[0.0; 2]; channels], ..Self::default() };
        for (index, (&expected, found)) in expected.iter().zip(found).enumerate() {
            difference.signal += f64::from(expected).powi(2);
            let error = f64::from(expected - found);
            let [sum, squares] = &mut difference.channels[index % channels.max(1)];
            *sum += error;
            *squares += error.powi(2);
        }
        difference.pixels = (expected.len() / channels.max(1)) as u64;
        difference
    }

    fn merged(mut self, other: Self) -> Self {
        if self.channels.is_empty() {
            return other;
        }
        self.channels.iter_mut().zip(other.channels).for_each(|([a, b], [c, d])| (*a, *b) = (*a + c, *b + d));
        Self { signal: self.signal + other.signal, pixels: self.pixels + other.pixels, ..self }
    }

    fn means(&self) -> Vec<f64> {
        self.channels.iter().map(|[sum, _]| sum / self.pixels.max(1) as f64).collect()
    }

    /// Ratio of signal and error in dB, without the channels' mean errors, which a bias can take away.
    fn snr_db(&self) -> f64 {
        let about_mean = |[sum, squares]: &[f64; 2]| squares - sum.powi(2) / self.pixels.max(1) as f64;
        let error: f64 = self.channels.iter().map(about_mean).sum();
        10.0 * (self.signal.max(f64::MIN_POSITIVE) / error.max(f64::MIN_POSITIVE)).log10()
    }
}

impl Sum for Difference {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Self::merged)
    }
}

/// The difference of a plan's output from what is expected.
fn difference(model: &Model, statistics: &[Statistics], expected: &[Expected]) -> Result<Difference, CompileError> {
    let graph = quantize(&model.rows, statistics)?;
    let bytes = write(&graph, &schedule(&graph), &Extras::default())?;
    let plan = Plan::load(&bytes)?;
    let (input, output) = (&graph.values[graph.input], compared_value(model));
    expected
        .par_iter()
        .map(|sample| {
            let quantized: Vec<i8> = sample.input.iter().map(|&x| input.quantize(x)).collect();
            let values =
                simulate::run_values(&plan, &quantized).map_err(|error| CompileError::Simulate(error.to_string()))?;
            let value = &graph.values[output];
            Ok(Difference::of(&sample.output, values[output].iter().map(|&q| value.dequantize(q)), value.shape[2]))
        })
        .try_reduce(Difference::default, |a, b| Ok(a.merged(b)))
}
