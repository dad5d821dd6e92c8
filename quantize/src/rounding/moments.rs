//! First and second moments of what a layer's kernels meet.

use super::dot;
use crate::lower::{RowNode, RowOperator, RowValue};
use residua_models::graph::Window;

/// Windows that all inputs together are sampled at, as far as they have as many.
const SAMPLES: usize = 2048;
/// Places of samples are multiples of the golden ratio, so that they spread over rows and columns alike.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Moments over samples of a layer's windows; a window is a vector of the weights' order.
#[derive(Clone, Debug)]
pub struct Moments {
    window: Window,
    /// Rows, columns, channels of the input.
    shape: [usize; 3],
    /// Rows and columns of the output.
    places: [usize; 2],
    groups: usize,
    fan_in: usize,
    /// What padding holds, for each input channel.
    padding: Vec<f32>,
    /// Windows sampled of each input.
    samples: usize,
    inputs: usize,
    /// For each group, the mean of each element.
    means: Vec<f64>,
    /// For each group, sums over inputs of the mean product of each two elements about their means: the lower half, row by row.
    products: Vec<f64>,
    /// For each group, the sum over inputs of the squared mean products of different elements.
    squares: Vec<f64>,
}

impl Moments {
    /// No input seen yet, of so many; `means` are those of the input's channels. `None` for a node without weights.
    pub fn new(node: &RowNode, [input, output]: [&RowValue; 2], means: &[f32], inputs: usize) -> Option<Self> {
        let (weights, bias) = node.operator.weights()?;
        let channels = input.shape[2];
        let (groups, pad_value) = match &node.operator {
            RowOperator::Convolution { groups, pad_value, .. } => (*groups, pad_value.as_ref()),
            _ => (1, None),
        };
        let padding = pad_value.cloned().unwrap_or(vec![0.0; channels]);
        let shares = node.tap_shares([input.shape, output.shape]);
        let fan_in = weights.len() / bias.len().max(1);
        let fits = shares.len() * channels == fan_in * groups && means.len() == channels && fan_in > 0;
        let mean = |share: f64, channel: usize| {
            f64::from(means[channel]) * share + f64::from(padding[channel]) * (1.0 - share)
        };
        if !fits {
            return None;
        }
        let element_means = (0..groups * fan_in)
            .map(|i| {
                let (channel, tap) = element(i / fan_in, i % fan_in, channels / groups);
                mean(shares[tap], channel)
            })
            .collect();
        Some(Self {
            window: node.window,
            shape: input.shape,
            places: [output.shape[0], output.shape[1]],
            groups,
            fan_in,
            samples: SAMPLES.div_ceil(inputs.max(1)).min(output.shape[0] * output.shape[1]),
            inputs: 0,
            means: element_means,
            padding,
            products: vec![0.0; groups * fan_in * fan_in],
            squares: vec![0.0; groups],
        })
    }

    /// Adds an input, in row order.
    pub fn add(&mut self, elements: &[f32]) {
        let total = self.places[0] * self.places[1];
        let at = |sample: usize| match self.samples == total {
            true => sample,
            false => ((sample as f64 * GOLDEN).fract() * total as f64) as usize,
        };
        let places: Vec<[usize; 2]> =
            (0..self.samples).map(at).map(|at| [at / self.places[1], at % self.places[1]]).collect();
        let n = self.fan_in;
        let share = 1.0 / places.len() as f64;
        let mut windows = vec![0.0; n * places.len()];
        for group in 0..self.groups {
            self.gather(elements, group, &places, &mut windows);
            let deviations = |i: usize| &windows[i * places.len()..][..places.len()];
            for i in 0..n {
                for j in 0..=i {
                    let product = f64::from(dot(deviations(i), deviations(j))) * share;
                    self.products[(group * n + i) * n + j] += product;
                    if i != j {
                        self.squares[group] += product * product;
                    }
                }
            }
        }
        self.inputs += 1;
    }

    /// What the elements of the windows at some places differ from their means by, element by element.
    fn gather(&self, elements: &[f32], group: usize, places: &[[usize; 2]], windows: &mut [f32]) {
        let [rows, columns, channels] = self.shape;
        for (i, row) in windows.chunks_mut(places.len()).enumerate() {
            let (channel, tap) = element(group, i, channels / self.groups);
            let (y, x) = (tap / self.window.kernel[1], tap % self.window.kernel[1]);
            let mean = self.means[group * self.fan_in + i];
            for (deviation, place) in row.iter_mut().zip(places) {
                let inside = self.window.place(0, place[0], y, rows).zip(self.window.place(1, place[1], x, columns));
                let element =
                    inside.and_then(|(row, column)| elements.get((row * columns + column) * channels + channel));
                let element = element.copied().filter(|e| e.is_finite()).unwrap_or(self.padding[channel]);
                *deviation = (f64::from(element) - mean) as f32;
            }
        }
    }

    /// Mean of each element of a group.
    pub fn means(&self, group: usize) -> &[f64] {
        &self.means[group * self.fan_in..][..self.fan_in]
    }

    /// The covariance matrix of a group's elements, row by row, with `noise` added to each variance.
    ///
    /// Few inputs say little of how elements go together: covariances shrink by the share of them that is chance, as inputs
    /// differ (Schäfer and Strimmer, "A Shrinkage Approach to Large-Scale Covariance Matrix Estimation", 2005).
    pub fn covariance(&self, group: usize, noise: f64) -> Vec<f64> {
        let n = self.fan_in;
        let inputs = self.inputs.max(1) as f64;
        let product = |i: usize, j: usize| self.products[(group * n + i) * n + j] / inputs;
        let pairs = || (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        let energy: f64 = pairs().map(|(i, j)| product(i, j).powi(2)).sum();
        let chance = (self.squares[group] / inputs - energy) / (inputs - 1.0);
        // Fewer windows than elements leave directions of which they say nothing.
        let known = self.inputs * self.samples >= n;
        let kept = if known && inputs > 1.0 && energy > 0.0 { (1.0 - chance / energy).clamp(0.0, 1.0) } else { 0.0 };
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let shrunk = product(i, j) * kept;
                (matrix[i * n + j], matrix[j * n + i]) = (shrunk, shrunk);
            }
            matrix[i * n + i] = product(i, i) + noise;
        }
        matrix
    }
}

/// Input channel and tap of element `i` of a group's window.
fn element(group: usize, i: usize, channels_of_group: usize) -> (usize, usize) {
    (group * channels_of_group + i % channels_of_group, i / channels_of_group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use residua_models::evaluate::evaluate;
    use residua_models::graph::{Graph, Node, Operator, Tensor, ValueId};

    fn reals(seed: u64, len: usize) -> Vec<f32> {
        let at = |i: u64| (seed + 1).wrapping_mul(i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) >> 40;
        (0..len as u64).map(|i| at(i) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn value(source: usize, shape: [usize; 3]) -> RowValue {
        RowValue { name: String::new(), shape, source: ValueId(source), strides: [0; 3], quantization: None }
    }

    proptest! {
        /// A kernel's output about what the means say is `wᵀ C w` on average, as the float definition computes it.
        #[test]
        fn covariance_is_that_of_outputs(
            seed in 0u64..1000, size in [3usize..7, 3..7], kernel in [1usize..4, 1..4], strides in [1usize..3, 1..3],
            pads in [0usize..2, 0..2], groups in 1usize..4, of_group in 1usize..3, padded in any::<bool>(),
        ) {
            let window = Window { kernel, strides, dilations: [1, 1], pads: [pads[0], pads[1], pads[0], pads[1]] };
            let channels = groups * of_group;
            let places = window.output_size(size).unwrap();
            let fan_in = kernel[0] * kernel[1] * of_group;
            prop_assume!(2 * places[0] * places[1] >= fan_in);
            let weights = reals(seed, groups * fan_in);
            let pad_value = padded.then(|| reals(seed + 1, channels));
            let elements = reals(seed + 2, size[0] * size[1] * channels);
            let means: Vec<f32> = reals(seed + 3, channels);
            let node = RowNode {
                name: String::new(),
                operator: RowOperator::Convolution {
                    weights: weights.clone(), bias: vec![0.0; groups], groups, pad_value: pad_value.clone(),
                },
                inputs: vec![0],
                output: 1,
                window,
                clamp: [f32::NEG_INFINITY, f32::INFINITY],
                macs: 0,
            };
            let (input, output) = (value(0, [size[0], size[1], channels]), value(1, [places[0], places[1], groups]));
            let mut moments = Moments::new(&node, [&input, &output], &means, 2).unwrap();
            // Twice the same: nothing of it is chance.
            moments.add(&elements);
            moments.add(&elements);

            let mut graph = Graph::default();
            let x = graph.add_value("x", vec![1, channels, size[0], size[1]]);
            let y = graph.add_value("y", vec![1, groups, places[0], places[1]]);
            let (pixels, taps) = (size[0] * size[1], kernel[0] * kernel[1]);
            let planes = |i: usize| elements[i % pixels * channels + i / pixels];
            let outermost = |i: usize| weights[i / fan_in * fan_in + i % taps * of_group + i / taps % of_group];
            let weight = Tensor {
                shape: vec![groups, of_group, kernel[0], kernel[1]],
                data: (0..weights.len()).map(outermost).collect(),
            };
            let operator = Operator::Convolution { weight, bias: vec![0.0; groups], window, groups, pad_value };
            graph.nodes.push(Node { name: "n".into(), operator, inputs: vec![x], output: y });
            (graph.inputs, graph.outputs) = (vec![x], vec![y]);
            let found = evaluate(&graph, &[&(0..elements.len()).map(planes).collect::<Vec<_>>()]);

            for (group, outputs) in found[y.0].chunks(places[0] * places[1]).enumerate() {
                let kernel = &weights[group * fan_in..][..fan_in];
                let mean: f64 = kernel.iter().zip(moments.means(group)).map(|(&w, m)| f64::from(w) * m).sum();
                let squares = outputs.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / outputs.len() as f64;
                let matrix = moments.covariance(group, 0.0);
                let form: f64 = (0..fan_in * fan_in)
                    .map(|i| f64::from(kernel[i / fan_in]) * f64::from(kernel[i % fan_in]) * matrix[i])
                    .sum();
                prop_assert!((form - squares).abs() < 1e-4 * (1.0 + squares), "{} {}", form, squares);
            }
        }
    }

    #[test]
    fn what_differs_from_input_to_input_is_chance() {
        let weights = vec![1.0; 6];
        let operator = RowOperator::Convolution { weights, bias: vec![0.0], groups: 1, pad_value: None };
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let node =
            RowNode { name: String::new(), operator, inputs: vec![0], output: 1, window, clamp: [-1.0, 1.0], macs: 0 };
        let (input, output) = (value(0, [1, 1, 6]), value(1, [1, 1, 1]));
        let mut moments = Moments::new(&node, [&input, &output], &[0.0; 6], 8).unwrap();
        let below = |moments: &Moments| -> f64 {
            let covariance = moments.covariance(0, 0.0);
            (0..36).filter(|i| i / 6 > i % 6).map(|i| covariance[i].abs()).sum()
        };
        (0..4).for_each(|seed| moments.add(&reals(seed * 31, 6)));
        assert_eq!(below(&moments), 0.0, "there are more elements than windows");
        (4..8).for_each(|seed| moments.add(&reals(seed * 31, 6)));
        let plain: f64 =
            moments.products.iter().enumerate().filter(|(i, _)| i % 7 != 0).map(|(_, p)| p.abs() / 8.0).sum();
        let kept = below(&moments);
        assert!(kept > 0.0 && kept < 0.8 * plain, "{kept} {plain}");
    }
}
