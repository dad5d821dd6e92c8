//! A slice that lies in one part of a concatenation is a slice of that part, or the part.

use super::bypass;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Slice { axis, start, end } = graph.nodes[index].operator else { return false };
    let input = graph.nodes[index].inputs[0];
    let Some(before) = graph.producer(input) else { return false };
    if graph.nodes[before].operator != (Operator::Concat { axis }) {
        return false;
    }
    let mut first = 0;
    for part in graph.nodes[before].inputs.clone() {
        let size = graph.value(part).shape[axis];
        if start >= first && end <= first + size {
            graph.nodes[index].inputs = vec![part];
            graph.nodes[index].operator = Operator::Slice { axis, start: start - first, end: end - first };
            // Where it is the whole part, it goes as soon as that is possible.
            return end - start < size || bypass(graph, index);
        }
        first += size;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::remove_dead_nodes;
    use super::super::testing::{Sketch, unchanged};
    use super::*;
    use crate::function::Function;

    #[test]
    fn a_part_comes_without_the_others() {
        let cases: [(usize, usize, &[&str]); 4] = [
            (0, 3, &["Clip", "Abs"]),
            (1, 3, &["Clip", "Slice", "Abs"]),
            (3, 6, &["Clip", "Clip", "Abs"]),
            (2, 4, &["Clip", "Clip", "Concat", "Slice", "Abs"]),
        ];
        for (start, end, expected) in cases {
            let mut sketch = Sketch::new([1, 3, 2, 2]);
            let first = sketch.then(Operator::Clamp { min: -0.5, max: 0.5 });
            let second = sketch.then(Operator::Clamp { min: -0.3, max: 0.2 });
            sketch.concat(vec![first, second], 1);
            sketch.then(Operator::Slice { axis: 1, start, end });
            sketch.then(Operator::Function(Function::Absolute));
            let rewritten = unchanged(sketch.finish(), |graph| {
                while (0..graph.nodes.len()).any(|index| apply(graph, index)) {}
                remove_dead_nodes(graph);
            });
            let names: Vec<_> = rewritten.nodes.iter().map(|n| n.operator.name()).collect();
            assert_eq!(names, expected, "{start}..{end}");
        }
    }
}
