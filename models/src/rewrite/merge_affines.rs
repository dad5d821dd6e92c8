//! An affine function of an affine function is one.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Some(before) = only_producer(graph, index) else { return false };
    let (Operator::Affine { scale: s1, offset: o1 }, Operator::Affine { scale: s2, offset: o2 }) =
        (&graph.nodes[before].operator, &graph.nodes[index].operator)
    else {
        return false;
    };
    let scale = s1.iter().zip(s2).map(|(a, b)| a * b).collect();
    let offset = o1.iter().zip(s2).zip(o2).map(|((o1, s2), o2)| o1 * s2 + o2).collect();
    graph.nodes[index].operator = Operator::Affine { scale, offset };
    graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
    graph.nodes.remove(before);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    #[test]
    fn two_become_one() {
        let mut sketch = Sketch::new([1, 2, 3, 4]);
        sketch.then(Operator::Affine { scale: vec![2.0, -0.5], offset: vec![0.25, 1.0] });
        sketch.then(Operator::Affine { scale: vec![0.5, 3.0], offset: vec![-1.0, 0.0] });
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }
}
