//! Padding that has a node of its own becomes padding of the convolution behind it.

use super::{bypass, only_consumer};
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Resample { rows, columns } = &graph.nodes[index].operator else { return false };
    let shape = &graph.value(graph.nodes[index].inputs[0]).shape;
    let Some(([top, bottom], [left, right])) = zeros_around(rows, shape[2]).zip(zeros_around(columns, shape[3])) else {
        return false;
    };
    let Some(behind) = only_consumer(graph, index) else { return false };
    let Operator::Convolution { window, pad_value: None, .. } = &mut graph.nodes[behind].operator else { return false };
    let pads: Vec<usize> = window.pads.iter().zip([top, left, bottom, right]).map(|(own, more)| own + more).collect();
    // A window that lies in the padding alone has no form in a plan.
    let reaches = |axis: usize| (window.kernel[axis] - 1) * window.dilations[axis];
    if (0..2).any(|axis| pads[axis] > reaches(axis) || pads[axis + 2] > reaches(axis)) {
        return false;
    }
    window.pads.copy_from_slice(&pads);
    bypass(graph, index)
}

/// How many zeros lie before and behind `size` pixels, where the places are nothing else.
fn zeros_around(places: &[f32], size: usize) -> Option<[usize; 2]> {
    let before = places.iter().take_while(|&&place| place < 0.0).count();
    let after = places.len().checked_sub(before)?.checked_sub(size)?;
    let (inner, behind) = places[before..].split_at(size);
    let alone =
        inner.iter().enumerate().all(|(i, &place)| place == i as f32) && behind.iter().all(|&place| place < 0.0);
    alone.then_some([before, after])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    fn padded(top: usize) -> Sketch {
        let mut sketch = Sketch::new([1, 2, 5, 4]);
        let rows = std::iter::repeat_n(-1.0, top).chain((0..5).map(|y| y as f32)).chain([-1.0]).collect();
        sketch.then(Operator::Resample { rows, columns: vec![0.0, 1.0, 2.0, 3.0, -1.0] });
        sketch
    }

    #[test]
    fn the_convolution_pads() {
        let mut sketch = padded(1);
        sketch.convolution(3, [3, 3], [1, 1, 0, 0], 1);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }

    #[test]
    fn padding_larger_than_the_kernel_stays() {
        let mut sketch = padded(3);
        sketch.convolution(3, [3, 3], [0, 0, 0, 0], 1);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 2);
    }
}
