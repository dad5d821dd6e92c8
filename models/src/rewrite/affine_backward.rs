//! An affine function behind a convolution or dense layer joins its weights and bias.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Affine { scale, offset } = graph.nodes[index].operator.clone() else { return false };
    let Some(before) = only_producer(graph, index) else { return false };
    // The affine's channels are on axis 1, a dense layer's outputs on the last.
    let is_last_axis = graph.value(graph.nodes[index].output).shape.len() == 2;
    let (weight, bias) = match &mut graph.nodes[before].operator {
        Operator::Convolution { weight, bias, .. } => (weight, bias),
        Operator::Dense { weight, bias } if is_last_axis => (weight, bias),
        _ => return false,
    };
    let fan_in = weight.data.len() / bias.len().max(1);
    for (kernel, s) in weight.data.chunks_exact_mut(fan_in.max(1)).zip(&scale) {
        kernel.iter_mut().for_each(|w| *w *= s);
    }
    for ((b, s), o) in bias.iter_mut().zip(&scale).zip(&offset) {
        *b = *b * s + o;
    }
    graph.nodes[before].output = graph.nodes[index].output;
    graph.nodes.remove(index);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn behind_padded_and_grouped_convolutions() {
        for groups in [1, 2] {
            let mut sketch = Sketch::new([1, 4, 5, 5]);
            sketch.convolution(6, [3, 3], [1, 1, 0, 1], groups);
            sketch.then(Operator::Affine { scale: (0..6).map(|c| c as f32 - 2.5).collect(), offset: vec![0.5; 6] });
            sketch.then(Operator::Clamp { min: 0.0, max: f32::INFINITY });
            assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 2);
        }
    }

    #[test]
    fn not_where_the_raw_value_is_read_too() {
        let mut sketch = Sketch::new([1, 4, 5, 5]);
        let raw = sketch.convolution(4, [1, 1], [0; 4], 1);
        sketch.then(Operator::Affine { scale: vec![2.0; 4], offset: vec![0.5; 4] });
        sketch.add(raw);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 3);
    }
}
