//! Functions that grow without bound towards zero, where int8 cannot tell small arguments from zero.
//!
//! `1 / ‖x‖` of a vector that is almost zero is a huge number by which its elements, almost zero too, are multiplied. Where such
//! arguments are seen, half a step of int8 takes their place, so that the function's values have a range that can be rounded.

use rayon::prelude::*;
use residua_models::execute::{ExecuteError, GraphExecutor};
use residua_models::function::Function;
use residua_models::graph::{Graph, Operator};

/// Steps of int8 between zero and the largest argument.
const STEPS: f32 = 255.0;
/// How much larger a value is near a pole than half a step from it.
const GROWTH: f32 = 16.0;

/// Keeps the arguments of all such functions away from zero, as far as sample inputs (flat, in the declared layout) reach; returns
/// how many there were.
///
/// # Errors
/// The float model cannot be run on an input.
pub fn keep_off(graph: &mut Graph, inputs: &[Vec<f32>]) -> Result<usize, ExecuteError> {
    let nodes: Vec<usize> = (0..graph.nodes.len()).filter(|&n| has_pole(&graph.nodes[n].operator)).collect();
    if nodes.is_empty() || inputs.is_empty() {
        return Ok(0);
    }
    let executor = GraphExecutor::new(graph)?;
    let none = || vec![[f32::INFINITY, f32::NEG_INFINITY]; nodes.len()];
    let joined = |mut a: Vec<[f32; 2]>, b: Vec<[f32; 2]>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = [a[0].min(b[0]), a[1].max(b[1])]);
        a
    };
    let of_input = |input: &Vec<f32>| {
        let values = executor.run(&[input.as_slice()])?;
        let range = |&node: &usize| {
            let elements = values[graph.nodes[node].inputs[0].0].iter();
            elements.fold([f32::INFINITY, f32::NEG_INFINITY], |[min, max], &x| [min.min(x), max.max(x)])
        };
        Ok::<_, ExecuteError>(nodes.iter().map(range).collect::<Vec<_>>())
    };
    let ranges = inputs.par_iter().map(of_input).try_reduce(none, |a, b| Ok(joined(a, b)))?;
    let mut count = 0;
    for (node, [least, largest]) in nodes.into_iter().zip(ranges) {
        let nearest = largest / (2.0 * STEPS);
        let Operator::Function(function) = &mut graph.nodes[node].operator else { continue };
        if (0.0..nearest).contains(&least) && nearest > f32::MIN_POSITIVE && grows(function, least, nearest) {
            *function = Function::Clamp { min: nearest, max: f32::INFINITY }.then(function.clone());
            count += 1;
        }
    }
    Ok(count)
}

fn has_pole(operator: &Operator) -> bool {
    match operator {
        Operator::Function(Function::Chain(steps)) => steps.iter().any(is_pole),
        Operator::Function(function) => is_pole(function),
        _ => false,
    }
}

fn is_pole(function: &Function) -> bool {
    match function {
        Function::Reciprocal => true,
        Function::Power { exponent } => *exponent < 0.0,
        _ => false,
    }
}

fn grows(function: &Function, least: f32, nearest: f32) -> bool {
    let (close, off) = (function.apply(least).abs(), function.apply(nearest).abs());
    off.is_finite() && (close.is_infinite() || close > GROWTH * off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use residua_models::graph::Node;

    fn graph(function: Function) -> Graph {
        let mut graph = Graph::default();
        let [x, y] = ["x", "y"].map(|name| graph.add_value(name, vec![1, 4, 1, 1]));
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        let operator = Operator::Function(function);
        graph.nodes.push(Node { name: "f".into(), operator, inputs: vec![x], output: y });
        graph
    }

    #[test]
    fn small_arguments_become_half_a_step() {
        let floor = Function::Clamp { min: 1e-12, max: f32::INFINITY };
        for (inputs, count) in
            [(vec![0.0, 1.0, 2.0, 5.1], 1), (vec![0.5, 1.0, 2.0, 5.1], 0), (vec![-1.0, 0.0, 1.0, 2.0], 0)]
        {
            let mut graph = graph(floor.clone().then(Function::Reciprocal));
            assert_eq!(keep_off(&mut graph, &[inputs]).unwrap(), count);
            let Operator::Function(function) = &graph.nodes[0].operator else { panic!("no function") };
            assert_eq!(function.apply(0.0), if count == 1 { 100.0 } else { 1e12 });
            assert_eq!(function.apply(2.0), 0.5);
        }
    }

    #[test]
    fn bounded_functions_stay() {
        let mut graph = graph(Function::Linear { scale: 1.0, offset: 1.0 }.then(Function::Reciprocal));
        assert_eq!(keep_off(&mut graph, &[vec![0.0, 1.0, 2.0, 3.0]]).unwrap(), 0);
    }
}
