//! Float model against plan, layer by layer.

use crate::compile::Model;
use crate::feed::{FeedError, PlanModel};
use crate::fuse::last_node;
use crate::qgraph::QValue;
use crate::simulate;
use crate::stream::Timing;
use crate::write::short;
use rayon::prelude::*;
use residua::plan::Plan;
use residua_models::data::Dataset;
use residua_models::execute::GraphExecutor;
use serde::Serialize;

/// Largest ratio that is reported, in dB; equal values have it.
pub const MAX_DB: f64 = 200.0;

/// How close a plan is to its float model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Inputs compared.
    pub samples: usize,
    /// Signal to error ratio of the output, in dB.
    pub snr_db: f64,
    /// Share of output pixels (one for a classifier) whose largest channel is the same.
    pub top1_agreement: f64,
    /// Each step of the plan that the float model has a value for.
    pub layers: Vec<Layer>,
}

/// A step of the plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Layer {
    /// The step's name.
    pub name: String,
    /// Signal to error ratio of its output, in dB.
    pub snr_db: f64,
}

/// Why two models cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// An item does not run.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The plan is that of a stream.
    #[error("the plan is that of a stream: whole frames are compared; compile the model without --stream")]
    Stream,
    /// The plan is that of another model.
    #[error("the plan is none of this model: its {what} has shape {plan:?}, the model's {model:?}")]
    Shape {
        /// Input or output.
        what: &'static str,
        /// Rows, columns, channels in the plan.
        plan: [usize; 3],
        /// Rows, columns, channels in the model.
        model: [usize; 3],
    },
}

/// A value that both have.
struct Pair {
    /// Index among the plan's values.
    value: usize,
    /// Index among the model's row values.
    row_value: usize,
    name: String,
    scale: QValue,
}

/// Sums over all samples.
#[derive(Clone, Debug, Default)]
struct Sums {
    /// Signal and error energy of each pair.
    energies: Vec<[f64; 2]>,
    pixels: u64,
    agreeing: u64,
}

/// Runs every item through both, on all cores. `done` is called after each.
///
/// # Errors
/// The plan is that of another model, or items do not match it.
pub fn compare(
    model: &Model,
    plan: &Plan<'_>,
    data: &Dataset,
    done: impl Fn() + Sync,
) -> Result<Comparison, CompareError> {
    if Timing::of_plan(plan).is_some() {
        return Err(CompareError::Stream);
    }
    let executor = GraphExecutor::new(&model.graph).map_err(FeedError::from)?;
    let rows = &model.rows;
    let float_input = model.input();
    let runner = PlanModel::new(*plan);
    let pairs = pairs(model, plan)?;
    let sums = (0..data.len())
        .into_par_iter()
        .map(|index| {
            let item = data.item(index).map_err(FeedError::from)?;
            let float = float_input.values(item.clone()).map_err(FeedError::from)?;
            let float = executor.run(&[&float]).map_err(FeedError::from)?;
            let input = runner.quantized(item).map_err(FeedError::from)?;
            let integer = simulate::run_values(plan, &input).map_err(FeedError::from)?;
            let mut sums = Sums { energies: vec![[0.0; 2]; pairs.len()], ..Sums::default() };
            for (pair, energy) in pairs.iter().zip(&mut sums.energies) {
                let row_value = &rows.values[pair.row_value];
                let float = row_value.to_rows(&float[row_value.source.0]);
                let integer = pair.scale.decode(&integer[pair.value]);
                add_energy(energy, &float, &integer);
                if pair.value == usize::from(plan.output_value()) {
                    sums.pixels += pixels(row_value.shape, &float).count() as u64;
                    sums.agreeing += pixels(row_value.shape, &float)
                        .zip(pixels(row_value.shape, &integer))
                        .filter(|(a, b)| a == b)
                        .count() as u64;
                }
            }
            done();
            Ok::<_, CompareError>(sums)
        })
        .try_reduce(Sums::default, |a, b| Ok(a.merged(b)))?;
    let layer = |(pair, energy): (&Pair, &[f64; 2])| Layer { name: pair.name.clone(), snr_db: decibels(*energy) };
    let output = pairs.iter().position(|p| p.value == usize::from(plan.output_value()));
    Ok(Comparison {
        samples: data.len(),
        snr_db: output.and_then(|o| sums.energies.get(o)).map_or(-MAX_DB, |&e| decibels(e)),
        top1_agreement: sums.agreeing as f64 / sums.pixels.max(1) as f64,
        layers: pairs.iter().zip(&sums.energies).map(layer).collect(),
    })
}

impl Sums {
    fn merged(mut self, other: Self) -> Self {
        if self.energies.is_empty() {
            return other;
        }
        for (a, b) in self.energies.iter_mut().zip(other.energies) {
            a[0] += b[0];
            a[1] += b[1];
        }
        Self { pixels: self.pixels + other.pixels, agreeing: self.agreeing + other.agreeing, ..self }
    }
}

/// The plan's steps that the model has under the same name and shape, in the plan's order, and the output.
fn pairs(model: &Model, plan: &Plan<'_>) -> Result<Vec<Pair>, CompareError> {
    let rows = &model.rows;
    let shape_of = |index: u16| plan.value(index).map(|v| [v.rows as usize, v.columns.into(), v.channels.into()]);
    let ends = [
        ("input", plan.input_value(), rows.input),
        ("output", plan.output_value(), rows.outputs.first().copied().unwrap_or(rows.input)),
    ];
    for (what, value, row_value) in ends {
        let (plan, model) = (shape_of(value).unwrap_or_default(), rows.values[row_value].shape);
        if plan != model {
            return Err(CompareError::Shape { what, plan, model });
        }
    }
    let [_, (_, output, row_output)] = ends;
    let mut used = vec![false; rows.nodes.len()];
    let mut pairs = Vec::new();
    for index in 0..plan.step_count() {
        let Some(step) = plan.step(index) else { continue };
        let name = plan.step_name(index);
        let node_name = last_node(name);
        let node = if step.output == output {
            rows.nodes.iter().position(|n| n.output == row_output)
        } else {
            rows.nodes.iter().enumerate().position(|(n, node)| {
                !used[n]
                    && short(&node.name) == node_name
                    && Some(rows.values[node.output].shape) == shape_of(step.output)
            })
        };
        let (Some(node), Some(value)) = (node, plan.value(step.output)) else { continue };
        used[node] = true;
        pairs.push(Pair {
            value: step.output.into(),
            row_value: rows.nodes[node].output,
            name: name.into(),
            scale: QValue {
                name: String::new(),
                shape: rows.values[rows.nodes[node].output].shape,
                element: value.element_type(),
                scale: f32::from_bits(value.scale),
                zero_point: value.zero_point as i8,
            },
        });
    }
    Ok(pairs)
}

fn add_energy(energy: &mut [f64; 2], float: &[f32], integer: &[f32]) {
    for (&f, &q) in float.iter().zip(integer) {
        energy[0] += f64::from(f).powi(2);
        energy[1] += (f64::from(f) - f64::from(q)).powi(2);
    }
}

/// `10 log10(signal / error)`, within ±[`MAX_DB`].
fn decibels([signal, error]: [f64; 2]) -> f64 {
    if error == 0.0 {
        return MAX_DB;
    }
    let db = 10.0 * (signal / error).log10();
    if db.is_nan() { -MAX_DB } else { db.clamp(-MAX_DB, MAX_DB) }
}

/// The first largest channel of each pixel; the first largest element of all where there is one channel.
fn pixels(shape: [usize; 3], values: &[f32]) -> impl Iterator<Item = usize> {
    let channels = if shape[2] > 1 { shape[2] } else { values.len().max(1) };
    let first_largest = |pixel: &[f32]| {
        let larger = |best: usize, i: usize| if pixel[i] > pixel[best] { i } else { best };
        (0..pixel.len()).fold(0, larger)
    };
    values.chunks(channels).map(first_largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_finite() {
        assert_eq!(decibels([100.0, 1.0]), 20.0);
        assert_eq!(decibels([0.0, 0.0]), MAX_DB);
        assert_eq!(decibels([0.0, 1.0]), -MAX_DB);
        assert_eq!(decibels([f64::NAN, 1.0]), -MAX_DB);
    }

    #[test]
    fn the_first_largest_channel_counts() {
        let of = |shape, values: &[f32]| pixels(shape, values).collect::<Vec<_>>();
        assert_eq!(of([1, 2, 3], &[0.0, 2.0, 2.0, 1.0, 0.0, 0.5]), [1, 0]);
        assert_eq!(of([2, 2, 1], &[0.0, 1.0, 5.0, 2.0]), [2]);
    }
}
