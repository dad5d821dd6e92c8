//! Bounds move ahead of what only moves elements, and of maxima, to the operator that computes them: in integers that operator
//! has bounds of its own, and its output needs no room for what would be cut off.

use super::{only_producer, only_producer_of};
use crate::graph::{Graph, Operator, PixelSource, ValueId};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if !matches!(graph.nodes[index].operator, Operator::Clamp { .. }) {
        return false;
    }
    let Some(before) = only_producer(graph, index).filter(|&n| moves(&graph.nodes[n].operator)) else { return false };
    let source = graph.nodes[before].inputs[0];
    if !is_bounded(graph, source) {
        return false;
    }
    // The value between the two becomes what the clamp writes, with the shape of what it now reads.
    let (middle, after) = (graph.nodes[before].output, graph.nodes[index].output);
    graph.values[middle.0].shape = graph.value(source).shape.clone();
    graph.nodes.swap(before, index);
    (graph.nodes[before].inputs, graph.nodes[before].output) = (vec![source], middle);
    (graph.nodes[index].inputs, graph.nodes[index].output) = (vec![middle], after);
    true
}

/// Whether an operator with bounds computes a value, directly or before moves, that nothing else reads.
fn is_bounded(graph: &Graph, mut value: ValueId) -> bool {
    while let Some(node) = only_producer_of(graph, value).map(|n| &graph.nodes[n]) {
        match &node.operator {
            operator if moves(operator) => value = node.inputs[0],
            Operator::Convolution { .. }
            | Operator::Dense { .. }
            | Operator::Affine { .. }
            | Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::AveragePool { .. } => return true,
            _ => return false,
        }
    }
    false
}

/// Whether each output element is an input element, or the largest of some.
fn moves(operator: &Operator) -> bool {
    match operator {
        Operator::Reshape | Operator::Transpose { .. } | Operator::MaxPool { .. } => true,
        Operator::Upsample { source, .. } => *source != PixelSource::Bilinear,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::*;
    use crate::graph::Window;

    const RELU: Operator = Operator::Clamp { min: 0.0, max: f32::INFINITY };

    fn names(graph: &Graph) -> Vec<&'static str> {
        graph.nodes.iter().map(|n| n.operator.name()).collect()
    }

    #[test]
    fn reaches_the_layer_through_all_that_moves() {
        let mut sketch = Sketch::new([1, 3, 4, 6]);
        sketch.convolution(8, [3, 3], [1; 4], 1);
        sketch.then(Operator::Upsample { factor: 2, source: PixelSource::ColumnFirst });
        let window = Window { kernel: [2, 2], strides: [2, 1], dilations: [1, 1], pads: [0, 1, 1, 0] };
        sketch.then(Operator::MaxPool { window });
        sketch.then(Operator::Transpose { permutation: vec![0, 2, 3, 1] });
        sketch.then(RELU);
        let graph = unchanged(sketch.finish(), to_fixed_point);
        assert_eq!(names(&graph)[1], "Clip", "{:?}", names(&graph));
    }

    #[test]
    fn stays_where_others_read_the_value_before_it() {
        let mut sketch = Sketch::new([1, 4, 4, 6]);
        let computed = sketch.convolution(4, [1, 1], [0; 4], 1);
        let moved = sketch.then(Operator::Upsample { factor: 2, source: PixelSource::Nearest });
        sketch.then(RELU);
        sketch.add(moved);
        let mut graph = sketch.finish();
        graph.outputs.push(computed);
        let graph = unchanged(graph, to_fixed_point);
        assert_eq!(names(&graph)[2], "Clip", "{:?}", names(&graph));
    }
}
