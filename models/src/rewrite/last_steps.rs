//! One step taken out of a recurrence's sequence: where it is the step that was taken last, the recurrence gives its state
//! and no sequence; where it is the first, the recurrence has that step alone.
//!
//! Between the two there may be changes of layout and concatenations of units.

use crate::graph::{Graph, Node, Operator, ValueId};
use crate::recurrence::{Gives, Recurrence};
use crate::shape::infer;

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Slice { axis, start, end } = graph.nodes[index].operator else { return false };
    let input = graph.nodes[index].inputs[0];
    if end - start != 1 || !can_take(graph, input, axis, start) {
        return false;
    }
    let output = graph.nodes[index].output;
    let mut taken = Taken { graph, nodes: vec![], values: vec![] };
    let Some(step) = taken.take(input, axis, start) else { return false };
    let Taken { nodes, values, .. } = taken;
    for shape in values {
        let name = format!("{}/last", graph.value(output).name);
        graph.add_value(name, shape);
    }
    graph.nodes.splice(index..=index, nodes);
    super::replace(graph, output, step);
    true
}

/// Whether a step of a value comes from recurrences alone, each of which has it last or first.
fn can_take(graph: &Graph, value: ValueId, axis: usize, step: usize) -> bool {
    let Some(node) = graph.producer(value).map(|n| &graph.nodes[n]) else { return false };
    let input = node.inputs[0];
    match &node.operator {
        Operator::Recurrence(recurrence) => {
            let steps = graph.value(value).shape[0];
            recurrence.gives == Gives::Steps && axis == 0 && (step == 0 || step + 1 == steps)
        }
        Operator::Transpose { permutation } => can_take(graph, input, permutation[axis], step),
        Operator::Reshape => {
            same_axis(graph, input, value, axis).is_some_and(|axis| can_take(graph, input, axis, step))
        }
        Operator::Concat { axis: joined } => {
            *joined != axis && node.inputs.iter().all(|&input| can_take(graph, input, axis, step))
        }
        _ => false,
    }
}

/// The axis of a reshape's input that is this one of its output, where shapes before it differ in sizes of 1 alone and those
/// behind it have as many elements.
fn same_axis(graph: &Graph, from: ValueId, to: ValueId, axis: usize) -> Option<usize> {
    let (from, to) = (&graph.value(from).shape, &graph.value(to).shape);
    let outer: usize = to[..axis].iter().product();
    let found = (0..from.len()).find(|&a| from[a] == to[axis] && from[..a].iter().product::<usize>() == outer)?;
    (to[axis] > 1).then_some(found)
}

/// Nodes that give one step.
struct Taken<'g> {
    graph: &'g Graph,
    nodes: Vec<Node>,
    /// Shapes of new values.
    values: Vec<Vec<usize>>,
}

impl Taken<'_> {
    fn shape(&self, value: ValueId) -> &[usize] {
        let own = self.graph.values.len();
        if value.0 < own { &self.graph.value(value).shape } else { &self.values[value.0 - own] }
    }

    fn push(
        &mut self,
        name: &str,
        operator: Operator,
        inputs: Vec<ValueId>,
        target: Option<Vec<usize>>,
    ) -> Option<ValueId> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&i| self.shape(i)).collect();
        let shape = infer(&operator, &shapes, target.as_deref()).ok()?;
        let output = ValueId(self.graph.values.len() + self.values.len());
        self.values.push(shape);
        self.nodes.push(Node { name: name.into(), operator, inputs, output });
        Some(output)
    }

    /// A step of a value of which [`can_take`] is true, its axis being of size 1.
    fn take(&mut self, value: ValueId, axis: usize, step: usize) -> Option<ValueId> {
        let graph = self.graph;
        let node = &graph.nodes[graph.producer(value)?];
        let input = node.inputs[0];
        match &node.operator {
            Operator::Recurrence(recurrence) => {
                let steps = graph.value(value).shape[0];
                let is_last = step == if recurrence.reverse { 0 } else { steps - 1 };
                let input = if is_last {
                    input
                } else {
                    self.push(&node.name, Operator::Slice { axis, start: step, end: step + 1 }, vec![input], None)?
                };
                let recurrence = Recurrence { gives: Gives::Hidden, ..recurrence.clone() };
                self.push(&node.name, Operator::Recurrence(recurrence), vec![input], None)
            }
            Operator::Transpose { permutation } => {
                let taken = self.take(input, permutation[axis], step)?;
                self.push(&node.name, node.operator.clone(), vec![taken], None)
            }
            Operator::Reshape => {
                let taken = self.take(input, same_axis(graph, input, value, axis)?, step)?;
                let mut shape = graph.value(value).shape.clone();
                shape[axis] = 1;
                self.push(&node.name, Operator::Reshape, vec![taken], Some(shape))
            }
            Operator::Concat { .. } => {
                let mut parts = Vec::new();
                for &input in &node.inputs {
                    parts.push(self.take(input, axis, step)?);
                }
                self.push(&node.name, node.operator.clone(), parts, None)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::*;
    use crate::graph::Tensor;
    use crate::recurrence::Cell;

    fn recurrence(reverse: bool) -> Operator {
        let weight = Tensor { shape: vec![6, 2], data: (0..12).map(|i| 0.1 * i as f32 - 0.5).collect() };
        let (cell, gives) = (Cell::Gru { reset_product: false }, Gives::Steps);
        Operator::Recurrence(Recurrence {
            cell,
            weight,
            bias: vec![],
            hidden: vec![0.5; 2],
            memory: vec![],
            reverse,
            gives,
        })
    }

    #[test]
    fn a_step_comes_without_the_sequence() {
        for (step, reverse) in [(4, false), (0, true), (0, false), (4, true), (2, false)] {
            let mut sketch = Sketch::of(&[5, 1, 6]);
            sketch.then(recurrence(reverse));
            sketch.reshape(vec![5, 1, 1, 2]);
            sketch.then(Operator::Transpose { permutation: vec![1, 2, 0, 3] });
            sketch.then(Operator::Slice { axis: 2, start: step, end: step + 1 });
            sketch.reshape(vec![1, 2]);
            let rewritten = unchanged(sketch.finish(), to_fixed_point);
            let given = rewritten.nodes.iter().find_map(|n| match &n.operator {
                Operator::Recurrence(recurrence) => Some(recurrence.gives),
                _ => None,
            });
            assert_eq!(given, Some(if step == 2 { Gives::Steps } else { Gives::Hidden }));
        }
    }
}
