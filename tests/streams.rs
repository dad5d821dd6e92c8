//! `compile --stream` and what takes its plans: long inputs equal whole frames window by window, what cannot stream is
//! named.

use crate::common::data::{images, npy, npz, read_npy};
use crate::common::onnx::{Onnx, network};
use crate::common::random::Random;
use crate::common::{Folder, residua};
use serde_json::{Value, json};

/// A network of 3 channels, 8 rows and 8 columns that pads no rows, up to a mean over all rows.
fn unpadded() -> Onnx {
    let mut random = Random::new(5);
    let mut onnx = Onnx::new();
    onnx.input("x", &[1, 3, 8, 8])
        .constant("w1", &[4, 3, 3, 3], random.reals(4 * 27))
        .node("Conv", &["x", "w1"], "c1", &[("pads", &[0, 1, 0, 1])])
        .node("Relu", &["c1"], "r1", &[])
        .constant("w2", &[4, 4, 1, 3], random.reals(4 * 12))
        .node("Conv", &["r1", "w2"], "c2", &[("pads", &[0, 1, 0, 1])])
        .node("Add", &["c2", "r1"], "a", &[])
        .node("GlobalAveragePool", &["a"], "p", &[])
        .node("Flatten", &["p"], "f", &[("axis", &[1])])
        .constant("w3", &[5, 4], random.reals(20))
        .constant("b3", &[5], random.reals(5))
        .node("Gemm", &["f", "w3", "b3"], "y", &[("transB", &[1])])
        .output("y", &[1, 5]);
    onnx
}

/// Paths of the plan for whole frames and of that for a stream, and what `compile --stream` told.
fn plans(folder: &Folder, mut onnx: Onnx) -> ([String; 2], Value) {
    onnx.metadata("residua.labels", "a, b, c, d, e");
    let model = folder.write("model.onnx", onnx.encode());
    let data = folder.write("data.npz", npz(&images(24, [3, 8, 8]), None));
    let paths = ["whole.plan", "stream.plan"].map(|name| folder.path(name));
    let compile = |plan: &str, more: &[&str]| {
        residua([&["compile", &model, "--calibration", &data, "-o", plan, "--json"], more].concat()).json()
    };
    let whole = compile(&paths[0], &[]);
    assert!(whole["stream"].is_null());
    let stream = compile(&paths[1], &["--stream"]);
    (paths, stream)
}

#[test]
fn every_window_equals_the_whole_frame() {
    let folder = Folder::new();
    let ([whole, stream], compiled) = plans(&folder, unpadded());
    let times = json!({
        "window": 8, "outputs": 1, "exact": 1, "delay": 0, "first": 8, "warm_up": 8, "rows": 1, "per": 1,
    });
    assert_eq!((&compiled["stream"], &compiled["segments"]), (&times, &1.into()));
    let inspected = residua(["inspect", &stream, "--json"]).json();
    assert_eq!((&inspected["stream"], &inspected["macs"]), (&times, &compiled["macs"]));
    assert!(residua(["inspect", &stream]).stdout.contains("bit for bit"));

    // Two streams of 20 rows; all windows of the first.
    let long = images(2, [3, 20, 8]);
    let mut windows = long.clone();
    windows.values = (0..13)
        .flat_map(|y| (0..3).flat_map(move |c| (0..64).map(move |i| (c * 20 + y) * 8 + i)))
        .map(|i| long.values[i])
        .collect();
    windows.shape = vec![13, 3, 8, 8];
    let run = |plan: &str, x: &[u8]| {
        let (x, y) = (folder.write("x.npy", x), folder.path("y.npy"));
        let json = residua(["run", plan, "--input", &x, "--output", &y, "--json"]).json();
        (json, read_npy(&y))
    };
    let (told, rows) = run(&stream, &npy(&long));
    assert_eq!((&told["inferences"], &told["rows"], &told["output_rows"]), (&2.into(), &20.into(), &13.into()));
    assert_eq!(rows.shape, [2, 13, 5]);
    let (_, frames) = run(&whole, &npy(&windows));
    assert_eq!(rows.values[..13 * 5], frames.values);
    assert_eq!(residua(["self-test", &stream, "--json"]).json()["passed"], true);
}

#[test]
fn accuracy_of_windows() {
    let folder = Folder::new();
    for (network, delay) in [(unpadded(), 0), (network(), 2)] {
        let ([whole, stream], compiled) = plans(&folder, network);
        assert_eq!(compiled["stream"]["delay"], delay);
        let x = images(24, [3, 8, 8]);
        let labels: Vec<i64> = (0..24).map(|i| i % 5).collect();
        let data = folder.write("labelled.npz", npz(&x, Some(&labels)));
        let eval = |plan: &str, more: &[&str]| residua([&["eval", plan, "--data", &data, "--json"], more].concat());
        let [whole_top1, stream_top1] = [eval(&whole, &[]), eval(&stream, &["--stream"])].map(|o| o.json());
        assert_eq!(stream_top1["stream"], compiled["stream"]);
        if delay == 0 {
            assert_eq!(whole_top1["top1"], stream_top1["top1"]);
        }
        eval(&whole, &["--stream"]).fails(2, &["whole.plan", "compile --stream"]);
        eval(&folder.path("model.onnx"), &["--stream"]).fails(2, &["model.onnx", "compile --stream"]);
        residua(["compare", &folder.path("model.onnx"), &stream, "--data", &data]).fails(3, &["--stream"]);
    }
}

#[test]
fn what_cannot_stream_is_named() {
    let mut random = Random::new(5);
    let mut gate = Onnx::new();
    gate.input("x", &[1, 3, 8, 8])
        .node("GlobalAveragePool", &["x"], "squeeze", &[])
        .constant("w", &[3, 3, 1, 1], random.reals(9))
        .node("Conv", &["squeeze", "w"], "excite", &[])
        .node("Mul", &["x", "excite"], "gate", &[])
        .output("gate", &[1, 3, 8, 8]);
    let folder = Folder::new();
    let model = folder.write("gate.onnx", gate.encode());
    let data = folder.write("data.npz", npz(&images(24, [3, 8, 8]), None));
    let plan = folder.path("gate.plan");
    residua(["compile", &model, "--calibration", &data, "-o", &plan, "--stream"])
        .fails(4, &["`gate`", "8 rows", "without --stream"]);
    assert_eq!(folder.entries(), ["data.npz", "gate.onnx"]);
    residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
}

#[test]
fn inputs_of_other_shapes_are_refused() {
    let folder = Folder::new();
    let ([_, stream], _) = plans(&folder, unpadded());
    for shape in [[3, 20, 7], [2, 20, 8], [20, 8, 4]] {
        let x = folder.write("x.npy", npy(&images(1, shape)));
        residua(["run", &stream, "--input", &x]).fails(3, &[&format!("{shape:?}")]);
    }
    let x = folder.write("x.npy", npy(&images(1, [3, 20, 8])));
    residua(["run", &stream, "--input", &x, "--target", "cortex-m4", "--profile"]).fails(2, &["--profile"]);
}

#[test]
fn the_core_streams_as_the_host() {
    let folder = Folder::new();
    let ([_, stream], _) = plans(&folder, network());
    let x = folder.write("x.npy", npy(&images(2, [3, 30, 8])));
    let (on_host, on_core) = (folder.path("host.npy"), folder.path("core.npy"));
    let arguments = ["run", &stream, "--input", &x, "--json"];
    let json = residua([&arguments[..], &["--target", "cortex-m4", "--output", &on_core]].concat()).json();
    residua([&arguments[..], &["--output", &on_host]].concat()).json();
    assert_eq!((&json["equals_host"], &json["inferences"]), (&true.into(), &2.into()), "{json}");
    for key in ["instructions", "cycles", "load_instructions", "arena_bytes", "stack_bytes", "code_bytes"] {
        assert!(json[key].as_u64().unwrap() > 0, "{key}: {json}");
    }
    let [mean, most] = ["instructions_per_row", "instructions"].map(|key| json[key].as_f64().unwrap());
    assert!(0.0 < mean && mean <= most, "{json}");
    assert_eq!(std::fs::read(on_host).unwrap(), std::fs::read(on_core).unwrap());
}

#[test]
fn a_keyword_is_heard_once_when_its_window_has_come() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/res8_narrow");
    let [model, calibration, yes] =
        ["res8_narrow.onnx", "calibration.npz", "demo/yes.wav"].map(|name| format!("{own}/{name}"));
    let folder = Folder::new();
    let plan = folder.path("stream.plan");
    let json = residua(["compile", &model, "--calibration", &calibration, "-o", &plan, "--stream", "--json"]).json();
    assert_eq!(json["stream"]["first"], 125);
    // The recording, then silence, then the recording again.
    let once: Vec<i16> = hound::WavReader::open(&yes).unwrap().into_samples().map(Result::unwrap).collect();
    let long = [&once[..], &[0; 24_000], &once, &[0; 8000]].concat();
    let path = folder.path("long.wav");
    let spec = hound::WavReader::open(&yes).unwrap().spec();
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    long.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    let listen = |more: &[&str]| {
        residua([&["listen", &plan, "--audio", &path, "--threshold", "0.6", "--json"], more].concat()).json()
    };
    let heard = listen(&["--target", "cortex-m4"]);
    assert_eq!((&heard["equals_host"], &heard["detections"]), (&true.into(), &listen(&[])["detections"]));
    let heard = heard["detections"].as_array().unwrap();
    let times: Vec<f64> = heard.iter().map(|one| one["seconds"].as_f64().unwrap()).collect();
    assert!(heard.len() == 2 && heard.iter().all(|one| one["label"] == "yes"), "{heard:?}");
    let apart = (once.len() + 24_000) as f64 / 16_000.0;
    assert!(times[0] >= 1.25 && (times[1] - times[0] - apart).abs() < 0.2, "{times:?}");
}
