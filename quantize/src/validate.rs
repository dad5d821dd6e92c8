//! The method of calibration, judged by inputs that it did not see.

use crate::calibrate::{Method, Observed};
use crate::compile::{CompileError, Model};
use crate::correct::last_value;
use crate::quantize::Statistics;
use crate::trial::Trial;

/// Fewest inputs of each half that a judgement rests on.
const FEWEST: usize = 4;
/// How much less error another method must make to be taken: ranges that hold all that was seen clip inputs to come where few
/// were seen.
const GAIN: f64 = 0.93;

/// Of the mean-square-error ranges and those from extreme to extreme the ones that, taken from either half of the inputs, leave
/// the smaller error of the output on the other half. `halves` are the inputs (flat, in the layout that the ONNX model
/// declares) and what was seen of all row values with them.
///
/// # Errors
/// The float model cannot be run on an input, or a layer has no integer form.
pub fn method(model: &Model, halves: [(&[Vec<f32>], &[Observed]); 2]) -> Result<Method, CompileError> {
    let methods = [Method::Mse, Method::MinMax];
    let mut errors = [0.0f64; 2];
    for ((_, seen), (inputs, _)) in halves.into_iter().zip(halves.into_iter().rev()) {
        let trial = Trial::new(model, last_value(model), inputs, 2 * methods.len() as u64)?;
        if trial.expected.len() < FEWEST {
            return Ok(Method::Mse);
        }
        let energy = trial.expected.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        for (error, method) in errors.iter_mut().zip(methods) {
            let statistics: Vec<Statistics> = seen.iter().map(|o| o.statistics(method)).collect();
            let found = trial.run(model, &statistics)?;
            let pairs = trial.expected.iter().flatten().zip(found.iter().flatten());
            *error += pairs.map(|(&e, &f)| f64::from(e - f).powi(2)).sum::<f64>() / energy.max(f64::MIN_POSITIVE);
        }
    }
    let [least_squares, extremes] = errors;
    Ok(if extremes < GAIN * least_squares { Method::MinMax } else { Method::Mse })
}
