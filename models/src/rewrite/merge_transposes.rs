//! A transpose of a transpose is one.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Transpose { permutation } = &graph.nodes[index].operator else { return false };
    let Some(before) = only_producer(graph, index) else { return false };
    let Operator::Transpose { permutation: inner } = &graph.nodes[before].operator else { return false };
    let permutation = permutation.iter().map(|&axis| inner[axis]).collect();
    graph.nodes[index].operator = Operator::Transpose { permutation };
    graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
    graph.nodes.remove(before);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn two_become_one_or_none() {
        for (second, left) in [(vec![0, 3, 1, 2], 1), (vec![0, 2, 3, 1], 1), (vec![0, 1, 3, 2], 1)] {
            let mut sketch = Sketch::new([1, 2, 3, 4]);
            sketch.then(Operator::Transpose { permutation: vec![0, 3, 1, 2] });
            sketch.then(Operator::Transpose { permutation: second });
            sketch.then(Operator::Clamp { min: -0.5, max: 0.5 });
            let rewritten = unchanged(sketch.finish(), super::super::to_fixed_point);
            assert!(rewritten.nodes.len() <= left + 1, "{:?}", rewritten.nodes);
        }
    }
}
