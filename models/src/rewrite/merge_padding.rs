//! Padding that has a node of its own becomes padding of the convolution behind it.

use super::{bypass, only_consumer};
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Convolution { weight, bias, window, groups, pad_value: None } = &graph.nodes[index].operator else {
        return false;
    };
    let hands_on = window.kernel == [1, 1]
        && window.strides == [1, 1]
        && *groups == bias.len()
        && weight.shape[1] == 1
        && weight.data.iter().all(|&w| w == 1.0)
        && bias.iter().all(|&b| b == 0.0);
    if !hands_on || !window.is_padded() {
        return false;
    }
    let pads = window.pads;
    let Some(behind) = only_consumer(graph, index) else { return false };
    let Operator::Convolution { window, pad_value: None, .. } = &mut graph.nodes[behind].operator else { return false };
    window.pads.iter_mut().zip(pads).for_each(|(own, more)| *own += more);
    bypass(graph, index)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;
    use crate::graph::{Tensor, Window};

    #[test]
    fn the_convolution_pads() {
        let mut sketch = Sketch::new([1, 2, 5, 4]);
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [1, 0, 2, 3] };
        let weight = Tensor { shape: vec![2, 1, 1, 1], data: vec![1.0; 2] };
        sketch.then(Operator::Convolution { weight, bias: vec![0.0; 2], window, groups: 2, pad_value: None });
        sketch.convolution(3, [3, 3], [1, 1, 0, 0], 1);
        assert_eq!(unchanged(sketch.finish(), super::super::to_fixed_point).nodes.len(), 1);
    }
}
