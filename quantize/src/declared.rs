//! Ranges of a model that is quantized already: those of the scales that it says, and what follows from them for values between.
//!
//! Quantizers put scales at the operators that they know; what they leave out (a shift of the input before the first
//! convolution, a function behind the last one, parts of a concatenation) has the range that its neighbours give it.

use crate::lower::{RowGraph, RowNode, RowOperator};
use residua_models::function::Function;

/// Smallest and largest element.
type Range = [f32; 2];

/// Points at which a function is looked at.
const POINTS: usize = 1024;

/// A range for each row value; `None` where no scale says it, as behind a layer of weights that is followed by none.
pub fn ranges(rows: &RowGraph) -> Vec<Option<Range>> {
    let of_scale = |(scale, zero): (f32, i8)| [-128.0, 127.0].map(|q| (q - f32::from(zero)) * scale);
    let mut ranges: Vec<Option<Range>> = rows.values.iter().map(|v| v.quantization.map(of_scale)).collect();
    if rows.nodes.iter().any(|n| matches!(n.operator, RowOperator::Part { .. })) {
        // Codes of several inputs, which mean nothing by themselves.
        ranges[rows.input] = Some([-128.0, 127.0]);
    }
    let of_readers = |value: usize, ranges: &[Option<Range>]| {
        let readers = rows.nodes.iter().filter(|node| node.inputs.contains(&value));
        readers.map(|node| backward(rows, node, value, ranges)).collect::<Option<Vec<_>>>().and_then(union)
    };
    // What is known on one way through the graph may tell more on the other.
    loop {
        let open = ranges.iter().filter(|range| range.is_none()).count();
        for value in rows.nodes.iter().rev().map(|node| node.output).chain([rows.input]) {
            ranges[value] = ranges[value].or_else(|| of_readers(value, &ranges));
        }
        for node in &rows.nodes {
            if ranges[node.output].is_none() {
                let range = forward(rows, node, &ranges);
                let clamped = range.map(|range| range.map(|end| end.clamp(node.clamp[0], node.clamp[1])));
                ranges[node.output] = clamped.filter(|range| range.iter().all(|end| end.is_finite()));
            }
        }
        if ranges.iter().filter(|range| range.is_none()).count() == open {
            return ranges;
        }
    }
}

/// The range of a node's output from those of its inputs.
fn forward(rows: &RowGraph, node: &RowNode, ranges: &[Option<Range>]) -> Option<Range> {
    if node.operator == RowOperator::Concat {
        let source = rows.values[node.output].source;
        // What comes together first is part of the whole, which is rounded but once.
        let whole = rows.nodes.iter().rev().find(|n| rows.values[n.output].source == source).map(|n| n.output);
        let whole = whole.filter(|&whole| whole != node.output).and_then(|whole| ranges[whole]);
        return whole.or_else(|| union(node.inputs.iter().map(|&i| ranges[i]).collect::<Option<_>>()?));
    }
    let x = ranges[*node.inputs.first()?]?;
    match &node.operator {
        operator if operator.keeps_elements() => Some(x),
        RowOperator::Softmax | RowOperator::AveragePool { .. } | RowOperator::Clamp => Some(x),
        RowOperator::Function(function) => Some(image(function, x)),
        RowOperator::Affine { scale, offset } => {
            union(scale.iter().zip(offset).flat_map(|(a, b)| x.map(|x| [a * x + b; 2])).collect())
        }
        // What picks elements, or takes means of some.
        RowOperator::Convolution { weights, bias, groups: _, pad_value: None } if bias.iter().all(|&b| b == 0.0) => {
            let shares = weights.chunks(weights.len() / bias.len().max(1));
            let is_mean = |kernel: &[f32]| kernel.iter().all(|&w| w >= 0.0) && kernel.iter().sum::<f32>() < 1.0 + 1e-4;
            shares.clone().all(is_mean).then_some([x[0].min(0.0), x[1].max(0.0)])
        }
        RowOperator::LogSoftmax => {
            let channels = rows.values[node.output].shape[2] as f32;
            Some([x[0] - x[1] - channels.ln(), 0.0])
        }
        RowOperator::Add { signs: [a, b] } => {
            let y = ranges[*node.inputs.get(1)?]?;
            union(corners(x, y).map(|[x, y]| [a * x + b * y; 2]).collect())
        }
        RowOperator::Multiply => union(corners(x, ranges[*node.inputs.get(1)?]?).map(|[x, y]| [x * y; 2]).collect()),
        _ => None,
    }
}

/// The range of one of a node's inputs from those of its output and of the other input, where one follows from the others.
fn backward(rows: &RowGraph, node: &RowNode, input: usize, ranges: &[Option<Range>]) -> Option<Range> {
    let y = ranges[node.output]?;
    match &node.operator {
        RowOperator::Clamp => Some(y),
        operator if operator.keeps_elements() => Some(y),
        RowOperator::Affine { scale, offset } if rows.values[node.output].quantization.is_some() => {
            let inverse = |(a, b): (&f32, &f32)| y.map(|y| [(y - b) / a; 2]);
            union(scale.iter().zip(offset).filter(|(a, _)| **a != 0.0).flat_map(inverse).collect())
        }
        RowOperator::Add { signs } => {
            let [first, second] = node.inputs[..] else { return None };
            let (own, other, value) = if first == input { (0, 1, second) } else { (1, 0, first) };
            let x = ranges[value].filter(|_| first != second)?;
            union(corners(y, x).map(|[y, x]| [signs[own] * (y - signs[other] * x); 2]).collect())
        }
        _ => None,
    }
}

/// All pairs of ends.
fn corners(x: Range, y: Range) -> impl Iterator<Item = [f32; 2]> {
    x.into_iter().flat_map(move |x| y.map(|y| [x, y]))
}

/// The smallest range that holds others.
fn union(ranges: Vec<Range>) -> Option<Range> {
    ranges.into_iter().reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
}

/// The values of a function over a range.
fn image(function: &Function, [from, to]: Range) -> Range {
    let at = |i: usize| from + (to - from) * i as f32 / POINTS as f32;
    let values = (0..=POINTS).map(|i| function.apply(at(i))).filter(|y| y.is_finite());
    values.fold([f32::INFINITY, f32::NEG_INFINITY], |[min, max], y| [min.min(y), max.max(y)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::lower;
    use residua_models::graph::{Graph, Node, Operator, ValueId};

    /// A graph of one input `[1, 2, 3, 3]`.
    fn graph() -> (Graph, ValueId) {
        let mut graph = Graph::default();
        let x = graph.add_value("x", vec![1, 2, 3, 3]);
        graph.inputs.push(x);
        (graph, x)
    }

    fn node(graph: &mut Graph, operator: Operator, inputs: &[ValueId], channels: usize) -> ValueId {
        let output = graph.add_value("", vec![1, channels, 3, 3]);
        graph.nodes.push(Node { name: String::new(), operator, inputs: inputs.to_vec(), output });
        output
    }

    fn scaled(graph: &mut Graph, value: ValueId, scale: f32, zero_point: i8) -> ValueId {
        let channels = graph.value(value).shape[1];
        node(graph, Operator::Quantize { scale, zero_point }, &[value], channels)
    }

    fn of(mut graph: Graph, output: ValueId) -> Vec<Option<Range>> {
        graph.outputs.push(output);
        let rows = lower(&graph).unwrap();
        ranges(&rows)
    }

    #[test]
    fn what_stands_between_scales_has_their_ranges() {
        let (mut graph, x) = graph();
        let affine = Operator::Affine { scale: vec![2.0, -1.0], offset: vec![1.0, 0.0] };
        let shifted = node(&mut graph, affine, &[x], 2);
        let shifted = scaled(&mut graph, shifted, 0.5, 0);
        let joined = node(&mut graph, Operator::Concat { axis: 1 }, &[shifted, shifted, shifted], 6);
        let joined = scaled(&mut graph, joined, 0.25, -128);
        let enlarged = Operator::Function(Function::Linear { scale: 2.0, offset: 0.0 });
        let last = node(&mut graph, enlarged, &[joined], 6);
        // The wider of what both channels allow.
        let of_input = [-63.5, 64.0];
        assert_eq!(
            of(graph, last),
            [of_input, [-64.0, 63.5], [0.0, 63.75], [0.0, 63.75], [0.0, 127.5]].map(Some).to_vec()
        );
    }

    #[test]
    fn weights_say_nothing_unless_they_pick() {
        for (weight, expected) in [(1.0, Some([-128.0, 127.0])), (-1.0, None)] {
            let (mut graph, x) = graph();
            let x = scaled(&mut graph, x, 1.0, 0);
            let mut layer = Operator::pick(2, 1, &[(0, 0), (1, 0)]).unwrap();
            if let Operator::Convolution { weight: weights, .. } = &mut layer {
                weights.data[0] = weight;
            }
            let last = node(&mut graph, layer, &[x], 2);
            assert_eq!(of(graph, last).last(), Some(&expected));
        }
    }
}
