//! A reshape of a reshape is one.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if graph.nodes[index].operator != Operator::Reshape {
        return false;
    }
    match only_producer(graph, index) {
        Some(before) if graph.nodes[before].operator == Operator::Reshape => {
            graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
            graph.nodes.remove(before);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};

    #[test]
    fn two_become_one() {
        let mut sketch = Sketch::new([1, 2, 3, 4]);
        sketch.reshape(vec![1, 6, 4]);
        sketch.reshape(vec![1, 24]);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }
}
