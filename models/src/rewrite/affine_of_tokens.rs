//! An affine function over the outputs of a dense layer that is applied to many vectors, reached by a transpose, becomes part
//! of the layer.

use super::{bypass, only_producer};
use crate::graph::{Graph, Operator};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    let Operator::Affine { scale, offset } = graph.nodes[index].operator.clone() else { return false };
    let Some(transpose) = only_producer(graph, index) else { return false };
    let Operator::Transpose { permutation } = &graph.nodes[transpose].operator else { return false };
    if permutation.len() < 3 || permutation[1] + 1 != permutation.len() {
        return false;
    }
    let Some(dense) = only_producer(graph, transpose) else { return false };
    let Operator::Dense { weight, bias } = &mut graph.nodes[dense].operator else { return false };
    let inputs = weight.shape[1].max(1);
    for ((kernel, bias), (scale, offset)) in weight.data.chunks_mut(inputs).zip(bias).zip(scale.iter().zip(&offset)) {
        kernel.iter_mut().for_each(|w| *w *= scale);
        *bias = *bias * scale + offset;
    }
    bypass(graph, index)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;
    use crate::graph::Tensor;

    #[test]
    fn becomes_part_of_the_layer() {
        let mut sketch = Sketch::new([1, 2, 3, 4]);
        sketch.reshape(vec![1, 6, 4]);
        let weight = Tensor { shape: vec![5, 4], data: (0..20).map(|i| i as f32 / 10.0 - 1.0).collect() };
        sketch.then(Operator::Dense { weight, bias: vec![0.1; 5] });
        sketch.then(Operator::Transpose { permutation: vec![0, 2, 1] });
        sketch.then(Operator::Affine { scale: vec![2.0, 1.0, -1.0, 0.5, 0.0], offset: vec![0.5, 0.0, 1.0, 0.0, 2.0] });
        sketch.then(Operator::Transpose { permutation: vec![0, 2, 1] });
        sketch.then(Operator::Clamp { min: -0.5, max: 0.5 });
        let rewritten = unchanged(sketch.finish(), super::super::to_fixed_point);
        let names: Vec<_> = rewritten.nodes.iter().map(|n| n.operator.name()).collect();
        assert_eq!(names, ["Reshape", "Gemm", "Clip"]);
    }
}
