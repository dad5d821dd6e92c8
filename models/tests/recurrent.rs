//! Recurrent layers in every form: the imported graph, before and after all rewrites and written as a file again, computes what
//! tract makes of the first file.

mod common;

use common::{Attribute, Model, int, ints, reals, string, strings};
use residua_models::data::Stack;
use residua_models::evaluate::evaluate;
use residua_models::execute::Executor;
use residua_models::graph::{Graph, Operator};
use residua_models::onnx::{ImportError, export, import};
use residua_models::recurrence::Gives;
use residua_models::{rewrite, shape};
use std::path::Path;

const UNITS: i64 = 5;
const FEATURES: i64 = 3;
const STEPS: i64 = 6;

/// A layer `y` over the steps of `x`, `[1, 6, 3]`, with all constants that it may have.
fn layer(operator: &str, direction: &str, outputs: &[&str], mut attributes: Vec<Attribute>) -> Model {
    let gates = if operator == "LSTM" { 4 } else { 3 };
    let directions = if direction == "bidirectional" { 2 } else { 1 };
    attributes.extend([string("direction", direction), int("hidden_size", UNITS)]);
    let constant = |model: Model, name: &str, dims: &[i64]| {
        let count = dims.iter().product::<i64>() as usize;
        model.floats(name, dims, reals(count as u64 + name.len() as u64, count))
    };
    let mut model = Model::new(&[0, STEPS, FEATURES]);
    model = constant(model, "w", &[directions, gates * UNITS, FEATURES]);
    model = constant(model, "r", &[directions, gates * UNITS, UNITS]);
    model = constant(model, "b", &[directions, 2 * gates * UNITS]);
    model = constant(model, "h0", &[directions, 1, UNITS]);
    model = constant(model, "c_0", &[directions, 1, UNITS]);
    let inputs: &[&str] =
        if operator == "LSTM" { &["s", "w", "r", "b", "", "h0", "c_0"] } else { &["s", "w", "r", "b", "", "h0"] };
    model = model.node("Transpose", &["x"], "s", vec![ints("perm", &[1, 0, 2])]);
    model = model.node(operator, inputs, "y", attributes);
    if let Some(node) = model.graph().node.last_mut() {
        node.output = outputs.iter().map(ToString::to_string).collect();
    }
    model
}

fn agrees(name: &str, bytes: &[u8]) -> Graph {
    let graph = import(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut rewritten = graph.clone();
    rewrite::to_fixed_point(&mut rewritten);
    let input = reals(9, (STEPS * FEATURES) as usize);
    let expected = Executor::of_onnx(bytes).unwrap().run(&[&input]).unwrap();
    for graph in [&graph, &rewritten] {
        shape::check(graph).unwrap_or_else(|e| panic!("{name}: {e}"));
        let values = evaluate(graph, &[&input]);
        let evaluated: Vec<Vec<f32>> = graph.outputs.iter().map(|output| values[output.0].clone()).collect();
        let exported = Executor::of_onnx(&export(graph)).unwrap().run(&[&input]).unwrap();
        for found in [evaluated, exported] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-5, "{name}: {found} instead of {expected}");
            }
        }
    }
    rewritten
}

/// Each model of `tests/recurrent/`, of which the array beside it holds an input, then all outputs as ONNX Runtime computes them.
#[test]
fn forms_equal_onnx_runtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recurrent");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models = files.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect::<Vec<_>>();
    models.sort();
    assert_eq!(models.len(), 9);
    for path in models {
        let graph = import(&std::fs::read(&path).unwrap()).unwrap();
        let numbers = Stack::read_npy(&path.with_extension("npy")).unwrap().item(0).values;
        let (input, expected) = numbers.split_at(graph.value(graph.inputs[0]).shape.iter().product());
        let values = evaluate(&graph, &[input]);
        let exported = Executor::of_onnx(&export(&graph)).unwrap().run(&[input]).unwrap();
        let evaluated = graph.outputs.iter().flat_map(|output| values[output.0].clone()).collect();
        for found in [evaluated, exported.concat()] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{}: {found} instead of {expected}", path.display());
            }
        }
    }
}

#[test]
fn all_directions_and_outputs() {
    for direction in ["forward", "reverse", "bidirectional"] {
        agrees(direction, &layer("LSTM", direction, &["y"], vec![]).finish(&["y"]));
        let all = layer("LSTM", direction, &["y", "h", "c"], vec![]).finish(&["h", "y", "c"]);
        agrees(direction, &all);
        for reset in [0, 1] {
            let reset = vec![int("linear_before_reset", reset)];
            agrees(direction, &layer("GRU", direction, &["y", "h"], reset).finish(&["y", "h"]));
        }
    }
}

/// What is read of a sequence's end is the state after the last step, which is all that is kept then.
#[test]
fn the_last_step_of_a_layer_is_its_state() {
    let last = |direction: &str, index: i64| {
        let model = layer("GRU", direction, &["y"], vec![])
            .node("Transpose", &["y"], "turned", vec![ints("perm", &[2, 0, 1, 3])])
            .ints("shape", &[1, STEPS, -1])
            .node("Reshape", &["turned", "shape"], "joined", vec![]);
        let mut bytes = model.ints("index", &[index]);
        // A single number takes the axis away.
        if let Some(constant) = bytes.graph().initializer.last_mut() {
            constant.dims.clear();
        }
        agrees(direction, &bytes.node("Gather", &["joined", "index"], "z", vec![int("axis", 1)]).finish(&["z"]))
    };
    let given = |graph: &Graph| -> Vec<Gives> {
        let recurrences = graph.nodes.iter().filter_map(|n| match &n.operator {
            Operator::Recurrence(recurrence) => Some(recurrence.gives),
            _ => None,
        });
        recurrences.collect()
    };
    assert_eq!(given(&last("forward", -1)), [Gives::Hidden]);
    assert_eq!(given(&last("forward", 2)), [Gives::Steps]);
    assert_eq!(given(&last("reverse", 0)), [Gives::Hidden]);
    assert_eq!(given(&last("bidirectional", -1)), [Gives::Hidden; 2]);
    assert_eq!(given(&last("bidirectional", 0)), [Gives::Hidden; 2]);
}

#[test]
fn what_is_not_computed_is_refused_with_its_remedy() {
    let attribute = |attribute: Attribute| layer("LSTM", "forward", &["y"], vec![attribute]).finish(&["y"]);
    let peepholes = layer("LSTM", "forward", &["y"], vec![]).floats("p", &[1, 3 * UNITS], vec![1.0; 15]);
    let mut computed = layer("GRU", "forward", &["y"], vec![]);
    computed.graph().node[1].input[5] = "s".into();
    let mut lengths = layer("GRU", "forward", &["y"], vec![]).ints("lengths", &[STEPS - 1]);
    lengths.graph().node[1].input[4] = "lengths".into();
    let mut with_peepholes = peepholes;
    with_peepholes.graph().node[1].input.push("p".into());
    for (bytes, reason, nearest) in [
        (attribute(common::float("clip", 3.0)), "clip", "without clip"),
        (attribute(int("layout", 1)), "layout = 1", "layout = 0"),
        (attribute(int("input_forget", 1)), "input_forget = 1", "input_forget = 0"),
        (attribute(strings("activations", &["Relu", "Tanh", "Tanh"])), "Relu", "Sigmoid, Tanh, Tanh"),
        (with_peepholes.finish(&["y"]), "peepholes", "without peepholes"),
        (computed.finish(&["y"]), "initial_h is computed", "a constant initial_h"),
        (lengths.finish(&["y"]), "sequence_lens", "sequences of 6 steps"),
    ] {
        let Err(ImportError::Unsupported(nodes)) = import(&bytes) else { panic!("{reason} is not refused") };
        assert_eq!(nodes.len(), 1);
        assert!(nodes[0].node == "node_y" && nodes[0].reason.contains(reason), "{}", nodes[0]);
        assert!(nodes[0].nearest.contains(nearest), "{}", nodes[0]);
    }
    // The default activations may be said.
    let said = attribute(strings("activations", &["sigmoid", "tanh", "tanh"]));
    assert!(import(&said).unwrap().nodes.iter().any(|n| matches!(n.operator, Operator::Recurrence(_))));
}
