//! Recurrent layers of random sizes: how near the plan's output is to that of the float layer.

mod common;

use common::Random;
use proptest::prelude::*;
use residua::plan::Plan;
use residua_models::evaluate::evaluate;
use residua_models::graph::{Graph, Node, Operator, Tensor};
use residua_models::onnx::export;
use residua_models::recurrence::{Cell, Gives, Recurrence};
use residua_models::shape::infer;
use residua_quantize::budget::Budget;
use residua_quantize::calibrate::Method;
use residua_quantize::compile::Model;
use residua_quantize::precision::Activations;
use residua_quantize::simulate;

impl Random {
    fn tensor(&mut self, shape: [usize; 2], largest: f32) -> Tensor {
        let data = self.reals(shape[0] * shape[1]).iter().map(|x| x * largest).collect();
        Tensor { shape: shape.to_vec(), data }
    }
}

/// A layer over `[1, steps, features]`.
#[derive(Clone, Copy, Debug)]
struct Layer {
    cell: Cell,
    steps: usize,
    features: usize,
    units: usize,
    reverse: bool,
    gives: Gives,
    starts: bool,
    seed: u64,
}

impl Layer {
    fn graph(&self) -> Graph {
        let Self { cell, steps, features, units, reverse, gives, starts, seed } = *self;
        let mut random = Random(seed);
        let width = cell.gates() * units;
        let mut graph = Graph::default();
        let input = graph.add_value("x", vec![1, steps, features]);
        graph.inputs.push(input);
        let weight = random.tensor([width, features], 2.0 / (features as f32).sqrt());
        let bias = random.reals(width);
        let state = |random: &mut Random, wanted: bool| {
            let scale = if starts { 0.9 } else { 0.0 };
            if wanted { random.reals(units).iter().map(|x| x * scale).collect() } else { vec![] }
        };
        let recurrence = Recurrence {
            cell,
            weight: random.tensor([width, units], 1.5 / (units as f32).sqrt()),
            bias: if cell == (Cell::Gru { reset_product: true }) { random.reals(units) } else { vec![] },
            hidden: state(&mut random, true),
            memory: state(&mut random, cell == Cell::Lstm),
            reverse,
            gives,
        };
        let operators = [
            Operator::Transpose { permutation: vec![1, 0, 2] },
            Operator::Dense { weight, bias },
            Operator::Recurrence(recurrence),
        ];
        let mut last = input;
        for (index, operator) in operators.into_iter().enumerate() {
            let shape = infer(&operator, &[&graph.value(last).shape], None).unwrap();
            let output = graph.add_value(format!("v{index}"), shape);
            graph.nodes.push(Node { name: format!("n{index}"), operator, inputs: vec![last], output });
            last = output;
        }
        graph.outputs.push(last);
        graph
    }

    /// Ratio of signal and error of the output over eight inputs, in dB.
    fn snr(&self, activations: Activations) -> f64 {
        let graph = self.graph();
        let mut random = Random(self.seed ^ 1);
        let mut inputs =
            |count: usize| -> Vec<Vec<f32>> { (0..count).map(|_| random.reals(self.steps * self.features)).collect() };
        let mut model = Model::import(&export(&graph)).unwrap();
        let statistics = model.calibrate(&inputs(16), Method::default(), activations).unwrap();
        let compiled = model.compile(&statistics, Method::default(), &Budget::default()).unwrap();
        let plan = Plan::load(&compiled.bytes).unwrap();
        let (mut signal, mut error) = (0.0, 0.0);
        for input in inputs(8) {
            let rows = &model.rows;
            let port = rows.outputs[0];
            let bytes = compiled.graph.values[rows.input].encode(rows.values[rows.input].to_rows(&input));
            let found = compiled.graph.values[port].decode(&simulate::run(&plan, &bytes).unwrap());
            let expected = rows.values[port].to_rows(&evaluate(&graph, &[&input])[graph.outputs[0].0]);
            for (expected, found) in expected.iter().zip(found) {
                signal += f64::from(*expected).powi(2);
                error += f64::from(expected - found).powi(2);
            }
        }
        10.0 * (signal / error).log10()
    }
}

prop_compose! {
    fn layers()(
        cell in 0..3, steps in 2usize..40, features in 1usize..10, units in 2usize..30, reverse in any::<bool>(),
        gives in 0..4, starts in any::<bool>(), seed in any::<u64>(),
    ) -> Layer {
        let cell = match cell {
            0 => Cell::Lstm,
            n => Cell::Gru { reset_product: n == 1 },
        };
        let gives = match gives {
            0 => Gives::Hidden,
            1 if cell == Cell::Lstm => Gives::Memory,
            _ => Gives::Steps,
        };
        Layer { cell, steps, features, units, reverse, gives, starts, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_are_near_the_float_layer(layer in layers()) {
        let [narrow, wide] = [Activations::Int8, Activations::Int16].map(|activations| layer.snr(activations));
        prop_assert!(narrow > 24.0 && wide > 34.0, "{} dB with int8, {} dB with int16", narrow, wide);
    }
}
