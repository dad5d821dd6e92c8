//! Convolutions of one input that are added up, affine functions of that input and itself among them, are one convolution
//! (Ding et al., 2021).
//!
//! The kernels are laid over each other with their centres, by the padding of each, on one pixel.

use super::only_producer_of;
use crate::graph::{Graph, Operator, Tensor, ValueId, Window};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if graph.nodes[index].operator != Operator::Add {
        return false;
    }
    let &[a, b] = graph.nodes[index].inputs.as_slice() else { return false };
    let shape = graph.value(graph.nodes[index].output).shape.clone();
    if a == b || graph.value(a).shape != shape || graph.value(b).shape != shape || shape.len() != 4 {
        return false;
    }
    // A convolution, and what is added to it: another, an affine function of its input, or its input.
    let merged = [(a, b), (b, a)].into_iter().find_map(|(main, added)| {
        let main = only_producer_of(graph, main)?;
        let (one, input) = (Branch::of(graph, main)?, graph.nodes[main].inputs[0]);
        if added == input {
            return Some((one.merged(&Branch::identity(graph, input, one.groups))?, vec![main], input));
        }
        let other = only_producer_of(graph, added).filter(|&n| graph.nodes[n].inputs[0] == input)?;
        let two = match &graph.nodes[other].operator {
            Operator::Affine { scale, offset } => Branch::identity(graph, input, one.groups).scaled(scale, offset),
            _ => Branch::of(graph, other)?,
        };
        Some((one.merged(&two)?, vec![main, other], input))
    });
    let Some((merged, mut gone, input)) = merged else { return false };
    graph.nodes[index].operator = merged;
    graph.nodes[index].inputs = vec![input];
    gone.sort_unstable();
    gone.into_iter().rev().for_each(|node| drop(graph.nodes.remove(node)));
    true
}

/// A convolution with its constants.
struct Branch {
    weight: Tensor,
    bias: Vec<f32>,
    window: Window,
    groups: usize,
}

impl Branch {
    fn of(graph: &Graph, index: usize) -> Option<Self> {
        match &graph.nodes[index].operator {
            Operator::Convolution { weight, bias, window, groups, pad_value: None } => {
                Some(Self { weight: weight.clone(), bias: bias.clone(), window: *window, groups: *groups })
            }
            _ => None,
        }
    }

    /// Every channel as it is, in as many groups.
    fn identity(graph: &Graph, input: ValueId, groups: usize) -> Self {
        let channels = graph.value(input).shape[1];
        let inputs = channels / groups.max(1);
        let mut data = vec![0.0; channels * inputs];
        (0..channels).for_each(|c| data[c * inputs + c % inputs.max(1)] = 1.0);
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        Self { weight: Tensor { shape: vec![channels, inputs, 1, 1], data }, bias: vec![0.0; channels], window, groups }
    }

    /// An affine function of the outputs.
    fn scaled(mut self, scale: &[f32], offset: &[f32]) -> Self {
        let inputs = self.weight.shape[1].max(1);
        for (kernel, s) in self.weight.data.chunks_exact_mut(inputs).zip(scale) {
            kernel.iter_mut().for_each(|w| *w *= s);
        }
        self.bias = offset.to_vec();
        self
    }

    /// The sum of both, where one kernel covers the other.
    fn merged(&self, other: &Self) -> Option<Operator> {
        let area = |b: &Self| b.window.kernel[0] * b.window.kernel[1];
        let (wide, narrow) = if area(self) >= area(other) { (self, other) } else { (other, self) };
        let (window, point) = (wide.window, narrow.window);
        let [kernel, small] = [window.kernel, point.kernel];
        let mut offset = [0; 2];
        for axis in 0..2 {
            // Where the narrow kernel begins inside the wide one, and that both see the same at the end.
            offset[axis] = window.pads[axis].checked_sub(point.pads[axis])?;
            let after = window.pads[axis + 2].checked_sub(point.pads[axis + 2])?;
            let spaced = small[axis] == 1 || window.dilations[axis] == 1 && point.dilations[axis] == 1;
            let within = offset[axis].is_multiple_of(window.dilations[axis])
                && offset[axis] + after
                    == (kernel[axis] - 1) * window.dilations[axis] - (small[axis] - 1) * point.dilations[axis];
            if !spaced || !within {
                return None;
            }
            offset[axis] /= window.dilations[axis];
        }
        let same = window.strides == point.strides && self.groups == other.groups;
        if !same || wide.weight.shape[..2] != narrow.weight.shape[..2] {
            return None;
        }
        let mut weight = wide.weight.clone();
        let [large, little] = [kernel[0] * kernel[1], small[0] * small[1]];
        for (kernels, added) in weight.data.chunks_exact_mut(large).zip(narrow.weight.data.chunks_exact(little)) {
            for (at, w) in added.iter().enumerate() {
                let (y, x) = (at / small[1] + offset[0], at % small[1] + offset[1]);
                kernels[y * kernel[1] + x] += w;
            }
        }
        let bias = wide.bias.iter().zip(&narrow.bias).map(|(a, b)| a + b).collect();
        Some(Operator::Convolution { weight, bias, window, groups: self.groups, pad_value: None })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::{Operator, ValueId};

    /// Nodes that are left of a 3×3 convolution plus another branch of the input, in some groups.
    fn left(branch: impl Fn(&mut Sketch) -> ValueId, groups: usize) -> usize {
        let mut sketch = Sketch::new([1, 4, 6, 5]);
        let input = sketch.input();
        let main = sketch.convolution(4, [3, 3], [1; 4], groups);
        sketch.from(input);
        branch(&mut sketch);
        sketch.add(main);
        unchanged(sketch.finish(), to_fixed_point).nodes.len()
    }

    #[test]
    fn kernels_over_one_input() {
        assert_eq!(left(|s| s.convolution(4, [1, 1], [0; 4], 1), 1), 1);
        assert_eq!(left(|s| s.convolution(4, [1, 1], [0; 4], 4), 4), 1);
        assert_eq!(left(|s| s.convolution(4, [1, 3], [0, 1, 0, 1], 2), 2), 1);
        assert_eq!(left(|s| s.convolution(4, [2, 3], [1, 1, 0, 1], 1), 1), 1);
    }

    #[test]
    fn the_input_itself() {
        assert_eq!(left(|s| s.input(), 1), 1);
        assert_eq!(left(|s| s.input(), 2), 1);
        let norm = || Operator::Affine { scale: vec![1.5, -1.0, 0.5, 2.0], offset: vec![0.1, 0.2, 0.3, 0.4] };
        assert_eq!(left(|s| s.then(norm()), 2), 1);
    }

    #[test]
    fn other_groups_or_a_wider_kernel_across_stay() {
        assert_eq!(left(|s| s.convolution(4, [1, 1], [0; 4], 2), 1), 3);
        assert_eq!(left(|s| s.convolution(4, [1, 5], [0, 2, 0, 2], 1), 1), 3);
    }
}
