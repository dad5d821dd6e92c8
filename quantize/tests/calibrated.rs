//! What calibration makes of a small network: plans that do not depend on the machine's threads, and weights whose rounding
//! costs less than that of each to the nearest.

mod common;

use common::Random;
use proptest::prelude::*;
use residua::plan::Plan;
use residua_models::evaluate::evaluate;
use residua_models::graph::{Graph, Node, Operator, Tensor, Window};
use residua_models::onnx::export;
use residua_models::shape::infer;
use residua_quantize::budget::Budget;
use residua_quantize::calibrate::Method;
use residua_quantize::compile::Model;
use residua_quantize::precision::Activations;
use residua_quantize::quantize::Statistics;
use residua_quantize::simulate;

impl Random {
    fn convolution(&mut self, [outputs, inputs]: [usize; 2], size: usize, groups: usize) -> Operator {
        let shape = vec![outputs, inputs / groups, size, size];
        let weight = Tensor { data: self.reals(shape.iter().product()), shape };
        let window = Window { kernel: [size; 2], strides: [1, 1], dilations: [1, 1], pads: [size / 2; 4] };
        Operator::Convolution { weight, bias: self.reals(outputs), window, groups, pad_value: None }
    }

    /// Images whose pixels resemble their neighbours.
    fn images(&mut self, count: usize) -> Vec<Vec<f32>> {
        let image = |noise: Vec<f32>| {
            let smooth = noise.chunks(64).flat_map(|plane| {
                plane.iter().scan(0.0f32, |sum, &x| {
                    *sum = 0.9 * *sum + x;
                    Some(*sum)
                })
            });
            smooth.collect()
        };
        (0..count).map(|_| image(self.reals(2 * 64))).collect()
    }
}

/// Three convolutions over `[1, 2, 8, 8]` with ReLU between them, one of them depthwise.
fn graph(random: &mut Random) -> Graph {
    let relu = || Operator::Clamp { min: 0.0, max: f32::INFINITY };
    let operators = [
        random.convolution([6, 2], 3, 1),
        relu(),
        random.convolution([6, 6], 3, 6),
        relu(),
        random.convolution([4, 6], 3, 1),
    ];
    let mut graph = Graph::default();
    let mut last = graph.add_value("x", vec![1, 2, 8, 8]);
    graph.inputs.push(last);
    for (index, operator) in operators.into_iter().enumerate() {
        let shape = infer(&operator, &[&graph.value(last).shape], None).unwrap();
        let output = graph.add_value(format!("v{index}"), shape);
        graph.nodes.push(Node { name: format!("n{index}"), operator, inputs: vec![last], output });
        last = output;
    }
    graph.outputs.push(last);
    graph
}

fn plan(model: &Model, statistics: &[Statistics]) -> Vec<u8> {
    model.compile(statistics, Method::default(), &Budget::default()).unwrap().bytes.to_vec()
}

/// Error energy of a model's plan on inputs, as a share of the signal.
fn error(model: &Model, statistics: &[Statistics], graph: &Graph, inputs: &[Vec<f32>]) -> f64 {
    let compiled = model.compile(statistics, Method::default(), &Budget::default()).unwrap();
    let plan = Plan::load(&compiled.bytes).unwrap();
    let (mut signal, mut error) = (0.0, 0.0);
    for input in inputs {
        let (rows, port) = (&model.rows, model.rows.outputs[0]);
        let found = simulate::run(&plan, &compiled.graph.encode_input(rows, input)).unwrap();
        let expected = rows.values[port].to_rows(&evaluate(graph, &[input])[graph.outputs[0].0]);
        for (expected, found) in expected.iter().zip(compiled.graph.values[port].decode(&found)) {
            signal += f64::from(*expected).powi(2);
            error += f64::from(expected - found).powi(2);
        }
    }
    error / signal
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_change_no_byte(seed in any::<u64>()) {
        let mut random = Random(seed);
        let (graph, inputs) = (graph(&mut random), random.images(13));
        let [one, four] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut model = Model::import(&export(&graph)).unwrap();
                let statistics = model.calibrate(&inputs, Method::Mse, Activations::Int8).unwrap();
                plan(&model, &statistics)
            })
        });
        prop_assert!(one == four);
    }
}

/// Where activations have 16 bits, the weights' rounding is nearly all of the error.
#[test]
fn rounded_together_weights_lose_less_on_other_inputs() {
    let (mut together, mut each) = (0.0, 0.0);
    for seed in 0..8 {
        let mut random = Random(seed);
        let (graph, inputs, others) = (graph(&mut random), random.images(16), random.images(16));
        let float = Model::import(&export(&graph)).unwrap();
        let mut model = float.clone();
        let statistics = model.calibrate(&inputs, Method::MinMax, Activations::Int16).unwrap();
        together += error(&model, &statistics, &graph, &others);
        each += error(&float, &statistics, &graph, &others);
    }
    assert!(together < 0.75 * each, "{together} {each}");
}
