//! Padding that int8 cannot hold is taken apart again.
//!
//! A norm that was folded into a padded convolution leaves a padding value `p` for each channel. Where it lies outside of
//! what the tensor's values reach, it would be clipped, and all borders be wrong. There the convolution gets an affine
//! function in front, and pads with zero again:
//!
//! `Σ w · x` padded with `p`  =  `Σ w·k · (x − p)/k` padded with 0, plus `Σ w · p` over all taps; `k` makes channels alike.

use rayon::prelude::*;
use residua_models::execute::{ExecuteError, GraphExecutor};
use residua_models::graph::{Graph, Node, Operator, ValueId};

/// How far outside of its tensor's range, as a share of it, a padding value may lie.
const TOLERANCE: f32 = 1.0 / 16.0;

/// Smallest and largest element of a channel.
type Range = [f32; 2];

const NOTHING: Range = [f32::INFINITY, f32::NEG_INFINITY];

/// Takes apart all convolutions of a graph whose padding lies outside of what their input reaches over sample inputs (flat,
/// in the declared layout); returns how many there were.
///
/// # Errors
/// The float model cannot be run on an input.
pub fn separate(graph: &mut Graph, inputs: &[Vec<f32>]) -> Result<usize, ExecuteError> {
    let padded = |node: &Node| matches!(&node.operator, Operator::Convolution { pad_value: Some(_), .. });
    let nodes: Vec<usize> = (0..graph.nodes.len()).filter(|&n| padded(&graph.nodes[n])).collect();
    if nodes.is_empty() || inputs.is_empty() {
        return Ok(0);
    }
    let ranges = ranges(graph, &nodes, inputs)?;
    // From the back, so that indices in front stay what they are.
    let outside = nodes.into_iter().zip(ranges).rev().filter(|(node, ranges)| is_outside(&graph.nodes[*node], ranges));
    let outside: Vec<_> = outside.collect();
    outside.iter().for_each(|(node, ranges)| take_apart(graph, *node, ranges));
    Ok(outside.len())
}

/// Ranges of the channels of each node's input.
fn ranges(graph: &Graph, nodes: &[usize], inputs: &[Vec<f32>]) -> Result<Vec<Vec<Range>>, ExecuteError> {
    let executor = GraphExecutor::new(graph)?;
    let value = |node: usize| graph.nodes[node].inputs[0];
    let channels = |id: ValueId| graph.value(id).shape.get(1).copied().unwrap_or(1);
    let none = || nodes.iter().map(|&node| vec![NOTHING; channels(value(node))]).collect::<Vec<_>>();
    let join = |a: &mut Range, [low, high]: Range| *a = [a[0].min(low), a[1].max(high)];
    inputs
        .par_iter()
        .try_fold(none, |mut ranges, input| {
            let values = executor.run(&[input.as_slice()])?;
            for (&node, ranges) in nodes.iter().zip(&mut ranges) {
                let elements = &values[value(node).0];
                let pixels = (elements.len() / ranges.len().max(1)).max(1);
                for (range, channel) in ranges.iter_mut().zip(elements.chunks(pixels)) {
                    channel.iter().filter(|v| v.is_finite()).for_each(|&v| join(range, [v, v]));
                }
            }
            Ok(ranges)
        })
        .try_reduce(none, |mut a, b| {
            a.iter_mut().flatten().zip(b.into_iter().flatten()).for_each(|(a, b)| join(a, b));
            Ok(a)
        })
}

fn is_outside(node: &Node, ranges: &[Range]) -> bool {
    let Operator::Convolution { pad_value: Some(pads), .. } = &node.operator else { return false };
    // int8 ranges always hold zero.
    let low = ranges.iter().map(|r| r[0]).fold(0.0, f32::min);
    let high = ranges.iter().map(|r| r[1]).fold(0.0, f32::max);
    let slack = (high - low) * TOLERANCE;
    pads.iter().any(|&p| p < low - slack || p > high + slack)
}

fn take_apart(graph: &mut Graph, index: usize, ranges: &[Range]) {
    let node = &mut graph.nodes[index];
    let (input, name) = (node.inputs[0], node.name.clone());
    let Operator::Convolution { weight, bias, groups, pad_value, .. } = &mut node.operator else { return };
    let Some(pads) = pad_value.take() else { return };
    let distance = |(&[low, high], p): (&Range, &f32)| (low - p).abs().max((high - p).abs());
    let sizes = ranges.iter().zip(&pads).map(distance).map(|k| if k.is_normal() { k } else { 1.0 });
    let sizes: Vec<f32> = sizes.collect();

    let (inputs, taps) = (weight.shape[1].max(1), (weight.shape[2] * weight.shape[3]).max(1));
    let outputs_of_group = (bias.len() / (*groups).max(1)).max(1);
    for (output, (kernel, bias)) in weight.data.chunks_mut(inputs * taps).zip(bias).enumerate() {
        let mut sum = f64::from(*bias);
        for (i, w) in kernel.iter_mut().enumerate() {
            let channel = output / outputs_of_group * inputs + i / taps;
            sum += f64::from(*w) * f64::from(pads[channel]);
            *w *= sizes[channel];
        }
        *bias = sum as f32;
    }
    let affine = Operator::Affine {
        scale: sizes.iter().map(|k| 1.0 / k).collect(),
        offset: pads.iter().zip(&sizes).map(|(p, k)| -p / k).collect(),
    };
    let shape = graph.value(input).shape.clone();
    let output = graph.add_value(format!("{name}/padded"), shape);
    graph.nodes[index].inputs[0] = output;
    graph.nodes.insert(index, Node { name: format!("{name}/padding"), operator: affine, inputs: vec![input], output });
}

#[cfg(test)]
mod tests {
    use super::*;
    use residua_models::evaluate::evaluate;
    use residua_models::graph::{Tensor, Window};

    /// ReLU, then a padded convolution whose padding is `pads`.
    fn graph(pads: [f32; 4], groups: usize) -> Graph {
        let mut graph = Graph::default();
        let x = graph.add_value("x", vec![1, 4, 5, 3]);
        let positive = graph.add_value("positive", vec![1, 4, 5, 3]);
        let y = graph.add_value("y", vec![1, 6, 5, 3]);
        let weights = (0..6 * 4 / groups * 9).map(|i| (i * 29 % 17) as f32 / 8.0 - 1.0).collect();
        let convolution = Operator::Convolution {
            weight: Tensor { shape: vec![6, 4 / groups, 3, 3], data: weights },
            bias: (0..6).map(|i| i as f32 / 4.0).collect(),
            window: Window { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1; 4] },
            groups,
            pad_value: Some(pads.to_vec()),
        };
        let relu = Operator::Clamp { min: 0.0, max: f32::INFINITY };
        graph.nodes.push(Node { name: "relu".into(), operator: relu, inputs: vec![x], output: positive });
        graph.nodes.push(Node { name: "conv".into(), operator: convolution, inputs: vec![positive], output: y });
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        graph
    }

    #[test]
    fn the_function_stays_and_padding_within_the_range_too() {
        let input: Vec<f32> = (0..60).map(|i| (i * 37 % 41) as f32 / 20.0 - 1.0).collect();
        for groups in [1, 2] {
            for (pads, count) in [([0.5, 0.0, 1.0, 0.25], 0), ([0.5, -3.0, 1.0, 40.0], 1)] {
                let before = graph(pads, groups);
                let mut after = before.clone();
                assert_eq!(separate(&mut after, std::slice::from_ref(&input)).unwrap(), count);
                let [a, b] = [&before, &after].map(|graph| evaluate(graph, &[&input]));
                let (a, b) = (&a[before.outputs[0].0], &b[after.outputs[0].0]);
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + a.abs())), "{a:?} {b:?}");
                assert_eq!(separate(&mut after, std::slice::from_ref(&input)).unwrap(), 0);
            }
        }
    }
}
