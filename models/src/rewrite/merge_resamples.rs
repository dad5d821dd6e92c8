//! Rows and columns taken from places of rows and columns taken from places.

use super::only_producer;
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Resample { rows, columns } = &graph.nodes[index].operator else { return false };
    let Some(before) = only_producer(graph, index) else { return false };
    let Operator::Resample { rows: first_rows, columns: first_columns } = &graph.nodes[before].operator else {
        return false;
    };
    let Some((rows, columns)) = composed(rows, first_rows).zip(composed(columns, first_columns)) else { return false };
    graph.nodes[index].operator = Operator::Resample { rows, columns };
    graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
    graph.nodes.remove(before);
    true
}

/// Places in the first input; `None` where one lies between two that were taken.
fn composed(places: &[f32], first: &[f32]) -> Option<Vec<f32>> {
    let place = |&place: &f32| match place {
        _ if place < 0.0 => Some(-1.0),
        _ if place.fract() == 0.0 => first.get(place as usize).copied(),
        _ => None,
    };
    places.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    fn after(second: Vec<f32>) -> usize {
        let mut sketch = Sketch::new([1, 2, 5, 4]);
        let columns: Vec<f32> = (0..4).map(|x| x as f32).collect();
        sketch.then(Operator::Resample { rows: vec![-1.0, 0.5, 3.25, 4.0], columns: columns.clone() });
        sketch.then(Operator::Resample { rows: second, columns });
        unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len()
    }

    #[test]
    fn places_of_places() {
        assert_eq!(after(vec![2.0, 2.0, -1.0, 0.0]), 1);
        assert_eq!(after(vec![1.0, 1.5]), 2);
    }
}
