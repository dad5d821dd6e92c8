//! Changes of layout that only move sizes of 1 are reshapes, so that they merge with others: a transpose behind a reshape that
//! takes an axis apart, which no layout can express, and a concatenation of vectors, or of sequences of vectors, along an axis of their own.

use super::only_producer;
use crate::graph::{Graph, Node, Operator, ValueId};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    match graph.nodes[index].operator.clone() {
        Operator::Transpose { permutation } => transpose(graph, index, &permutation),
        Operator::Concat { axis } => concat(graph, index, axis),
        _ => false,
    }
}

fn transpose(graph: &mut Graph, index: usize, permutation: &[usize]) -> bool {
    let shape = &graph.value(graph.nodes[index].inputs[0]).shape;
    let moved = permutation.iter().filter(|&&axis| shape[axis] > 1);
    let Some(before) = only_producer(graph, index).map(|n| &graph.nodes[n]) else { return false };
    let axes = |value: ValueId| graph.value(value).shape.iter().filter(|&&size| size > 1);
    let apart = before.operator == Operator::Reshape && axes(before.inputs[0]).count() < axes(before.output).count();
    if !apart || !moved.is_sorted() {
        return false;
    }
    graph.nodes[index].operator = Operator::Reshape;
    true
}

/// Vectors one after another along an axis of their own are side by side along the last. Where there is a batch, other axes may
/// be those of images, unless it is known that they are not.
fn concat(graph: &mut Graph, index: usize, axis: usize) -> bool {
    let node = &graph.nodes[index];
    let are_vectors = node.inputs.iter().all(|&i| {
        let shape = &graph.value(i).shape;
        let last = shape.len() - 1;
        let steps = axis == 0 && !becomes_a_vector(graph, node.output);
        let no_image = (axis == 0 && !steps) || shape[0] > 1 || is_state(graph, i);
        axis < last && no_image && shape[axis..last].iter().all(|&size| size == 1)
    });
    if !are_vectors {
        return false;
    }
    let (name, output) = (node.name.clone(), node.output);
    let mut shape = graph.value(output).shape.clone();
    let last = shape.len() - 1;
    (shape[axis], shape[last]) = (1, shape[axis] * shape[last]);
    let joined = graph.add_value(format!("{}/joined", graph.value(output).name), shape);
    graph.nodes[index].operator = Operator::Concat { axis: last };
    graph.nodes[index].output = joined;
    graph.nodes.insert(index + 1, Node { name, operator: Operator::Reshape, inputs: vec![joined], output });
    true
}

/// Whether all that reads a value makes one vector of it.
fn becomes_a_vector(graph: &Graph, value: ValueId) -> bool {
    let is_vector = |value: ValueId| graph.value(value).shape.iter().filter(|&&size| size > 1).count() < 2;
    graph.consumers(value).into_iter().map(|n| &graph.nodes[n]).all(|node| match node.operator {
        Operator::Reshape => is_vector(node.output),
        Operator::Transpose { .. } => becomes_a_vector(graph, node.output),
        _ => false,
    })
}

/// Whether a value is the state of a recurrence.
fn is_state(graph: &Graph, value: ValueId) -> bool {
    let Some(node) = graph.producer(value).map(|n| &graph.nodes[n]) else { return false };
    match node.operator {
        Operator::Reshape => is_state(graph, node.inputs[0]),
        Operator::Recurrence(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::*;

    #[test]
    fn vectors_one_after_another_become_one() {
        let mut sketch = Sketch::of(&[1, 1, 6]);
        let first = sketch.then(Operator::Clamp { min: -0.5, max: 0.5 });
        let second = sketch.then(Operator::Clamp { min: -0.3, max: 0.2 });
        sketch.concat(vec![first, second], 0);
        sketch.then(Operator::Transpose { permutation: vec![1, 0, 2] });
        sketch.reshape(vec![1, 12]);
        let rewritten = unchanged(sketch.finish(), to_fixed_point);
        let names: Vec<_> = rewritten.nodes.iter().map(|n| n.operator.name()).collect();
        assert_eq!(names, ["Clip", "Clip", "Concat", "Reshape"]);
    }

    #[test]
    fn a_transpose_of_more_stays() {
        let mut sketch = Sketch::of(&[1, 4, 6]);
        sketch.then(Operator::Transpose { permutation: vec![0, 2, 1] });
        sketch.reshape(vec![1, 24]);
        assert_eq!(unchanged(sketch.finish(), to_fixed_point).nodes.len(), 2);
    }
}
