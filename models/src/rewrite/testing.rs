//! Small graphs, and a naive float run of them before and after a rewrite.

use crate::evaluate::evaluate;
use crate::graph::{Graph, Node, Operator, Tensor, ValueId, Window};
use crate::shape::{check, infer};

/// A graph under construction: each node reads the last value.
pub struct Sketch {
    graph: Graph,
    last: ValueId,
    seed: u64,
}

impl Sketch {
    pub fn new(shape: [usize; 4]) -> Self {
        Self::of(&shape)
    }

    /// A graph with one input of any shape.
    pub fn of(shape: &[usize]) -> Self {
        let mut graph = Graph::default();
        let last = graph.add_value("x", shape.to_vec());
        graph.inputs.push(last);
        Self { graph, last, seed: 7 }
    }

    pub fn input(&self) -> ValueId {
        self.graph.inputs[0]
    }

    /// Goes on from an earlier value.
    pub fn from(&mut self, value: ValueId) {
        self.last = value;
    }

    pub fn then(&mut self, operator: Operator) -> ValueId {
        self.push(operator, vec![self.last], None)
    }

    pub fn add(&mut self, other: ValueId) -> ValueId {
        self.push(Operator::Add, vec![self.last, other], None)
    }

    pub fn multiply(&mut self, other: ValueId) -> ValueId {
        self.push(Operator::Multiply, vec![self.last, other], None)
    }

    pub fn concat(&mut self, parts: Vec<ValueId>, axis: usize) -> ValueId {
        self.push(Operator::Concat { axis }, parts, None)
    }

    pub fn reshape(&mut self, shape: Vec<usize>) -> ValueId {
        self.push(Operator::Reshape, vec![self.last], Some(shape))
    }

    pub fn convolution(&mut self, outputs: usize, kernel: [usize; 2], pads: [usize; 4], groups: usize) -> ValueId {
        let inputs = self.graph.value(self.last).shape[1] / groups;
        let weight = self.tensor(vec![outputs, inputs, kernel[0], kernel[1]]);
        let bias = self.tensor(vec![outputs]).data;
        let window = Window { kernel, strides: [1, 1], dilations: [1, 1], pads };
        self.then(Operator::Convolution { weight, bias, window, groups, pad_value: None })
    }

    pub fn dense(&mut self, outputs: usize) -> ValueId {
        let inputs = self.graph.value(self.last).shape[1];
        let (weight, bias) = (self.tensor(vec![outputs, inputs]), self.tensor(vec![outputs]).data);
        self.then(Operator::Dense { weight, bias })
    }

    pub fn finish(mut self) -> Graph {
        self.graph.outputs.push(self.last);
        self.graph
    }

    fn tensor(&mut self, shape: Vec<usize>) -> Tensor {
        let data = reals(self.seed, shape.iter().product());
        self.seed += 1;
        Tensor { shape, data }
    }

    fn push(&mut self, operator: Operator, inputs: Vec<ValueId>, target: Option<Vec<usize>>) -> ValueId {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&i| self.graph.value(i).shape.as_slice()).collect();
        let shape = infer(&operator, &shapes, target.as_deref()).unwrap();
        let output = self.graph.add_value(format!("v{}", self.graph.values.len()), shape);
        self.graph.nodes.push(Node { name: format!("n{}", output.0), operator, inputs, output });
        self.last = output;
        output
    }
}

/// Numbers between −2 and 2.
fn reals(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The rewritten graph, well formed and with the same outputs.
pub fn unchanged<R>(graph: Graph, rewrite: impl Fn(&mut Graph) -> R) -> Graph {
    check(&graph).unwrap();
    let mut rewritten = graph.clone();
    rewrite(&mut rewritten);
    check(&rewritten).unwrap();
    let input = reals(99, graph.value(graph.inputs[0]).shape.iter().product());
    let (before, after) = (evaluate(&graph, &[&input]), evaluate(&rewritten, &[&input]));
    for (a, b) in graph.outputs.iter().zip(&rewritten.outputs) {
        let (a, b) = (&before[a.0], &after[b.0]);
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-4 * (1.0 + a.abs()), "{a} became {b}");
        }
    }
    rewritten
}
