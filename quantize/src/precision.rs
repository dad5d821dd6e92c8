//! Which values are int16.

use crate::compile::{CompileError, Model};
use crate::lower::RowOperator;
use crate::norms;
use crate::quantize::Statistics;
use crate::trial::Trial;
use residua::plan::Element;
use std::str::FromStr;

/// Within so many decibels of what int16 everywhere gives, there is nothing left to gain.
const CLOSE: f64 = 0.5;

/// Bits of activations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activations {
    /// int8, all of them but the pre-activations of recurrent layers and the statistics of norms.
    #[default]
    Int8,
    /// int16, all of them; features of an audio front end stay int8.
    Int16,
    /// int16 where it counts most for the output, as few values as reach a bound.
    Auto {
        /// Signal to error ratio of the output to reach on calibration inputs, in dB.
        snr_db: f64,
    },
}

/// Sets the type of each value; `inputs` are calibration inputs.
///
/// # Errors
/// The model cannot be run on an input, or a layer has no integer form.
pub fn choose(
    model: &Model,
    statistics: &mut [Statistics],
    inputs: &[Vec<f32>],
    activations: Activations,
) -> Result<(), CompileError> {
    // Errors of pre-activations add up from step to step.
    let recurrences = model.rows.nodes.iter().filter(|n| matches!(n.operator, RowOperator::Recurrence { .. }));
    widen(statistics, &recurrences.map(|n| n.inputs[0]).collect::<Vec<_>>());
    widen(statistics, &norms::statistics(&model.rows));
    match activations {
        Activations::Int8 => Ok(()),
        Activations::Int16 => {
            widen(statistics, &groups(model).concat());
            Ok(())
        }
        Activations::Auto { snr_db } => search(model, statistics, inputs, snr_db),
    }
}

fn widen(statistics: &mut [Statistics], values: &[usize]) {
    values.iter().for_each(|&value| statistics[value].element = Element::Int16);
}

/// Values that may be int16, by what their elements come from: those of a group are of one type.
fn groups(model: &Model) -> Vec<Vec<usize>> {
    let rows = &model.rows;
    let mut own: Vec<usize> = (0..rows.values.len()).collect();
    for node in &rows.nodes {
        if node.operator.keeps_elements() || matches!(node.operator, RowOperator::Part { .. }) {
            own[node.output] = own[node.inputs[0]];
        }
    }
    // Parts of one concatenation.
    for node in rows.nodes.iter().rev().filter(|n| n.operator == RowOperator::Concat) {
        let (part, whole) = (node.inputs[0], node.output);
        if rows.values[part].source == rows.values[whole].source {
            own[part] = own[whole];
        }
    }
    let mut groups = vec![vec![]; own.len()];
    for (value, &group) in own.iter().enumerate() {
        groups[group].push(value);
    }
    // A front end gives int8.
    if model.front_end.is_some() {
        groups[rows.input].clear();
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Widens the groups whose rounding errors are largest at the output, one after another until the ratio is reached.
///
/// The error that a group's 8 bits cause is what changes at the output when they alone become 16.
fn search(model: &Model, statistics: &mut [Statistics], inputs: &[Vec<f32>], snr_db: f64) -> Result<(), CompileError> {
    let groups = groups(model);
    let output = model.rows.outputs.first().copied().unwrap_or(model.rows.input);
    let trial = Trial::new(model, output, inputs, groups.len() as u64 + 2)?;
    let outputs_with = |groups: &[Vec<usize>]| {
        let mut statistics = statistics.to_vec();
        widen(&mut statistics, &groups.concat());
        trial.run(model, &statistics)
    };
    let signal = squares(trial.expected.iter().flatten().copied());
    let error = |found: &[Vec<f32>]| differences(&trial.expected, found);
    let narrow = outputs_with(&[])?;
    let allowed = (signal * 10f64.powf(-snr_db / 10.0)).max(error(&outputs_with(&groups)?) * 10f64.powf(CLOSE / 10.0));
    let mut ranked = Vec::new();
    for group in groups {
        let effect = differences(&narrow, &outputs_with(std::slice::from_ref(&group))?);
        ranked.push((effect, group));
    }
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    // What is left is about the sum of the effects of those that stay: where to begin.
    let mut left = error(&narrow);
    let guess = ranked.iter().take_while(|(effect, _)| {
        let goes_on = left > allowed;
        left -= effect;
        goes_on
    });
    let mut count = guess.count();
    let ranked: Vec<Vec<usize>> = ranked.into_iter().map(|(_, group)| group).collect();
    let reaches = |count: usize| Ok::<_, CompileError>(error(&outputs_with(&ranked[..count])?) <= allowed);
    while count < ranked.len() && !reaches(count)? {
        count += 1;
    }
    while count > 0 && reaches(count - 1)? {
        count -= 1;
    }
    widen(statistics, &ranked[..count].concat());
    Ok(())
}

fn squares(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).filter(|square| square.is_finite()).sum()
}

/// Sum of squared differences.
fn differences(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    squares(a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a - b))
}

impl FromStr for Activations {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wrong = || format!("activations have no `{s}` bits: 8, 16, auto, or auto:DB");
        match s.strip_prefix("auto") {
            None if s == "8" => Ok(Self::Int8),
            None if s == "16" => Ok(Self::Int16),
            Some("") => Ok(Self::Auto { snr_db: DEFAULT_SNR }),
            Some(bound) => {
                let snr_db: Option<f64> = bound.strip_prefix(':').and_then(|bound| bound.parse().ok());
                snr_db.filter(|db| db.is_finite()).map(|snr_db| Self::Auto { snr_db }).ok_or_else(wrong)
            }
            None => Err(wrong()),
        }
    }
}

/// Ratio that [`Activations::Auto`] reaches where none is said, in dB.
const DEFAULT_SNR: f64 = 40.0;
