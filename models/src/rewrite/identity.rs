//! Nodes that change nothing.

use super::bypass;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let node = &graph.nodes[index];
    let nothing = match &node.operator {
        Operator::Clamp { min, max } => *min == f32::NEG_INFINITY && *max == f32::INFINITY,
        Operator::Affine { scale, offset } => scale.iter().all(|&s| s == 1.0) && offset.iter().all(|&o| o == 0.0),
        Operator::Reshape => graph.value(node.inputs[0]).shape == graph.value(node.output).shape,
        Operator::Transpose { permutation } => permutation.iter().copied().eq(0..permutation.len()),
        Operator::Resample { rows, columns } => {
            let shape = &graph.value(node.inputs[0]).shape;
            let all = |places: &[f32], size: usize| places.iter().copied().eq((0..size).map(|i| i as f32));
            all(rows, shape[2]) && all(columns, shape[3])
        }
        Operator::MaxPool { window } | Operator::AveragePool { window, .. } => {
            window.kernel == [1, 1] && window.strides == [1, 1] && !window.is_padded()
        }
        _ => false,
    };
    nothing && bypass(graph, index)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn a_chain_of_nothing_vanishes() {
        let mut sketch = Sketch::new([1, 2, 3, 3]);
        sketch.then(Operator::Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY });
        sketch.then(Operator::Affine { scale: vec![1.0; 2], offset: vec![0.0; 2] });
        sketch.then(Operator::Clamp { min: 0.0, max: f32::INFINITY });
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }

    #[test]
    fn an_output_stays_computed() {
        let mut sketch = Sketch::new([1, 2, 3, 3]);
        sketch.then(Operator::Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY });
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }
}
