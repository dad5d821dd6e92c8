//! Axes that are split, moved together and merged again: a transpose of whole axes.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if graph.nodes[index].operator != Operator::Reshape {
        return false;
    }
    let Some(middle) = only_producer(graph, index) else { return false };
    let Operator::Transpose { permutation } = &graph.nodes[middle].operator else { return false };
    let Some(first) = only_producer(graph, middle).filter(|&n| graph.nodes[n].operator == Operator::Reshape) else {
        return false;
    };
    let input = graph.nodes[first].inputs[0];
    let (whole, parts) = (&graph.value(input).shape, &graph.value(graph.nodes[first].output).shape);
    let Some(permutation) = permutation_of_whole(whole, parts, permutation) else { return false };
    let shape = permutation.iter().map(|&axis| whole[axis]).collect();
    let name = graph.value(graph.nodes[middle].output).name.clone();
    let turned = graph.add_value(name, shape);
    graph.nodes[middle].operator = Operator::Transpose { permutation };
    (graph.nodes[middle].inputs, graph.nodes[middle].output) = (vec![input], turned);
    graph.nodes[index].inputs = vec![turned];
    graph.nodes.remove(first);
    true
}

/// How the axes of a shape move where those of its parts do; `None` where the parts of an axis do not stay together.
fn permutation_of_whole(whole: &[usize], parts: &[usize], permutation: &[usize]) -> Option<Vec<usize>> {
    // The axis that each part of more than one belongs to.
    let mut owners = vec![None; parts.len()];
    let mut at = 0;
    for (axis, &size) in whole.iter().enumerate() {
        let mut product = 1;
        while product < size {
            product *= parts.get(at)?;
            owners[at] = (parts[at] > 1).then_some(axis);
            at += 1;
        }
        if product != size {
            return None;
        }
        while parts.get(at) == Some(&1) {
            at += 1;
        }
    }
    let moved: Vec<usize> = permutation.iter().copied().filter(|&part| owners[part].is_some()).collect();
    let split = moved.iter().any(|&part| owners.iter().filter(|owner| **owner == owners[part]).count() > 1);
    if !split {
        return None;
    }
    // Parts of one axis follow each other in order.
    let mut axes: Vec<usize> = (0..whole.len()).filter(|&axis| whole[axis] == 1).collect();
    for (place, &part) in moved.iter().enumerate() {
        let owner = owners[part]?;
        let before = place.checked_sub(1).map(|p| moved[p]);
        match before.filter(|&b| owners[b] == Some(owner)) {
            Some(before) if before < part => {}
            None if !axes.contains(&owner) => axes.push(owner),
            _ => return None,
        }
    }
    Some(axes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    fn through(parts: &[usize], permutation: &[usize], to: &[usize]) -> Vec<&'static str> {
        let mut sketch = Sketch::new([1, 6, 4, 5]);
        sketch.reshape(parts.to_vec());
        sketch.then(Operator::Transpose { permutation: permutation.to_vec() });
        sketch.reshape(to.to_vec());
        let graph = unchanged(sketch.finish(), super::super::to_fixed_point);
        graph.nodes.iter().map(|n| n.operator.name()).collect()
    }

    #[test]
    fn parts_that_stay_together() {
        assert_eq!(through(&[1, 6, 2, 2, 5], &[0, 2, 3, 4, 1], &[1, 4, 5, 6]), ["Transpose"]);
        assert_eq!(through(&[1, 6, 2, 1, 2, 5], &[0, 2, 4, 3, 5, 1], &[1, 4, 5, 6]), ["Transpose"]);
        // Parts of an axis that come apart, or in another order, are no transpose of whole axes.
        assert_eq!(through(&[1, 6, 2, 2, 5], &[0, 2, 1, 3, 4], &[1, 4, 6, 5]).len(), 3);
        assert_eq!(through(&[1, 6, 2, 2, 5], &[0, 3, 2, 4, 1], &[1, 4, 5, 6]).len(), 3);
    }
}
