//! Cross-layer equalization: channels of one tensor that differ much in size get one size, and the layer behind takes the
//! difference into its weights (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
//! 2019; here with the activations' ranges).
//!
//! Between two convolutions with nothing but ReLU and pooling between them, channel `c` may be divided by any `s > 0` if the
//! weights behind it are multiplied by `s`: the model computes the same. Activations have one scale a tensor and weights one
//! an output channel, so a channel that is hardly ever active, and whose weights a folded norm made huge, would take the
//! precision of all others. With `a` the channel's largest activation and `b` its largest weight behind, `s = √(a / b)` makes
//! both sides `√(a·b)`. A depthwise convolution behind has its own weight scale for each channel: there `s = a`. Chains
//! that would gain little stay as they are.

use crate::calibrate::in_order;
use residua_models::execute::{ExecuteError, GraphExecutor};
use residua_models::graph::{Graph, Operator, ValueId};

/// Smallest activation that counts, as a share of the tensor's largest: below, a channel is dead.
const FLOOR: f32 = 1e-4;
/// Share of the expected error that must not be left for a chain to be touched. Ordinary chains would keep a tenth to three
/// quarters, and lose as much elsewhere, since ranges are chosen by other means; one with dead channels keeps 10⁻⁵.
const WORTHWHILE: f64 = 0.01;

/// Two convolutions whose channels can be rescaled between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain {
    /// Node before.
    from: usize,
    /// Node behind.
    to: usize,
    /// Its input.
    value: ValueId,
}

/// Equalizes all chains of a graph over sample inputs (flat, in the declared layout); returns how many it changed.
///
/// # Errors
/// The float model cannot be run on an input.
pub fn equalize(graph: &mut Graph, inputs: &[Vec<f32>]) -> Result<usize, ExecuteError> {
    let chains: Vec<Chain> = (0..graph.nodes.len()).filter_map(|node| chain(graph, node)).collect();
    if chains.is_empty() || inputs.is_empty() {
        return Ok(0);
    }
    let mut rescaled = 0;
    for (chain, sizes) in chains.iter().zip(activations(graph, &chains, inputs)?) {
        if let Some(factors) = factors(graph, *chain, sizes) {
            rescale(graph, *chain, &factors);
            rescaled += 1;
        }
    }
    Ok(rescaled)
}

/// The chain that ends in a node.
fn chain(graph: &Graph, to: usize) -> Option<Chain> {
    let Operator::Convolution { .. } = graph.nodes[to].operator else { return None };
    let value = graph.nodes[to].inputs[0];
    let mut at = value;
    loop {
        if graph.consumers(at).len() != 1 || graph.outputs.contains(&at) {
            return None;
        }
        let from = graph.producer(at)?;
        match graph.nodes[from].operator {
            Operator::Convolution { .. } => return Some(Chain { from, to, value }),
            Operator::Clamp { min, max } if (min == 0.0 || min == f32::NEG_INFINITY) && max == f32::INFINITY => {}
            Operator::MaxPool { .. } | Operator::AveragePool { .. } => {}
            _ => return None,
        }
        at = graph.nodes[from].inputs[0];
    }
}

/// Size of a channel's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Size {
    largest: f32,
    squares: f64,
    count: u64,
}

impl Size {
    fn add(&mut self, value: f32) {
        if value.is_finite() {
            self.largest = self.largest.max(value.abs());
            self.squares += f64::from(value).powi(2);
            self.count += 1;
        }
    }

    fn mean_square(&self) -> f64 {
        self.squares / self.count.max(1) as f64
    }
}

/// Sizes of the channels of each chain's value over all inputs.
fn activations(graph: &Graph, chains: &[Chain], inputs: &[Vec<f32>]) -> Result<Vec<Vec<Size>>, ExecuteError> {
    let executor = GraphExecutor::new(graph)?;
    let channels = |chain: &Chain| graph.value(chain.value).shape.get(1).copied().unwrap_or(1);
    let mut sizes: Vec<_> = chains.iter().map(|chain| vec![Size::default(); channels(chain)]).collect();
    in_order(&executor, inputs, |values| {
        for (chain, sizes) in chains.iter().zip(&mut sizes) {
            let elements = &values[chain.value.0];
            let pixels = (elements.len() / sizes.len().max(1)).max(1);
            for (size, channel) in sizes.iter_mut().zip(elements.chunks(pixels)) {
                channel.iter().for_each(|&v| size.add(v));
            }
        }
    })?;
    Ok(sizes)
}

/// The factor of each channel; `None` where nothing is to be gained.
fn factors(graph: &Graph, chain: Chain, mut activations: Vec<Size>) -> Option<Vec<f32>> {
    let Operator::Convolution { weight, pad_value, groups, .. } = &graph.nodes[chain.to].operator else { return None };
    let channels = activations.len();
    if let Some(pads) = pad_value {
        // What padding holds has to be represented too.
        activations.iter_mut().zip(pads).for_each(|(a, p)| a.largest = a.largest.max(p.abs()));
    }
    let input_channel = input_channels(&weight.shape, *groups);
    let mut weights = vec![Size::default(); channels];
    weight.data.iter().enumerate().for_each(|(i, &w)| weights[input_channel(i)].add(w));
    let floor = |sizes: &[Size]| sizes.iter().map(|s| s.largest).fold(0.0, f32::max) * FLOOR;
    let (activation_floor, weight_floor) = (floor(&activations), floor(&weights));
    if activation_floor < f32::MIN_POSITIVE || weight_floor < f32::MIN_POSITIVE {
        return None;
    }
    let depthwise = *groups == channels && weight.shape[0] == channels;
    let whole: Vec<f32> = activations
        .iter()
        .zip(&weights)
        .map(|(a, b)| {
            let (a, b) = (a.largest.max(activation_floor), b.largest.max(weight_floor));
            if depthwise { a } else { (a / b).sqrt() }
        })
        .collect();
    let nothing = vec![1.0; channels];
    let [before, after] = [&nothing, &whole].map(|factors| expected_error(&activations, &weights, factors, depthwise));
    (after < before * WORTHWHILE && whole.iter().all(|s| s.is_normal())).then_some(whole)
}

/// Error energy of the layer behind, up to a factor: steps of the activations times the weights they meet, and steps of the
/// weights times the activations they meet. A step is 1/255 of a ReLU's range, 1/127 of the largest weight.
fn expected_error(activations: &[Size], weights: &[Size], factors: &[f32], depthwise: bool) -> f64 {
    let scaled = |largest: f32, by: f32, levels: f64| (f64::from(largest * by) / levels).powi(2);
    let (mut step_a, mut step_w, mut energy_a, mut energy_w) = (0f64, 0f64, 0.0, 0.0);
    for ((a, w), &s) in activations.iter().zip(weights).zip(factors) {
        step_a = step_a.max(scaled(a.largest, 1.0 / s, 255.0));
        step_w = step_w.max(scaled(w.largest, s, 127.0));
        energy_a += w.count as f64 * a.mean_square() / f64::from(s).powi(2);
        energy_w += w.squares * f64::from(s).powi(2);
    }
    let weights_error = if depthwise { 0.0 } else { step_w * energy_a };
    step_a * energy_w + weights_error
}

/// Divides the channels between two convolutions by their factors, and multiplies the weights behind by them.
fn rescale(graph: &mut Graph, chain: Chain, factors: &[f32]) {
    if let Operator::Convolution { weight, pad_value, groups, .. } = &mut graph.nodes[chain.to].operator {
        let input_channel = input_channels(&weight.shape, *groups);
        weight.data.iter_mut().enumerate().for_each(|(i, w)| *w *= factors[input_channel(i)]);
        pad_value.iter_mut().flatten().zip(factors).for_each(|(p, s)| *p /= s);
    }
    if let Operator::Convolution { weight, bias, .. } = &mut graph.nodes[chain.from].operator {
        let fan_in = (weight.data.len() / bias.len().max(1)).max(1);
        let kernels = weight.data.chunks_mut(fan_in).zip(bias).zip(factors);
        kernels.for_each(|((kernel, bias), s)| {
            kernel.iter_mut().for_each(|w| *w /= s);
            *bias /= s;
        });
    }
}

/// The input channel of each weight of `[outputs, inputs of a group, height, width]`.
fn input_channels(shape: &[usize], groups: usize) -> impl Fn(usize) -> usize + use<> {
    let (outputs, inputs, taps) = (shape[0], shape[1], shape[2] * shape[3]);
    let outputs_of_group = (outputs / groups.max(1)).max(1);
    move |i| {
        let (output, input) = (i / taps / inputs, i / taps % inputs);
        output / outputs_of_group * inputs + input
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residua_models::evaluate::evaluate;
    use residua_models::graph::{Node, Tensor, Window};

    /// Convolution, ReLU, pooling, convolution; a channel of the first is a thousand times larger than the others, and
    /// hardly read by the second.
    fn graph(groups: usize) -> Graph {
        let mut graph = Graph::default();
        let mut state = 7u32;
        let mut reals = |n: usize| -> Vec<f32> {
            (0..n)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 23) as f32 - 1.0
                })
                .collect()
        };
        let mut weights = reals(4 * 2 * 9);
        weights[18..36].iter_mut().for_each(|w| *w *= 1e3);
        let shape = [4, 4 / groups, 3, 3];
        let mut behind = reals(shape.iter().product());
        let input_channel = input_channels(&shape, groups);
        behind.iter_mut().enumerate().filter(|&(i, _)| input_channel(i) == 1).for_each(|(_, w)| *w *= 1e-3);
        let same = Window { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1; 4] };
        let pool = Window { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0; 4] };
        let first = Operator::Convolution {
            weight: Tensor { shape: vec![4, 2, 3, 3], data: weights },
            bias: reals(4),
            window: same,
            groups: 1,
            pad_value: None,
        };
        let second = Operator::Convolution {
            weight: Tensor { shape: shape.to_vec(), data: behind },
            bias: reals(4),
            window: same,
            groups,
            pad_value: Some(vec![0.5, 0.0, 0.25, 1.0]),
        };
        let relu = Operator::Clamp { min: 0.0, max: f32::INFINITY };
        let mut last = graph.add_value("x", vec![1, 2, 6, 6]);
        graph.inputs = vec![last];
        for (operator, shape) in [
            (first, [1, 4, 6, 6]),
            (relu, [1, 4, 6, 6]),
            (Operator::AveragePool { window: pool, count_include_pad: false }, [1, 4, 3, 3]),
            (second, [1, 4, 3, 3]),
        ] {
            let output = graph.add_value(format!("v{}", graph.values.len()), shape.to_vec());
            graph.nodes.push(Node { name: format!("n{}", output.0), operator, inputs: vec![last], output });
            last = output;
        }
        graph.outputs = vec![last];
        graph
    }

    #[test]
    fn the_function_stays_and_channels_become_alike() {
        for groups in [1, 2, 4] {
            let before = graph(groups);
            let mut after = before.clone();
            let input: Vec<f32> = (0..72).map(|i| (i * 37 % 41) as f32 / 20.0 - 1.0).collect();
            assert_eq!(equalize(&mut after, std::slice::from_ref(&input)).unwrap(), 1);
            let [a, b] = [&before, &after].map(|graph| evaluate(graph, &[&input]));
            let (a, b) = (&a[before.outputs[0].0], &b[after.outputs[0].0]);
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + a.abs())), "{a:?} {b:?}");
            let spread = |graph: &Graph| {
                let chain = chain(graph, 3).unwrap();
                let sizes = activations(graph, &[chain], std::slice::from_ref(&input)).unwrap().remove(0);
                let largest = || sizes.iter().map(|s| s.largest);
                largest().fold(0.0, f32::max) / largest().fold(f32::MAX, f32::min).max(1e-9)
            };
            assert!(spread(&after) < spread(&before), "{} {}", spread(&after), spread(&before));
        }
    }

    #[test]
    fn values_that_others_read_are_left_alone() {
        let mut graph = graph(1);
        graph.outputs.push(graph.nodes[1].output);
        let before = graph.clone();
        assert_eq!(equalize(&mut graph, &[vec![1.0; 72]]).unwrap(), 0);
        assert_eq!(graph, before);
    }
}
