//! An affine function joins the weights of the convolutions and dense layers behind it.
//!
//! `Σ w · (s·x + o) = Σ (w·s) · x + Σ w·o`, which holds under padding too where padding holds, in terms of `x`, the value
//! that `s·x + o` maps to what was padded with: `(p − o) / s`, another one for each channel.

use crate::graph::{Graph, Operator, ValueId};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Affine { scale, offset } = graph.nodes[index].operator.clone() else { return false };
    let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
    let consumers = graph.consumers(output);
    if consumers.is_empty() || graph.outputs.contains(&output) {
        return false;
    }
    let folded: Option<Vec<Operator>> = consumers.iter().map(|&c| fold(graph, c, output, &scale, &offset)).collect();
    let Some(folded) = folded else { return false };
    for (consumer, operator) in consumers.into_iter().zip(folded) {
        graph.nodes[consumer].operator = operator;
        graph.nodes[consumer].inputs = vec![input];
    }
    graph.nodes.remove(index);
    true
}

/// The consumer's operator with the affine function inside, where it can take it.
fn fold(graph: &Graph, consumer: usize, value: ValueId, scale: &[f32], offset: &[f32]) -> Option<Operator> {
    let node = &graph.nodes[consumer];
    let mut operator = node.operator.clone();
    match &mut operator {
        Operator::Convolution { weight, bias, window, groups, pad_value } => {
            if window.is_padded() {
                let pads = scale.iter().zip(offset).enumerate().map(|(c, (&s, &o))| {
                    let padded = pad_value.as_ref().map_or(0.0, |p| p[c]);
                    // A channel that is constant can be folded only where its padding is the same constant.
                    if s == 0.0 {
                        (padded == o).then_some(0.0)
                    } else {
                        Some((padded - o) / s).filter(|p| p.is_finite())
                    }
                });
                *pad_value = Some(pads.collect::<Option<Vec<f32>>>()?).filter(|p| p.iter().any(|&v| v != 0.0));
            }
            let (taps, inputs) = (weight.shape[2] * weight.shape[3], weight.shape[1]);
            let outputs_of_group = bias.len() / (*groups).max(1);
            join(&mut weight.data, bias, |out, i| {
                let channel = out / outputs_of_group.max(1) * inputs + i / taps.max(1);
                (scale[channel], offset[channel])
            });
        }
        Operator::Dense { weight, bias } if graph.value(value).shape.len() == 2 => {
            join(&mut weight.data, bias, |_, i| (scale[i], offset[i]));
        }
        _ => return None,
    }
    Some(operator)
}

/// Folds scale and offset of input `i` of output `out` into weights whose outputs are outermost.
fn join(weights: &mut [f32], bias: &mut [f32], numbers: impl Fn(usize, usize) -> (f32, f32)) {
    let fan_in = weights.len() / bias.len().max(1);
    for (out, (kernel, bias)) in weights.chunks_exact_mut(fan_in.max(1)).zip(bias).enumerate() {
        for (i, w) in kernel.iter_mut().enumerate() {
            let (s, o) = numbers(out, i);
            *bias += *w * o;
            *w *= s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn ahead_of_padded_convolutions_each_channel_pads_with_its_own_value() {
        for groups in [1, 2] {
            let mut sketch = Sketch::new([1, 4, 5, 5]);
            sketch.then(Operator::Clamp { min: 0.0, max: 6.0 });
            sketch.then(Operator::Affine { scale: vec![0.5, -2.0, 0.0, 1.0], offset: vec![0.25, 1.0, 0.0, -3.0] });
            sketch.convolution(6, [3, 3], [1, 2, 0, 1], groups);
            let graph = unchanged(sketch.finish(), super::super::to_fixed_point);
            assert_eq!(graph.nodes.len(), 2);
            let Operator::Convolution { pad_value: Some(pads), .. } = &graph.nodes[1].operator else { panic!() };
            assert_eq!(pads, &[-0.5, 0.5, 0.0, 3.0]);
        }
    }

    #[test]
    fn a_constant_channel_that_padding_interrupts_stays() {
        let mut sketch = Sketch::new([1, 2, 5, 5]);
        sketch.then(Operator::Clamp { min: 0.0, max: 6.0 });
        sketch.then(Operator::Affine { scale: vec![1.0, 0.0], offset: vec![0.0, 1.0] });
        sketch.convolution(2, [3, 3], [1; 4], 1);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 3);
    }

    #[test]
    fn weights_that_are_to_be_spared_stay_as_they_are() {
        let mut sketch = Sketch::new([1, 4, 5, 5]);
        sketch.then(Operator::Clamp { min: 0.0, max: 6.0 });
        sketch.then(Operator::Affine { scale: vec![0.5, -2.0, 30.0, 1.0], offset: vec![0.25, 1.0, 0.0, -3.0] });
        sketch.convolution(6, [3, 3], [1; 4], 1);
        let graph = sketch.finish();
        let weight = |graph: &Graph| {
            graph.nodes.iter().find_map(|node| match &node.operator {
                Operator::Convolution { weight, .. } => Some(weight.data.clone()),
                _ => None,
            })
        };
        let before = weight(&graph);
        let after = unchanged(graph, super::super::sparing_weights);
        assert_eq!((weight(&after), after.nodes.len()), (before, 3));
    }
}
