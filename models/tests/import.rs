//! Imported graphs compute what the file says: the naive run of the graph, before and after all rewrites, and tract's run
//! of the graph written as a file again, equal tract's run of the first file.

mod common;

use common::{Attribute, Model, float, int, ints, reals, reference, shared, string};
use residua_models::evaluate::evaluate;
use residua_models::execute::Executor;
use residua_models::graph::Graph;
use residua_models::onnx::{ImportError, export, import, survey};
use residua_models::{rewrite, shape};

/// Imports a file and compares it with tract; the rewritten graph.
fn computes_the_same(name: &str, bytes: &[u8]) -> Graph {
    let graph = import(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut rewritten = graph.clone();
    rewrite::to_fixed_point(&mut rewritten);
    let executor = Executor::of_onnx(bytes).unwrap();
    let inputs: Vec<Vec<f32>> =
        (1..).zip(executor.input_shapes()).map(|(seed, s)| reals(seed, s.iter().product())).collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let expected = executor.run(&inputs).unwrap();
    for graph in [&graph, &rewritten] {
        shape::check(graph).unwrap_or_else(|e| panic!("{name}: {e}"));
        let values = evaluate(graph, &inputs);
        let evaluated: Vec<&[f32]> = graph.outputs.iter().map(|output| values[output.0].as_slice()).collect();
        let exported = Executor::of_onnx(&export(graph)).unwrap().run(&inputs).unwrap();
        for (index, expected) in expected.iter().enumerate() {
            for found in [evaluated[index], &exported[index]] {
                assert_eq!(found.len(), expected.len(), "{name}");
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() <= 1e-3 * (1.0 + e.abs()), "{name}: {f} instead of {e}");
                }
            }
        }
    }
    rewritten
}

#[test]
fn published_models() {
    for name in [
        "mlperf_tiny/kws_dscnn",
        "mlperf_tiny/ic_resnet8",
        "mlperf_tiny/vww_mobilenetv1",
        "mlperf_tiny/ad_autoencoder",
        "kws/res8",
        "kws/res8_narrow",
    ] {
        let Some(path) = shared(&format!("onnx/{name}.onnx")) else { return };
        let rewritten = computes_the_same(name, &std::fs::read(path).unwrap());
        let affines = rewritten.nodes.iter().filter(|n| n.operator.name() == "Affine").count();
        assert_eq!(affines, 0, "{name}: every norm is folded");
    }
}

/// A 2×3×5×6 input through nodes that are easy to get wrong.
#[test]
fn forms_of_operators() {
    let weight = |name: &str, dims: &[i64], model: Model| {
        let count = dims.iter().product::<i64>() as usize;
        model.floats(name, dims, reals(count as u64, count))
    };
    let image = || weight("w", &[4, 3, 3, 3], Model::new(&[0, 3, 7, 6]));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "same upper",
            image()
                .node("Conv", &["x", "w"], "y", vec![string("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])])
                .finish(&["y"]),
        ),
        (
            "asymmetric",
            image()
                .node("Conv", &["x", "w"], "y", vec![ints("pads", &[0, 2, 1, 0]), ints("dilations", &[2, 1])])
                .finish(&["y"]),
        ),
        (
            "grouped",
            weight("w", &[6, 1, 3, 1], Model::new(&[1, 3, 7, 6]))
                .node("Conv", &["x", "w"], "y", vec![int("group", 3)])
                .finish(&["y"]),
        ),
        (
            "one axis",
            weight("w", &[4, 3, 5], Model::new(&[1, 3, 20]))
                .node("Conv", &["x", "w"], "c", vec![ints("pads", &[1, 3]), ints("strides", &[2])])
                .node("Relu", &["c"], "y", vec![])
                .finish(&["y"]),
        ),
        (
            "gemm",
            weight("w", &[3, 5], weight("b", &[5], Model::new(&[1, 3])))
                .node("Gemm", &["x", "w", "b"], "y", vec![float("alpha", 0.5), float("beta", 2.0)])
                .finish(&["y"]),
        ),
        (
            "matmul over tokens",
            weight("w", &[6, 5], Model::new(&[1, 4, 6])).node("MatMul", &["x", "w"], "y", vec![]).finish(&["y"]),
        ),
        (
            "affine arithmetic",
            weight("c", &[3, 1, 1], Model::new(&[1, 3, 4, 4]))
                .floats("two", &[], vec![2.0])
                .node("Sub", &["c", "x"], "a", vec![])
                .node("Mul", &["a", "c"], "b", vec![])
                .node("Div", &["b", "two"], "y", vec![])
                .finish(&["y"]),
        ),
        (
            "ceil max pool",
            Model::new(&[1, 2, 6, 6])
                .node(
                    "MaxPool",
                    &["x"],
                    "y",
                    vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), int("ceil_mode", 1)],
                )
                .finish(&["y"]),
        ),
        (
            "average without padding",
            Model::new(&[1, 2, 5, 5])
                .node("AveragePool", &["x"], "y", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])])
                .finish(&["y"]),
        ),
        (
            "average with padding",
            Model::new(&[1, 2, 5, 5])
                .node(
                    "AveragePool",
                    &["x"],
                    "y",
                    vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1]), int("count_include_pad", 1)],
                )
                .finish(&["y"]),
        ),
        (
            "mean of one axis",
            Model::new(&[1, 2, 5, 6])
                .node("ReduceMean", &["x"], "y", vec![ints("axes", &[-1]), int("keepdims", 0)])
                .finish(&["y"]),
        ),
        (
            "mean of all",
            Model::new(&[1, 2, 5, 6])
                .node("ReduceMean", &["x"], "y", vec![ints("axes", &[2, 3]), int("keepdims", 0)])
                .finish(&["y"]),
        ),
        (
            "softmax of channels",
            Model::new(&[1, 5, 2, 3]).node("Softmax", &["x"], "y", vec![int("axis", 1)]).finish(&["y"]),
        ),
        (
            "shape arithmetic",
            Model::new(&[0, 4, 2, 3])
                .ints("first", &[0])
                .ints("rest", &[-1])
                .ints("at", &[0])
                .node("Shape", &["x"], "s", vec![])
                .node("Gather", &["s", "first"], "n", vec![int("axis", 0)])
                .node("Concat", &["n", "rest"], "t", vec![int("axis", 0)])
                .node("Reshape", &["x", "t"], "y", vec![])
                .finish(&["y"]),
        ),
        (
            "clip as attributes",
            Model::new(&[1, 3, 2, 2])
                .opset(7)
                .node("Clip", &["x"], "y", vec![float("min", -0.5), float("max", 0.25)])
                .finish(&["y"]),
        ),
        (
            "transpose",
            Model::new(&[1, 3, 2, 4]).node("Transpose", &["x"], "y", vec![ints("perm", &[0, 2, 3, 1])]).finish(&["y"]),
        ),
    ];
    for (name, bytes) in cases {
        computes_the_same(name, &bytes);
    }
}

/// A 1×4×5×6×7 input through windows over three axes.
#[test]
fn volumes() {
    let model = || Model::new(&[1, 4, 5, 6, 7]);
    let convolution = |dims: &[i64], attributes| {
        let count = dims.iter().product::<i64>() as usize;
        let model = model().floats("w", dims, reals(7, count)).floats("b", &dims[..1], reals(8, dims[0] as usize));
        model.node("Conv", &["x", "w", "b"], "c", attributes).node("Relu", &["c"], "y", vec![]).finish(&["y"])
    };
    let pool = |operator: &str, kernel: &[i64], rest: &[common::Attribute]| {
        let attributes = [&[ints("kernel_shape", kernel)], rest].concat();
        model().node(operator, &["x"], "y", attributes).finish(&["y"])
    };
    let pads = |list: &[i64]| ints("pads", list);
    let cases = [
        ("depths apart", convolution(&[6, 2, 1, 3, 3], vec![int("group", 2), pads(&[0, 1, 1, 0, 1, 0])])),
        ("depth alone", convolution(&[3, 4, 3, 1, 1], vec![pads(&[1, 0, 0, 2, 0, 0])])),
        ("all axes", convolution(&[4, 2, 2, 3, 2], vec![int("group", 2), ints("strides", &[2, 1, 2])])),
        ("dilated", convolution(&[2, 4, 3, 2, 2], vec![ints("dilations", &[2, 1, 3]), pads(&[1, 1, 1, 1, 1, 1])])),
        ("maximum over the plane", pool("MaxPool", &[1, 2, 2], &[ints("strides", &[1, 2, 2])])),
        ("maximum over all", pool("MaxPool", &[3, 2, 2], &[pads(&[1, 0, 0, 1, 1, 1])])),
        ("maximum of depth blocks", pool("MaxPool", &[2, 1, 1], &[ints("strides", &[2, 1, 1])])),
        ("mean over all", pool("AveragePool", &[2, 2, 3], &[pads(&[1, 0, 1, 1, 1, 1]), ints("strides", &[2, 1, 2])])),
        ("mean with padding", pool("AveragePool", &[2, 3, 3], &[pads(&[1; 6]), int("count_include_pad", 1)])),
        ("global mean", model().node("GlobalAveragePool", &["x"], "y", vec![]).finish(&["y"])),
        ("mean of two axes", model().node("ReduceMean", &["x"], "y", vec![ints("axes", &[2, 4])]).finish(&["y"])),
    ];
    for (name, bytes) in cases {
        computes_the_same(name, &bytes);
    }
}

/// What exporters write in several nodes, or as a function of the model, becomes what it stands for.
#[test]
fn forms_of_exporters() {
    let model = || Model::new(&[1, 4, 6, 6]);
    let names = |name: &str, bytes: &[u8]| -> Vec<&'static str> {
        computes_the_same(name, bytes).nodes.iter().map(|n| n.operator.name()).collect()
    };
    // GELU as PyTorch wrote it before operator set 20.
    let gelu = model()
        .floats("root", &[], vec![std::f32::consts::SQRT_2])
        .floats("one", &[], vec![1.0])
        .floats("half", &[], vec![0.5])
        .node("Div", &["x", "root"], "d", vec![])
        .node("Erf", &["d"], "e", vec![])
        .node("Add", &["e", "one"], "a", vec![])
        .node("Mul", &["x", "a"], "m", vec![])
        .node("Mul", &["m", "half"], "y", vec![]);
    assert_eq!(names("gelu", &gelu.finish(&["y"])).len(), 1);
    // A shape that is worked out, with a choice in it.
    let shape = model()
        .ints("at", &[1])
        .ints("minus", &[-1])
        .ints("zero", &[0])
        .node("Shape", &["x"], "s", vec![])
        .node("Gather", &["s", "at"], "c", vec![])
        .node("Equal", &["c", "zero"], "q", vec![])
        .node("Where", &["q", "minus", "c"], "w", vec![])
        .node("ReduceProd", &["s"], "all", vec![int("keepdims", 1)])
        .node("Div", &["all", "w"], "r", vec![])
        .node("Concat", &["w", "r"], "t", vec![int("axis", 0)])
        .node("Reshape", &["x", "t"], "v", vec![])
        .node("Relu", &["v"], "y", vec![]);
    assert_eq!(names("shape", &shape.finish(&["y"])), ["Reshape", "Clip"]);
    // Channels last inside, as tf2onnx leaves them.
    let channels_last = Model::new(&[1, 6, 6, 4])
        .floats("w", &[5, 4, 3, 3], reals(3, 180))
        .floats("g", &[1, 1, 1, 5], reals(4, 5))
        .node("Transpose", &["x"], "t", vec![ints("perm", &[0, 3, 1, 2])])
        .node("Conv", &["t", "w"], "c", vec![string("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])])
        .node("Transpose", &["c"], "u", vec![ints("perm", &[0, 2, 3, 1])])
        .node("Add", &["u", "g"], "y", vec![]);
    assert_eq!(names("channels last", &channels_last.finish(&["y"])), ["Transpose", "Conv", "Transpose"]);
    // Normalization by statistics of the tensor, written out.
    let layer = Model::new(&[1, 12])
        .ints("last", &[-1])
        .floats("two", &[], vec![2.0])
        .floats("epsilon", &[], vec![0.01])
        .opset(18)
        .node("ReduceMean", &["x", "last"], "m", vec![])
        .node("Sub", &["x", "m"], "d", vec![])
        .node("Pow", &["d", "two"], "q", vec![])
        .node("ReduceMean", &["q", "last"], "v", vec![])
        .node("Add", &["v", "epsilon"], "w", vec![])
        .node("Sqrt", &["w"], "r", vec![])
        .node("Div", &["d", "r"], "y", vec![]);
    assert_eq!(names("layer norm", &layer.finish(&["y"])), ["Gemm", "Sub", "Function", "Gemm", "Function", "Mul"]);
}

#[test]
fn calls_of_functions_become_their_nodes() {
    let model = || {
        let model = Model::new(&[1, 4, 6, 6]).function("scaled", &["a", "b"], &["c"], &["alpha"], |f| {
            f.node("LeakyRelu", &["a"], "r", vec![reference("alpha", "alpha")]).node("Mul", &["r", "b"], "c", vec![])
        });
        let model = model.function("twice", &["i"], &["o"], &[], |f| {
            f.call("scaled", &["i", "i"], "h", vec![float("alpha", 0.5)]).call("scaled", &["h", "i"], "o", vec![])
        });
        model.call("twice", &["x"], "h", vec![])
    };
    let bytes = model().node("Relu", &["h"], "y", vec![]).finish(&["y"]);
    computes_the_same("functions", &bytes);
    let written_out = Model::new(&[1, 4, 6, 6])
        .node("LeakyRelu", &["x"], "r", vec![float("alpha", 0.5)])
        .node("Mul", &["r", "x"], "s", vec![])
        .node("LeakyRelu", &["s"], "t", vec![])
        .node("Mul", &["t", "x"], "u", vec![])
        .node("Relu", &["u"], "y", vec![])
        .finish(&["y"]);
    let operators = |bytes: &[u8]| -> Vec<_> { import(bytes).unwrap().nodes.into_iter().map(|n| n.operator).collect() };
    assert_eq!(operators(&bytes), operators(&written_out));
    let endless = Model::new(&[1, 2]).function("f", &["i"], &["o"], &[], |f| f.call("f", &["i"], "o", vec![]));
    let error = import(&endless.call("f", &["x"], "y", vec![]).finish(&["y"])).unwrap_err().to_string();
    assert!(error.contains("deep"), "{error}");
}

/// Functions of one element, by node type and attributes.
#[test]
fn functions() {
    let cases = [
        ("Abs", vec![]),
        ("Elu", vec![float("alpha", 0.5)]),
        ("Erf", vec![]),
        ("Exp", vec![]),
        ("HardSigmoid", vec![float("alpha", 0.3), float("beta", 0.4)]),
        ("HardSwish", vec![]),
        ("LeakyRelu", vec![float("alpha", 0.1)]),
        ("Selu", vec![]),
        ("Sigmoid", vec![]),
        ("Softplus", vec![]),
        ("Tanh", vec![]),
    ];
    for (operator, attributes) in cases {
        let model = Model::new(&[1, 3, 4, 2]).node(operator, &["x"], "y", attributes);
        computes_the_same(operator, &model.finish(&["y"]));
    }
}

/// A 1×4×6×6 input through operators of two tensors, of parts, and of enlarged images.
#[test]
fn joins_parts_and_enlargements() {
    let model = || Model::new(&[1, 4, 6, 6]).node("GlobalAveragePool", &["x"], "g", vec![]);
    let resize = |mode: &str, transform: &str, rounding: &str, factor: f32| {
        let attributes = vec![
            string("mode", mode),
            string("coordinate_transformation_mode", transform),
            string("nearest_mode", rounding),
        ];
        let model = model().floats("s", &[4], vec![1.0, 1.0, factor, factor]);
        model.node("Resize", &["x", "", "s"], "y", attributes).finish(&["y"])
    };
    let transposed = |kernel: i64, stride: i64, pads: [i64; 4], extra: i64, group: i64| {
        let model = model().floats("w", &[4, 2, kernel, kernel], reals(5, (8 * kernel * kernel) as usize));
        let model = model.floats("b", &[2 * group], reals(6, 2 * group as usize));
        let attributes = vec![
            ints("strides", &[stride, stride]),
            ints("pads", &pads),
            ints("output_padding", &[extra, extra]),
            int("group", group),
        ];
        model.node("ConvTranspose", &["x", "w", "b"], "y", attributes).finish(&["y"])
    };
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let model = model().ints("s", starts).ints("e", ends).ints("a", axes).ints("t", steps);
        model.node("Slice", &["x", "s", "e", "a", "t"], "y", vec![]).finish(&["y"])
    };
    let cases = [
        ("gate", model().node("Mul", &["g", "x"], "y", vec![]).finish(&["y"])),
        ("difference from a mean", model().node("Sub", &["g", "x"], "y", vec![]).finish(&["y"])),
        ("sum of three", model().node("Sum", &["x", "g", "x"], "y", vec![]).finish(&["y"])),
        ("clamped", model().floats("m", &[], vec![0.1]).node("Max", &["x", "m"], "y", vec![]).finish(&["y"])),
        (
            "slopes of channels",
            model().floats("s", &[4, 1, 1], reals(4, 4)).node("PRelu", &["x", "s"], "y", vec![]).finish(&["y"]),
        ),
        (
            "a number a column",
            model().floats("c", &[6], reals(4, 6)).node("Mul", &["x", "c"], "y", vec![]).finish(&["y"]),
        ),
        ("concatenation", model().node("Concat", &["x", "x", "x"], "y", vec![int("axis", -3)]).finish(&["y"])),
        ("some channels", slice(&[1], &[-1], &[1], &[1])),
        ("every second pixel", slice(&[0, 0], &[6, 6], &[2, 3], &[2, 2])),
        ("backwards", slice(&[-1, 4], &[i64::MIN, 0], &[2, 3], &[-1, -2])),
        ("every second channel", slice(&[1], &[4], &[1], &[2])),
        ("the middle", slice(&[1, 2], &[5, 6], &[2, 3], &[1, 1])),
        ("every second pixel of a part", slice(&[1], &[5], &[3], &[2])),
        (
            "padding of all axes",
            model().ints("p", &[0, 1, 2, 0, 0, 2, 0, 3]).node("Pad", &["x", "p"], "y", vec![]).finish(&["y"]),
        ),
        (
            "depth to space",
            model().node("DepthToSpace", &["x"], "y", vec![int("blocksize", 2), string("mode", "CRD")]).finish(&["y"]),
        ),
        (
            "depth to space, depth first",
            model().node("DepthToSpace", &["x"], "y", vec![int("blocksize", 2)]).finish(&["y"]),
        ),
        ("nearest pixels", resize("nearest", "asymmetric", "floor", 3.0)),
        ("nearest pixels by centres", resize("nearest", "half_pixel", "round_prefer_floor", 2.0)),
        ("interpolation", resize("linear", "half_pixel", "floor", 2.0)),
        ("interpolation by three", resize("linear", "half_pixel", "floor", 3.0)),
        ("transposed, blocks", transposed(2, 2, [0; 4], 0, 1)),
        ("transposed, overlapping", transposed(4, 2, [1; 4], 0, 1)),
        ("transposed, odd kernel", transposed(3, 2, [1; 4], 1, 2)),
        ("transposed, wide", transposed(5, 2, [2, 1, 2, 1], 1, 1)),
        ("transposed, stride 1", transposed(3, 1, [1; 4], 0, 1)),
        ("logarithm of a softmax", model().node("LogSoftmax", &["x"], "y", vec![int("axis", 1)]).finish(&["y"])),
    ];
    for (name, bytes) in cases {
        computes_the_same(name, &bytes);
    }
}

#[test]
fn places_of_rows_and_columns() {
    let model = || Model::new(&[1, 3, 7, 5]).floats("half", &[], vec![0.5]);
    let resize = |mode: &str, transform: &str, rounding: &str, sizes: [i64; 4]| {
        let attributes = vec![
            string("mode", mode),
            string("coordinate_transformation_mode", transform),
            string("nearest_mode", rounding),
        ];
        model().ints("s", &sizes).node("Resize", &["x", "", "", "s"], "y", attributes).finish(&["y"])
    };
    let pad = |mode: &str, pads: &[i64]| {
        let attributes = vec![string("mode", mode)];
        model().ints("p", pads).node("Pad", &["x", "p"], "y", attributes).finish(&["y"])
    };
    let gather = |axis: i64, indices: &[i64]| {
        model().ints("i", indices).node("Gather", &["x", "i"], "y", vec![int("axis", axis)]).finish(&["y"])
    };
    let cases = [
        ("linear by unlike factors", resize("linear", "half_pixel", "floor", [1, 3, 13, 8])),
        ("linear, aligned corners", resize("linear", "align_corners", "floor", [1, 3, 14, 10])),
        ("nearest by unlike factors", resize("nearest", "asymmetric", "floor", [1, 3, 12, 15])),
        ("smaller", resize("linear", "half_pixel", "floor", [1, 3, 3, 4])),
        ("mirrored", pad("reflect", &[0, 0, 2, 1, 0, 0, 3, 4])),
        ("edges repeated", pad("edge", &[0, 0, 2, 0, 0, 0, 0, 9])),
        ("another number around", {
            let model = model().ints("p", &[0, 1, 2, 0, 0, 0, 1, 1]);
            model.node("Pad", &["x", "p", "half"], "y", vec![]).finish(&["y"])
        }),
        ("picked rows", gather(2, &[6, 0, 0, 3])),
        ("picked channels", gather(1, &[2, 0])),
        ("a column", gather(-1, &[-2])),
        ("below each other", model().node("Concat", &["x", "x"], "y", vec![int("axis", 2)]).finish(&["y"])),
        ("beside what is computed from it", {
            let model = model().node("Relu", &["x"], "r", vec![]);
            model.node("Concat", &["r", "x"], "y", vec![int("axis", 3)]).finish(&["y"])
        }),
        ("channels beside constants", {
            let numbers = [vec![0.0; 35], vec![0.25; 35]].concat();
            let model = model().floats("c", &[1, 2, 7, 5], numbers);
            model.node("Concat", &["c", "x", "c"], "y", vec![int("axis", 1)]).finish(&["y"])
        }),
    ];
    for (name, bytes) in cases {
        computes_the_same(name, &bytes);
    }
}

#[test]
fn axes_that_are_joined_repeated_and_named() {
    let model = || Model::new(&[1, 4, 6, 5]).floats("half", &[], vec![0.5]).floats("zero", &[], vec![0.0]);
    let reduce = |operator: &str, axes: &[i64]| {
        model().node(operator, &["x"], "y", vec![ints("axes", axes), int("keepdims", 1)]).finish(&["y"])
    };
    let stacked = |operator: &str, attributes: Vec<Attribute>| {
        let model = model().ints("front", &[0]).node("Relu", &["x"], "r", vec![]);
        let model =
            model.node("Unsqueeze", &["x", "front"], "a", vec![]).node("Unsqueeze", &["r", "front"], "b", vec![]);
        let model = model.node("Concat", &["a", "b"], "s", vec![int("axis", 0)]);
        model.node(operator, &["s"], "y", attributes).finish(&["y"])
    };
    let choice = |yes: &str, no: &str| {
        let model = model().node("Greater", &["x", "half"], "g", vec![]);
        model.node("Where", &["g", yes, no], "y", vec![]).finish(&["y"])
    };
    let cases = [
        ("largest channel", reduce("ReduceMax", &[1])),
        ("largest of rows with channels last", reduce("ReduceMax", &[1, 2])),
        ("smallest", reduce("ReduceMin", &[2, 3])),
        ("length", reduce("ReduceL2", &[1])),
        ("sizes", reduce("ReduceL1", &[2, 3])),
        ("mean of a stack", stacked("ReduceMean", vec![ints("axes", &[0]), int("keepdims", 0)])),
        ("largest of a stack", stacked("ReduceMax", vec![ints("axes", &[0]), int("keepdims", 0)])),
        ("chosen numbers", choice("half", "zero")),
        ("chosen elements", choice("x", "half")),
        ("chosen by another number", choice("zero", "x")),
        ("chosen of two", {
            let model = model().node("Sigmoid", &["x"], "s", vec![]).node("LessOrEqual", &["x", "s"], "g", vec![]);
            model.node("Where", &["g", "x", "s"], "y", vec![]).finish(&["y"])
        }),
        ("signs", model().node("Sign", &["x"], "y", vec![]).finish(&["y"])),
        ("a gate that is repeated", {
            let model = model().ints("e", &[1, 4, 6, 5]).node("GlobalAveragePool", &["x"], "g", vec![]);
            model.node("Expand", &["g", "e"], "w", vec![]).node("Mul", &["x", "w"], "y", vec![]).finish(&["y"])
        }),
        ("a tensor that is repeated", {
            let model = model().ints("e", &[1, 2, 1, 3]);
            model.node("Tile", &["x", "e"], "y", vec![]).finish(&["y"])
        }),
        ("channels mixed by letters", {
            let model = model().floats("w", &[3, 4], reals(7, 12));
            model.node("Einsum", &["x", "w"], "y", vec![string("equation", "nchw,oc->nohw")]).finish(&["y"])
        }),
        ("channels weighted by letters", {
            let model = model().node("ReduceMean", &["x"], "w", vec![ints("axes", &[2, 3]), int("keepdims", 0)]);
            model.node("Einsum", &["x", "w"], "y", vec![string("equation", "nchw,nc->nchw")]).finish(&["y"])
        }),
        ("a matrix of matrices", {
            let model = model().floats("a", &[5, 2], reals(7, 10)).floats("b", &[2, 3], reals(8, 6));
            model.node("MatMul", &["a", "b"], "w", vec![]).node("MatMul", &["x", "w"], "y", vec![]).finish(&["y"])
        }),
    ];
    for (name, bytes) in cases {
        computes_the_same(name, &bytes);
    }
}

#[test]
fn a_norm_between_a_shortcut_and_a_padded_convolution_pads_each_channel_with_its_mean() {
    let model = Model::new(&[1, 2, 4, 4]).floats("w", &[2, 2, 3, 3], reals(3, 36));
    let model = model.floats("g", &[2], vec![1.5, -0.5]).floats("b", &[2], vec![0.3, 0.1]);
    let model = model.floats("m", &[2], vec![0.2, -0.4]).floats("v", &[2], vec![0.5, 2.0]);
    let bytes = model
        .node("Relu", &["x"], "r", vec![])
        .node("BatchNormalization", &["r", "g", "b", "m", "v"], "n", vec![])
        .node("Conv", &["n", "w"], "c", vec![ints("pads", &[1, 1, 1, 1])])
        .node("Add", &["c", "r"], "y", vec![])
        .finish(&["y"]);
    let names: Vec<_> = computes_the_same("norm", &bytes).nodes.iter().map(|n| n.operator.name()).collect();
    assert_eq!(names, ["Clip", "Conv", "Add"]);
}

#[test]
fn all_unsupported_nodes_are_named_at_once() {
    let bytes = Model::new(&[1, 3, 4, 4])
        .node("Einsum", &["x"], "a", vec![])
        .node("Relu", &["a"], "b", vec![])
        .node("NonZero", &["b"], "c", vec![])
        .node("Cast", &["x"], "d", vec![int("to", 6)])
        .finish(&["c", "d"]);
    let Err(ImportError::Unsupported(nodes)) = import(&bytes) else { panic!("it is not supported") };
    let names: Vec<_> = nodes.iter().map(|n| (n.node.as_str(), n.operator.as_str())).collect();
    assert_eq!(names, [("node_a", "Einsum"), ("node_c", "NonZero"), ("node_d", "Cast")]);
    assert_eq!(nodes[0].shape.as_deref(), Some(&[1, 3, 4, 4][..]));
    let survey = survey(&bytes).unwrap();
    assert_eq!((survey.unsupported, survey.macs), (nodes, None));
    assert_eq!(survey.operators["Relu"], 1);
}

/// A few bytes may ask for any amount of memory.
#[test]
fn absurd_sizes_are_refused_before_they_are_made() {
    let model = || Model::new(&[1, 4, 6, 6]);
    let repeats = model().ints("r", &[1, 1 << 22, 1, 1]).node("Tile", &["x", "r"], "y", vec![]);
    let blocks = Model::new(&[1, 288, 1000, 1000]).node("SpaceToDepth", &["x"], "y", vec![int("blocksize", 1000)]);
    let rows = Model::new(&[1, 1, 1 << 28, 1]).ints("p", &[0, 0, 1, 0, 0, 0, 0, 0]);
    let rows = rows.node("Pad", &["x", "p"], "y", vec![]);
    for model in [repeats, blocks, rows] {
        assert!(matches!(import(&model.finish(&["y"])), Err(ImportError::Unsupported(_))));
    }
}

#[test]
fn a_survey_counts() {
    let bytes = Model::new(&[0, 3, 8, 8])
        .floats("w", &[4, 3, 3, 3], vec![0.5; 108])
        .floats("b", &[4], vec![0.5; 4])
        .node("Conv", &["x", "w", "b"], "c", vec![])
        .node("Relu", &["c"], "y", vec![])
        .finish(&["y"]);
    let survey = survey(&bytes).unwrap();
    assert_eq!((survey.macs, survey.parameters, survey.opset), (Some(36 * 108), 112, 17));
    assert_eq!(survey.inputs[0].shape, [Err("unknown0".to_string()), Ok(3), Ok(8), Ok(8)]);
}

#[test]
fn damaged_models_are_refused_with_the_name_of_what_is_wrong() {
    let conv = |weights: Vec<f32>| {
        Model::new(&[1, 1, 4, 4]).floats("kernel", &[1, 1, 3, 3], weights).node("Conv", &["x", "kernel"], "y", vec![])
    };
    let message = |bytes: &[u8]| import(bytes).unwrap_err().to_string();
    let whole = conv(vec![1.0; 9]).finish(&["y"]);
    assert!(import(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(import(&whole[..len]).is_err(), "{len} bytes of {}", whole.len());
    }
    let mut weights = vec![1.0; 9];
    weights[4] = f32::NAN;
    assert!(message(&conv(weights).finish(&["y"])).contains("kernel"));
    assert!(message(&conv(vec![1.0; 5]).finish(&["y"])).contains("kernel"));
    let cycle = Model::new(&[1, 1, 4, 4]).node("Add", &["x", "b"], "a", vec![]).node("Relu", &["a"], "b", vec![]);
    assert!(message(&cycle.finish(&["b"])).contains("cycle"));
    let dynamic = Model::new(&[1, 1, -1, 4]).node("Relu", &["x"], "y", vec![]).finish(&["y"]);
    assert!(message(&dynamic).contains("unknown1"));
    let mut huge = conv(vec![]);
    huge.graph().initializer[0].dims = vec![1 << 40, 1 << 40, 3, 3];
    assert!(message(&huge.finish(&["y"])).contains("absurdly large"));
    let undefined = Model::new(&[1, 1, 4, 4]).node("Add", &["x", "nowhere"], "y", vec![]).finish(&["y"]);
    assert!(message(&undefined).contains("nowhere"));
    let mismatch = Model::new(&[1, 2, 4, 4]).floats("kernel", &[1, 1, 3, 3], vec![1.0; 9]);
    let mismatch = mismatch.node("Conv", &["x", "kernel"], "y", vec![]).finish(&["y"]);
    assert!(message(&mismatch).contains("node_y"));
}

proptest::proptest! {
    /// Whatever is changed in a file, importing it ends with a graph that is well formed or with an error.
    #[test]
    fn flipped_bits_never_panic(flips in proptest::collection::vec((proptest::prelude::any::<usize>(), 0u8..8), 1..6)) {
        let mut bytes = Model::new(&[0, 3, 8, 8])
            .floats("w", &[4, 3, 3, 3], reals(1, 108))
            .ints("target", &[1, -1])
            .node("Conv", &["x", "w"], "c", vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])])
            .node("Relu", &["c"], "r", vec![])
            .node("AveragePool", &["r"], "p", vec![ints("kernel_shape", &[2, 2])])
            .node("Reshape", &["p", "target"], "f", vec![])
            .node("Softmax", &["f"], "y", vec![int("axis", 1)])
            .finish(&["y"]);
        for (at, bit) in flips {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        if let Ok(mut graph) = import(&bytes) {
            shape::check(&graph).unwrap();
            rewrite::to_fixed_point(&mut graph);
            shape::check(&graph).unwrap();
        }
    }
}
