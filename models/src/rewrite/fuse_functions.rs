//! Functions of one element that follow one another, and products of an element with a function of itself (swish, hard-swish,
//! GELU), are one function.

use super::only_producer;
use crate::function::Function;
use crate::graph::{Graph, Node, Operator, ValueId};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    match &graph.nodes[index].operator {
        Operator::Multiply => gate(graph, index),
        Operator::Function(_) | Operator::Affine { .. } | Operator::Clamp { .. } => follow(graph, index),
        _ => false,
    }
}

/// The node as a function of one element.
fn function(node: &Node) -> Option<Function> {
    match &node.operator {
        Operator::Function(function) => Some(function.clone()),
        Operator::Clamp { min, max } => Some(Function::Clamp { min: *min, max: *max }),
        Operator::Affine { scale, offset } => {
            let same = |numbers: &[f32]| numbers.windows(2).all(|pair| pair[0] == pair[1]);
            let (scale, offset) = (scale, offset);
            (same(scale) && same(offset) && !scale.is_empty())
                .then(|| Function::Linear { scale: scale[0], offset: offset[0] })
        }
        _ => None,
    }
}

/// A node behind another, both functions, at least one of which needs a table anyway. A clamp in front stays: it joins the
/// layer before, whose range it narrows.
fn follow(graph: &mut Graph, index: usize) -> bool {
    let Some(before) = only_producer(graph, index) else { return false };
    let (first, second) = (&graph.nodes[before], &graph.nodes[index]);
    let is_table = |node: &Node| matches!(node.operator, Operator::Function(_));
    if !is_table(first) && (!is_table(second) || matches!(first.operator, Operator::Clamp { .. })) {
        return false;
    }
    let (Some(inner), Some(outer)) = (function(first), function(second)) else { return false };
    graph.nodes[index].operator = Operator::Function(inner.then(outer));
    graph.nodes[index].inputs = graph.nodes[before].inputs.clone();
    graph.nodes.remove(before);
    true
}

/// `x · f(x)`.
fn gate(graph: &mut Graph, index: usize) -> bool {
    let &[a, b] = graph.nodes[index].inputs.as_slice() else { return false };
    for (x, other) in [(a, b), (b, a)] {
        if let Some((function, inner)) = function_of(graph, other, x) {
            graph.nodes[index].operator = Operator::Function(Function::TimesInput(Box::new(function)));
            graph.nodes[index].inputs = vec![x];
            let mut inner = inner;
            inner.sort_unstable();
            inner.into_iter().rev().for_each(|node| drop(graph.nodes.remove(node)));
            return true;
        }
    }
    false
}

/// The function that leads from `x` to a value which nothing else reads, and its nodes.
fn function_of(graph: &Graph, value: ValueId, x: ValueId) -> Option<(Function, Vec<usize>)> {
    let (mut at, mut functions, mut nodes) = (value, Vec::new(), Vec::new());
    while at != x {
        if graph.consumers(at).len() != 1 || graph.outputs.contains(&at) {
            return None;
        }
        let node = graph.producer(at)?;
        functions.push(function(&graph.nodes[node])?);
        nodes.push(node);
        at = graph.nodes[node].inputs[0];
    }
    let mut functions = functions.into_iter().rev();
    let first = functions.next().unwrap_or(Function::Linear { scale: 1.0, offset: 0.0 });
    Some((functions.fold(first, Function::then), nodes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::*;

    /// `multiply` joins the last value with an earlier one.
    fn fused(build: impl Fn(&mut Sketch)) -> Graph {
        let mut sketch = Sketch::new([1, 2, 3, 4]);
        build(&mut sketch);
        unchanged(sketch.finish(), super::super::to_fixed_point)
    }

    fn uniform(scale: f32, offset: f32) -> Operator {
        Operator::Affine { scale: vec![scale; 2], offset: vec![offset; 2] }
    }

    #[test]
    fn swish_and_gelu() {
        let swish = fused(|s| {
            let x = s.then(Operator::Clamp { min: -0.9, max: 0.9 });
            s.then(Operator::Function(Function::Sigmoid));
            s.multiply(x);
        });
        assert_eq!(swish.nodes[1].operator, Operator::Function(Function::swish()));
        let gelu = fused(|s| {
            let x = s.then(Operator::Clamp { min: -0.9, max: 0.9 });
            s.then(uniform(std::f32::consts::FRAC_1_SQRT_2, 0.0));
            s.then(Operator::Function(Function::Erf));
            s.then(uniform(1.0, 1.0));
            s.multiply(x);
            s.then(uniform(0.5, 0.0));
        });
        assert_eq!(gelu.nodes.len(), 2, "{:?}", gelu.nodes);
        let hard_swish = fused(|s| {
            let x = s.then(Operator::Clamp { min: -0.9, max: 0.9 });
            s.then(uniform(1.0, 3.0));
            s.then(Operator::Clamp { min: 0.0, max: 6.0 });
            s.then(uniform(1.0 / 6.0, 0.0));
            s.multiply(x);
        });
        assert_eq!(hard_swish.nodes.len(), 2, "{:?}", hard_swish.nodes);
    }

    #[test]
    fn a_gate_from_elsewhere_stays() {
        let gated = fused(|s| {
            let x = s.then(Operator::Clamp { min: -0.9, max: 0.9 });
            s.convolution(2, [1, 1], [0; 4], 1);
            s.then(Operator::Function(Function::Sigmoid));
            s.multiply(x);
        });
        assert_eq!(gated.nodes.len(), 4);
    }
}
