//! What a file says in one of several ways: models that compute the same import to graphs that compute the same.

mod common;

use common::{Model, float, floats, ints, reals, string};
use residua_models::evaluate::evaluate;
use residua_models::graph::Graph;
use residua_models::onnx::{ImportError, import};
use residua_models::{rewrite, shape};

/// The first outputs of a graph and of what all rewrites make of it.
fn outputs(name: &str, bytes: &[u8]) -> [Vec<f32>; 2] {
    let graph = import(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut rewritten = graph.clone();
    rewrite::to_fixed_point(&mut rewritten);
    [&graph, &rewritten].map(|graph: &Graph| {
        shape::check(graph).unwrap_or_else(|e| panic!("{name}: {e}"));
        let input = reals(1, graph.value(graph.inputs[0]).shape.iter().product());
        evaluate(graph, &[&input])[graph.outputs[0].0].clone()
    })
}

/// Compares models with one that says the same plainly.
fn compute_the_same(name: &str, plain: Vec<u8>, others: Vec<Vec<u8>>) {
    let [expected, _] = outputs(name, &plain);
    for other in others {
        for found in outputs(name, &other) {
            assert_eq!(found.len(), expected.len(), "{name}");
            for (f, e) in found.iter().zip(&expected) {
                assert!((f - e).abs() <= 1e-4 * (1.0 + e.abs()), "{name}: {f} instead of {e}");
            }
        }
    }
}

#[test]
fn operators_that_an_optimizer_joined() {
    let image = || Model::new(&[1, 3, 5, 4]).floats("w", &[3, 3, 3, 3], reals(2, 81)).floats("b", &[3], reals(3, 3));
    let pads = || ints("pads", &[1, 1, 1, 1]);
    let plain = image().node("Conv", &["x", "w", "b"], "c", vec![pads()]).node("Add", &["c", "x"], "s", vec![]);
    let clip = |model: Model| model.floats("l", &[], vec![-0.1]).floats("h", &[], vec![0.5]);
    let joined = |activation: &str, numbers: &[f32]| {
        let attributes = vec![pads(), string("activation", activation), floats("activation_params", numbers)];
        image().node("com.microsoft.FusedConv", &["x", "w", "b", "x"], "y", attributes).finish(&["y"])
    };
    compute_the_same(
        "a convolution with a clip",
        clip(plain.clone()).node("Clip", &["s", "l", "h"], "y", vec![]).finish(&["y"]),
        vec![joined("Clip", &[-0.1, 0.5])],
    );
    let relu = plain.node("Relu", &["s"], "y", vec![]).finish(&["y"]);
    compute_the_same("a convolution with a ReLU", relu, vec![joined("Relu", &[])]);

    let vector = || Model::new(&[1, 4]).floats("w", &[4, 4], reals(2, 16)).floats("b", &[1, 4], reals(3, 4));
    let plain = vector().node("MatMul", &["x", "w"], "p", vec![]).node("Add", &["p", "x"], "s", vec![]);
    let attributes = vec![string("activation", "LeakyRelu"), float("activation_alpha", 0.2)];
    compute_the_same(
        "a product with a computed summand",
        plain.node("LeakyRelu", &["s"], "y", vec![float("alpha", 0.2)]).finish(&["y"]),
        vec![vector().node("com.microsoft.FusedGemm", &["x", "w", "x"], "y", attributes).finish(&["y"])],
    );

    let tokens = || Model::new(&[1, 4, 4]).floats("w", &[4, 4], reals(2, 16)).floats("a", &[], vec![-2.0]);
    let turned =
        |model: Model, from: &str, to: &str| model.node("Transpose", &[from], to, vec![ints("perm", &[0, 2, 1])]);
    let across = tokens().node("Transpose", &["w"], "v", vec![]);
    let plain = turned(across, "x", "t").node("MatMul", &["t", "v"], "p", vec![]).node("Mul", &["p", "a"], "y", vec![]);
    let attributes = vec![common::int("transA", 1), common::int("transB", 1), float("alpha", -2.0)];
    compute_the_same(
        "a product of what is turned",
        plain.finish(&["y"]),
        vec![tokens().node("com.microsoft.FusedMatMul", &["x", "w"], "y", attributes).finish(&["y"])],
    );

    let biased = || vector().node("Add", &["x", "b"], "s", vec![]);
    for (plain, joined) in [("none", "com.microsoft.BiasGelu"), ("tanh", "com.microsoft.FastGelu")] {
        let other = vector().node(joined, &["x", "b"], "y", vec![]).finish(&["y"]);
        let plain = biased().opset(20).node("Gelu", &["s"], "y", vec![string("approximate", plain)]).finish(&["y"]);
        compute_the_same(joined, plain, vec![other]);
    }
}

/// A first dimension that is fixed to more than 1.
#[test]
fn first_dimensions() {
    let shape = |model: Model| {
        let graph = import(&model.finish(&["y"])).unwrap();
        [graph.inputs[0], graph.outputs[0]].map(|id| graph.value(id).shape.clone())
    };
    let tokens =
        |shape: &[i64]| Model::new(shape).floats("w", &[4, 5], reals(2, 20)).node("MatMul", &["x", "w"], "y", vec![]);
    assert_eq!(shape(tokens(&[6, 1, 4])), [vec![6, 1, 4], vec![6, 1, 5]], "steps");
    let axis = |model: Model| model.ints("a", &[0]).node("Unsqueeze", &["x", "a"], "u", vec![]);
    let conv = |model: Model, input: &str, output: &str| {
        model.floats("w", &[2, 3, 3, 3], reals(2, 54)).node("Conv", &[input, "w"], output, vec![])
    };
    assert_eq!(shape(conv(axis(Model::new(&[3, 8, 8])), "u", "y")), [vec![3, 8, 8], vec![1, 2, 6, 6]], "channels");
    let batch = || conv(Model::new(&[4, 3, 8, 8]), "x", "c");
    assert_eq!(shape(batch().node("Relu", &["c"], "y", vec![])), [vec![1, 3, 8, 8], vec![1, 2, 6, 6]], "a batch");
    let fixed = batch().ints("s", &[4, 72]).node("Reshape", &["c", "s"], "y", vec![]).finish(&["y"]);
    let error = import(&fixed).unwrap_err();
    assert!(matches!(&error, ImportError::Batch { batch: 4, .. }), "{error}");
    // What is not supported is named, whatever the batch.
    let unsupported = batch().node("Det", &["c"], "d", vec![]).node("NonZero", &["c"], "y", vec![]).finish(&["y", "d"]);
    assert!(matches!(import(&unsupported).unwrap_err(), ImportError::Unsupported(list) if list.len() == 2));
}
