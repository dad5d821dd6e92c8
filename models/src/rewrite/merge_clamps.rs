//! A clamp of a clamp is one.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Clamp { min, max } = graph.nodes[index].operator else { return false };
    let Some(before) = only_producer(graph, index) else { return false };
    let Operator::Clamp { min: inner_min, max: inner_max } = graph.nodes[before].operator else { return false };
    let bounds = |x: f32| x.max(inner_min).min(inner_max).max(min).min(max);
    graph.nodes[index].operator = Operator::Clamp { min: bounds(f32::NEG_INFINITY), max: bounds(f32::INFINITY) };
    graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
    graph.nodes.remove(before);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn overlapping_and_separate_ranges() {
        for (a, b) in
            [([-1.0, 0.5], [0.0, 2.0]), ([0.5, 1.0], [-1.0, 0.0]), ([0.0, f32::INFINITY], [f32::NEG_INFINITY, 0.7])]
        {
            let mut sketch = Sketch::new([1, 2, 3, 4]);
            sketch.then(Operator::Clamp { min: a[0], max: a[1] });
            sketch.then(Operator::Clamp { min: b[0], max: b[1] });
            assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
        }
    }
}
