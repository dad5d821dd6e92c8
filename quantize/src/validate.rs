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

#[cfg(test)]
mod tests {
    use super::*;
    use residua_models::evaluate::evaluate;
    use residua_models::graph::{Graph, Node, Operator, Tensor, Window};
    use residua_models::onnx::export;

    /// The choice for a convolution that keeps an image of 5×5 pixels, over images from 0 to these peaks.
    fn choice(peaks: &[f32]) -> Method {
        let pixels = |&peak: &f32| (0..25).map(|i| peak * (i * 7 % 25) as f32 / 24.0).collect();
        let inputs: Vec<Vec<f32>> = peaks.iter().map(pixels).collect();
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let weight = Tensor { shape: vec![1, 1, 1, 1], data: vec![1.0] };
        let operator = Operator::Convolution { weight, bias: vec![0.0], window, groups: 1, pad_value: None };
        let mut graph = Graph::default();
        let [x, y] = ["x", "y"].map(|name| graph.add_value(name, vec![1, 1, 5, 5]));
        graph.nodes.push(Node { name: "n".into(), operator, inputs: vec![x], output: y });
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        let model = Model::import(&export(&graph)).unwrap();
        let observe = |inputs: &[Vec<f32>]| {
            let mut observed: Vec<Observed> = model.rows.values.iter().map(|v| Observed::new(v.shape[2])).collect();
            for input in inputs {
                let values = evaluate(&model.graph, &[input]);
                let rows = observed.iter_mut().zip(&model.rows.values);
                rows.for_each(|(observed, value)| observed.add(&value.to_rows(&values[value.source.0])));
            }
            observed
        };
        let (first, second) = inputs.split_at(inputs.len() / 2);
        method(&model, [(first, &observe(first)), (second, &observe(second))]).unwrap()
    }

    #[test]
    fn extremes_serve_where_no_input_goes_beyond_them() {
        let peaks: Vec<f32> = (0..16).map(|i| if i % 2 == 0 { 1.0 } else { 0.6 }).collect();
        assert_eq!(choice(&peaks), Method::MinMax);
    }

    #[test]
    fn room_serves_where_inputs_go_beyond_the_extremes_of_others() {
        let peaks: Vec<f32> = (0..16).map(|i| 1.0 - ((i * 7 % 16) as f32 + 0.5).ln() + 16f32.ln()).collect();
        assert_eq!(choice(&peaks), Method::Mse);
    }

    #[test]
    fn few_inputs_judge_nothing() {
        assert_eq!(choice(&[1.0, 0.6, 1.0, 0.6, 1.0, 0.6]), Method::Mse);
    }
}
