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

/// Branches weighted by shares of a softmax over them (Li et al., 2019), each by itself and all in one tensor.
#[test]
fn stacks() {
    const BRANCHES: [&str; 3] = ["Relu", "Sigmoid", "Tanh"];
    for count in [2, 3] {
        let branches = || {
            BRANCHES.iter().take(count).enumerate().fold(Model::new(&[1, 4, 3, 2]), |model, (i, operator)| {
                let model = model.node(operator, &["x"], &format!("b{i}"), vec![]);
                model.node("GlobalAveragePool", &[&format!("b{i}")], &format!("g{i}"), vec![])
            })
        };
        let names = |stem: &str| -> Vec<String> { (0..count).map(|i| format!("{stem}{i}")).collect() };
        let all = |model: Model, operator: &str, stem: &str, output: &str, attributes| {
            let names = names(stem);
            model.node(operator, &names.iter().map(String::as_str).collect::<Vec<_>>(), output, attributes)
        };
        let exponentials =
            (0..count).fold(branches(), |model, i| model.node("Exp", &[&format!("g{i}")], &format!("e{i}"), vec![]));
        let summed = all(exponentials, "Sum", "e", "total", vec![]);
        let weighted = (0..count).fold(summed, |model, i| {
            let model = model.node("Div", &[&format!("e{i}"), "total"], &format!("w{i}"), vec![]);
            model.node("Mul", &[&format!("b{i}"), &format!("w{i}")], &format!("p{i}"), vec![])
        });
        let plain = all(weighted, "Sum", "p", "y", vec![]).finish(&["y"]);

        let apart = |model: Model, stem: &str| {
            (0..count).fold(model, |model, i| {
                model.node("Unsqueeze", &[&format!("{stem}{i}"), "one"], &format!("{stem}u{i}"), vec![])
            })
        };
        let axis = || vec![common::int("axis", 1)];
        let stacked = apart(apart(branches().ints("one", &[1]), "b"), "g");
        let stacked = all(all(stacked, "Concat", "bu", "u", axis()), "Concat", "gu", "g", axis());
        let reduced = |model: Model| {
            let model = model.node("Mul", &["u", "w"], "m", vec![]);
            model.node("ReduceSum", &["m", "one"], "y", vec![common::int("keepdims", 0)]).finish(&["y"])
        };
        let whole = reduced(stacked.clone().node("Softmax", &["g"], "w", axis()));
        // The shares of a flat vector, as linear layers give them.
        let flat = stacked.ints("flat", &[1, 4 * count as i64]).ints("parts", &[1, count as i64, 4]);
        let flat = flat.ints("last", &[3, 4]).node("Reshape", &["g", "flat"], "f", vec![]);
        let flat = flat.node("Reshape", &["f", "parts"], "v", vec![]).node("Softmax", &["v"], "s", axis());
        let flat = reduced(flat.node("Unsqueeze", &["s", "last"], "w", vec![]));
        compute_the_same(&format!("{count} branches"), plain, vec![whole, flat]);
    }
}

#[test]
fn conditions_that_are_constant() {
    let model = |channels: i64| {
        let branch = |name: &str, operator: &str, number: f32| {
            let inside = Model::new(&[]).floats("n", &[], vec![number]).node(operator, &["x"], "f", vec![]);
            common::graph(name, inside.node("Mul", &["f", "n"], "r", vec![]), &[], &["r"])
        };
        let model = Model::new(&[1, 4, 3, 2]).ints("axis", &[1]).ints("channels", &[channels]);
        let model = model.node("Shape", &["x"], "s", vec![]).node("Gather", &["s", "axis"], "c", vec![]);
        let model = model.node("Equal", &["c", "channels"], "condition", vec![]);
        let branches = vec![branch("then_branch", "Relu", 2.0), branch("else_branch", "Tanh", 3.0)];
        model.node("If", &["condition"], "y", branches).finish(&["y"])
    };
    let plain = |operator: &str, number: f32| {
        let model = Model::new(&[1, 4, 3, 2]).floats("n", &[], vec![number]).node(operator, &["x"], "f", vec![]);
        model.node("Mul", &["f", "n"], "y", vec![]).finish(&["y"])
    };
    compute_the_same("true", plain("Relu", 2.0), vec![model(4)]);
    compute_the_same("false", plain("Tanh", 3.0), vec![model(5)]);
    let branch = |name: &str| common::graph(name, Model::new(&[]).node("Relu", &["x"], "r", vec![]), &[], &["r"]);
    let computed = Model::new(&[1, 1]).node("If", &["x"], "y", vec![branch("then_branch"), branch("else_branch")]);
    let error = import(&computed.finish(&["y"])).unwrap_err().to_string();
    assert!(error.contains("node_y (If)") && error.contains("condition"), "{error}");
}

/// `h' = tanh(W h + x)` over the steps of `[3, 1, 4]`, written out and as loops.
#[test]
fn loops_of_known_trips() {
    const STEPS: i64 = 3;
    let start = || Model::new(&[STEPS, 1, 4]).floats("w", &[4, 4], reals(2, 16)).floats("h0", &[1, 4], reals(3, 4));
    let cell = |model: Model, state: &str, step: &str, next: &str| {
        let model = model.node("MatMul", &[state, "w"], &format!("{next}p"), vec![]);
        model.node("Add", &[&format!("{next}p"), step], &format!("{next}s"), vec![]).node(
            "Tanh",
            &[&format!("{next}s")],
            next,
            vec![],
        )
    };
    let plain = (0..STEPS).fold(start(), |model, t| {
        let model = model.ints(&format!("t{t}"), &[t]).ints("one", &[0]);
        let model = model.node("Gather", &["x", &format!("t{t}")], &format!("x3{t}"), vec![]);
        let model = model.node("Squeeze", &[&format!("x3{t}"), "one"], &format!("x{t}"), vec![]);
        let model = cell(model, &format!("h{t}"), &format!("x{t}"), &format!("h{}", t + 1));
        model.node("Unsqueeze", &[&format!("h{}", t + 1), "one"], &format!("u{t}"), vec![])
    });
    let steps = plain.clone().node("Concat", &["u0", "u1", "u2"], "y", vec![common::int("axis", 0)]).finish(&["y"]);
    let last = plain.finish(&["h3"]);

    let inside = || Model::new(&[]).ints("limit", &[STEPS - 1]);
    let body = inside().node("Gather", &["x", "i"], "step", vec![]);
    let body = cell(body, "h", "step", "next").node("Less", &["i", "limit"], "more", vec![]);
    let body = common::graph("body", body, &["i", "c", "h"], &["more", "next", "next"]);
    let repeated = |trips: &str, outputs: &[&str], read: &str| {
        let model = start().ints("many", &[1000]).ints("few", &[STEPS]);
        model.node("Loop", &[trips, "", "h0"], "loop", vec![body.clone()]).outputs(outputs).finish(&[read])
    };
    let loops = |read: &str| ["many", "few", ""].map(|trips| repeated(trips, &["last", "all"], read));
    let scanned = |read: &str| {
        let body = cell(inside(), "h", "step", "next");
        let body = common::graph("body", body, &["h", "step"], &["next", "next"]);
        let attributes = vec![body, common::int("num_scan_inputs", 1)];
        start().node("Scan", &["h0", "x"], "scan", attributes).outputs(&["last", "all"]).finish(&[read])
    };
    compute_the_same("the last state", last, [&loops("last")[..], &[scanned("last")]].concat());
    compute_the_same("all states", steps, [&loops("all")[..], &[scanned("all")]].concat());

    // Too many trips, or trips that are not known, are refused, and so is what a body has, once.
    let endless = common::graph("body", cell(inside(), "h", "x0", "next"), &["i", "c", "h"], &["c", "next"]);
    let model =
        start().ints("t", &[0]).node("Gather", &["x", "t"], "x3", vec![]).node("Squeeze", &["x3", "t"], "x0", vec![]);
    let error =
        import(&model.node("Loop", &["", "", "h0"], "y", vec![endless]).finish(&["y"])).unwrap_err().to_string();
    assert!(error.contains("64 times") && error.contains("LSTM"), "{error}");
    let doubled = inside().node("Concat", &["h", "h"], "next", vec![common::int("axis", 0)]);
    let doubled = common::graph("body", doubled, &["i", "c", "h"], &["c", "next"]);
    let growing = start().ints("many", &[60]).node("Loop", &["many", "", "h0"], "y", vec![doubled]).finish(&["y"]);
    let error = import(&growing).unwrap_err().to_string();
    assert!(error.contains("constants of more than"), "{error}");
    let body = inside().node("Det", &["h"], "next", vec![]);
    let body = common::graph("body", body, &["i", "c", "h"], &["c", "next"]);
    let unknown = start().ints("few", &[STEPS]).node("Loop", &["few", "", "h0"], "y", vec![body]).finish(&["y"]);
    assert!(matches!(import(&unknown).unwrap_err(), ImportError::Unsupported(list) if list.len() == 1));
}

#[test]
fn sequences_backwards() {
    let steps = || Model::new(&[4, 1, 3]).ints("n", &[4]).ints("back", &[3, 2, 1, 0]);
    let plain = steps().node("Gather", &["x", "back"], "y", vec![]).finish(&["y"]);
    let reversed = steps().node("ReverseSequence", &["x", "n"], "y", vec![]).finish(&["y"]);
    let [found, _] = outputs("reversed", &reversed);
    let expected: Vec<f32> = reals(1, 12).chunks(3).rev().flatten().copied().collect();
    assert_eq!(found, expected);
    compute_the_same("backwards", plain, vec![reversed]);
}

/// Keys' kernel over the four pixels around each place, the edge pixels going on.
#[test]
fn cubic_interpolation() {
    let (height, width, factor, a) = (3usize, 4usize, 3usize, -0.75f32);
    let scales = vec![1.0, 1.0, factor as f32, factor as f32];
    let model = Model::new(&[1, 2, height as i64, width as i64]).floats("s", &[4], scales);
    let attributes = vec![string("mode", "cubic"), string("coordinate_transformation_mode", "half_pixel")];
    let bytes = model.node("Resize", &["x", "", "s"], "y", attributes).finish(&["y"]);
    let x = reals(1, 2 * height * width);
    let around = |at: usize, size: usize| {
        let place = (at as f32 + 0.5) / factor as f32 - 0.5;
        (-1..3).map(move |k| {
            let d = (place.floor() + k as f32 - place).abs();
            let near = (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0;
            let far = a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a;
            let index = (place.floor() as i64 + k).clamp(0, size as i64 - 1) as usize;
            (index, if d <= 1.0 { near } else { far })
        })
    };
    for found in outputs("cubic", &bytes) {
        let mut found = found.into_iter();
        for c in 0..2 {
            for y in 0..height * factor {
                for u in 0..width * factor {
                    let pixel = |row: usize, column: usize| x[(c * height + row) * width + column];
                    let row = |row: usize| around(u, width).map(|(column, w)| pixel(row, column) * w).sum::<f32>();
                    let expected: f32 = around(y, height).map(|(line, w)| row(line) * w).sum();
                    assert!((found.next().unwrap() - expected).abs() < 1e-5, "{c} {y} {u}");
                }
            }
        }
    }
}

#[test]
fn the_complement_of_an_error_function() {
    let model = || Model::new(&[1, 3, 4, 2]).floats("one", &[], vec![1.0]);
    let plain = model().node("Erf", &["x"], "e", vec![]).node("Sub", &["one", "e"], "y", vec![]).finish(&["y"]);
    compute_the_same("Erfc", plain, vec![model().node("Erfc", &["x"], "y", vec![]).finish(&["y"])]);
}

#[test]
fn vectors_of_length_one() {
    let plain = Model::new(&[1, 6]).ints("a", &[1]).node("Mul", &["x", "x"], "q", vec![]);
    let plain = plain.node("ReduceSum", &["q", "a"], "s", vec![]).node("Sqrt", &["s"], "r", vec![]);
    let plain = plain.node("Div", &["x", "r"], "y", vec![]).finish(&["y"]);
    let norm = Model::new(&[1, 6]).ints("to", &[1, 6]).floats("least", &[], vec![1e-12]);
    let norm = norm.node("ReduceL2", &["x"], "n", vec![ints("axes", &[1])]);
    let norm = norm.node("Clip", &["n", "least"], "c", vec![]).node("Expand", &["c", "to"], "e", vec![]);
    compute_the_same("a vector by its norm", plain, vec![norm.node("Div", &["x", "e"], "y", vec![]).finish(&["y"])]);
}
