//! Several inputs as one: what is fed comes together, flat, one input behind the other.

use crate::graph::{Graph, Node, Operator};

/// Name of the value that holds all inputs.
const JOINED: &str = "inputs";

/// An input of a model that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name.
    pub name: String,
    /// Shape that the model declares.
    pub shape: Vec<usize>,
    /// Place of its first element among those of all inputs.
    pub start: usize,
}

/// Gives a graph that has several inputs a single flat one, `[1, elements of all]`, of which they are parts, and lists these in
/// their order; none where there is one input already.
pub fn join(graph: &mut Graph) -> Vec<Part> {
    if graph.inputs.len() < 2 {
        return vec![];
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut start = 0;
    let ids = std::mem::take(&mut graph.inputs);
    for id in &ids {
        let value = graph.value(*id);
        parts.push(Part { name: value.name.clone(), shape: value.shape.clone(), start });
        start += value.shape.iter().product::<usize>();
    }
    let joined = graph.add_value(JOINED, vec![1, start]);
    graph.inputs.push(joined);
    let nodes = ids.into_iter().zip(&parts).filter(|(id, _)| !graph.consumers(*id).is_empty()).map(|(id, part)| Node {
        name: part.name.clone(),
        operator: Operator::Part { start: part.start },
        inputs: vec![joined],
        output: id,
    });
    let nodes: Vec<Node> = nodes.collect();
    graph.nodes.splice(0..0, nodes);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::shape::check;

    #[test]
    fn what_is_computed_stays() {
        let mut graph = Graph::default();
        let [a, unused, b] = [("a", vec![1, 2, 3]), ("unused", vec![1, 4]), ("b", vec![1, 2, 1])]
            .map(|(name, shape)| graph.add_value(name, shape));
        let sum = graph.add_value("sum", vec![1, 2, 3]);
        graph.nodes.push(Node { name: "sum".into(), operator: Operator::Add, inputs: vec![a, b], output: sum });
        (graph.inputs, graph.outputs) = (vec![a, unused, b], vec![sum]);
        let inputs: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let before = evaluate(&graph, &[&inputs[..6], &inputs[6..10], &inputs[10..]]);
        let parts = join(&mut graph);
        check(&graph).unwrap();
        assert_eq!(parts.iter().map(|p| p.start).collect::<Vec<_>>(), [0, 6, 10]);
        assert_eq!(evaluate(&graph, &[&inputs])[sum.0], before[sum.0]);
        assert_eq!(join(&mut graph), []);
    }
}
