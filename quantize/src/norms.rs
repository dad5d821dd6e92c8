//! The statistics that norms compute of their input: means, variances and reciprocal roots.

use crate::lower::{RowGraph, RowNode, RowOperator};

/// Values whose errors are those of all elements that a norm offsets or scales with them, where others average out: variances and
/// reciprocal roots, and the means of whole images.
pub fn statistics(rows: &RowGraph) -> Vec<usize> {
    let producer = |value: usize| rows.nodes.iter().find(|node| node.output == value);
    let pixels = |value: usize| rows.values[value].shape[0] * rows.values[value].shape[1];
    let mut values = vec![];
    for product in rows.nodes.iter().filter(|node| node.operator == RowOperator::Multiply) {
        let [normed, scale] = product.inputs[..] else { continue };
        let Some(root) = producer(scale).filter(|node| is_reciprocal_root(node)) else { continue };
        if rows.values[scale].len() == rows.values[normed].len() {
            continue;
        }
        values.extend([scale, root.inputs[0]]);
        // A pixel's own mean serves too few elements to be worth a wider sum for all of them.
        let mean =
            producer(normed).filter(|node| matches!(node.operator, RowOperator::Add { .. })).map(|node| node.inputs[1]);
        values.extend(mean.filter(|&mean| pixels(mean) == 1 && pixels(normed) > 1));
    }
    // Those that another value lends its elements, and the type with them, keep its type.
    values.retain(|&value| !producer(value).is_some_and(|node| node.operator.keeps_elements()));
    values
}

fn is_reciprocal_root(node: &RowNode) -> bool {
    matches!(&node.operator, RowOperator::Function(function) if function.is_reciprocal_root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::RowValue;
    use residua_models::function::Function;
    use residua_models::graph::{ValueId, Window};

    /// `(x − mean) · function(variance)` with statistics of this shape: values x, mean, difference, variance, factor, product.
    fn norm(of_pixels: [usize; 2], function: Function) -> RowGraph {
        let [rows, columns] = of_pixels;
        let (whole, few) = ([4, 5, 3], [rows, columns, if rows * columns == 1 { 3 } else { 1 }]);
        let value = |(index, shape)| {
            let name = format!("v{index}");
            RowValue { name, shape, source: ValueId(index), strides: [0; 3], quantization: None }
        };
        let node = |operator, inputs: &[usize], output| RowNode {
            name: String::new(),
            operator,
            inputs: inputs.to_vec(),
            output,
            window: Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] },
            clamp: [f32::NEG_INFINITY, f32::INFINITY],
            macs: 0,
        };
        let mean = || RowOperator::AveragePool { count_include_pad: false };
        RowGraph {
            values: [whole, few, whole, few, few, whole].into_iter().enumerate().map(value).collect(),
            nodes: vec![
                node(mean(), &[0], 1),
                node(RowOperator::Add { signs: [1.0, -1.0] }, &[0, 1], 2),
                node(mean(), &[2], 3),
                node(RowOperator::Function(function), &[3], 4),
                node(RowOperator::Multiply, &[2, 4], 5),
            ],
            input: 0,
            outputs: vec![5],
            output_strides: vec![[0; 3]],
        }
    }

    fn found(of_pixels: [usize; 2], function: Function) -> Vec<usize> {
        let mut values = statistics(&norm(of_pixels, function));
        values.sort_unstable();
        values
    }

    #[test]
    fn few_elements_that_count_for_many_are_found() {
        let root = || {
            let offset = Function::Linear { scale: 1.0, offset: 1e-5 };
            Function::Chain(vec![offset, Function::SquareRoot, Function::Reciprocal])
        };
        assert_eq!(found([1, 1], root()), [1, 3, 4]);
        assert_eq!(found([1, 1], Function::Power { exponent: -0.5 }), [1, 3, 4]);
        // Each pixel has a mean of its own.
        assert_eq!(found([4, 5], root()), [3, 4]);
        // A gate is no norm.
        assert_eq!(found([1, 1], Function::Sigmoid), [0; 0]);
    }
}
