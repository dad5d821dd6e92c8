//! A mean of an affine function is the affine function of the mean: behind pooling there is less to compute, and often a
//! dense layer to join. The same through a reshape that leaves the channels where they are.

use super::only_consumer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if !matches!(graph.nodes[index].operator, Operator::Affine { .. }) {
        return false;
    }
    let Some(next) = only_consumer(graph, index) else { return false };
    let node = &graph.nodes[next];
    let shapes = [graph.value(node.inputs[0]), graph.value(node.output)].map(|value| &value.shape);
    let commutes = match &node.operator {
        Operator::AveragePool { count_include_pad, .. } => !count_include_pad,
        // Both [1, channels, 1, ..]: no element changes its channel.
        Operator::Reshape => {
            shapes.iter().all(|s| s.len() >= 2 && s[1] == shapes[0][1] && s[2..].iter().all(|&d| d == 1))
        }
        _ => false,
    };
    if !commutes {
        return false;
    }
    // The affine takes the place behind: its value becomes what the other node writes, with that node's shape.
    let (before, middle, after) = (graph.nodes[index].inputs[0], graph.nodes[index].output, graph.nodes[next].output);
    graph.values[middle.0].shape = graph.values[after.0].shape.clone();
    graph.nodes[index].inputs = vec![middle];
    graph.nodes[index].output = after;
    graph.nodes[next].inputs = vec![before];
    graph.nodes[next].output = middle;
    graph.nodes.swap(index, next);
    if next != index + 1 {
        // Nodes in between read neither value: only the moved node has to come first.
        let moved = graph.nodes.remove(next);
        graph.nodes.insert(index + 1, moved);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;
    use crate::graph::Window;

    #[test]
    fn joins_the_dense_layer_behind_a_global_mean() {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        sketch.then(Operator::Clamp { min: 0.0, max: f32::INFINITY });
        sketch.then(Operator::Affine { scale: vec![0.5, -2.0, 0.0], offset: vec![0.25, 1.0, 7.0] });
        let window = Window { kernel: [4, 5], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        sketch.then(Operator::AveragePool { window, count_include_pad: false });
        sketch.reshape(vec![1, 3]);
        sketch.dense(4);
        let graph = unchanged(sketch.finish(), super::super::to_fixed_point);
        let names: Vec<_> = graph.nodes.iter().map(|n| n.operator.name()).collect();
        assert_eq!(names, ["Clip", "AveragePool", "Reshape", "Gemm"]);
    }
}
