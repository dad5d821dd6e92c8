//! The emulated Cortex-M4 computes the host's outputs bit for bit.

use crate::common::data::{Array, images, npy};
use crate::common::{Folder, residua, shared};
use serde_json::Value;

fn run(plan: &str, x: &str, more: &[&str]) -> Value {
    let json = residua([&["run", plan, "--input", x, "--target", "cortex-m4", "--json"], more].concat()).json();
    assert_eq!((&json["target"], &json["equals_host"]), (&"cortex-m4".into(), &true.into()), "{json}");
    for key in ["instructions", "cycles", "load_instructions", "arena_bytes", "stack_bytes", "code_bytes"] {
        assert!(json[key].as_u64().unwrap() > 0, "{key}: {json}");
    }
    json
}

#[test]
fn a_small_network_and_its_profile() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let x = folder.write("x.npy", npy(&images(3, [3, 8, 8])));
    let (on_host, on_core) = (folder.path("host.npy"), folder.path("core.npy"));
    let json = run(&plan, &x, &["--output", &on_core, "--profile"]);
    assert_eq!(json["inferences"], 3);
    residua(["run", &plan, "--input", &x, "--output", &on_host, "--json"]).json();
    assert_eq!(std::fs::read(on_host).unwrap(), std::fs::read(on_core).unwrap());
    let inspected = residua(["inspect", &plan, "--json"]).json();
    let steps = json["steps"].as_array().unwrap();
    for (profiled, step) in steps.iter().zip(inspected["steps"].as_array().unwrap()) {
        assert_eq!(profiled["name"], step["name"]);
        assert!(profiled["instructions"].as_u64().unwrap() > 0 && profiled["cycles"].as_u64().unwrap() > 0);
    }
    let json = residua(["self-test", &plan, "--target", "cortex-m4", "--json"]).json();
    assert_eq!(json["passed"], true);
}

/// Eight inputs of a real model.
fn real(model: &str, data: &str, shape: [u64; 3], arguments: &[&str]) {
    let (Some(model), Some(data)) = (shared(model), shared(data)) else { return };
    let [model, data] = [&model, &data].map(|path| path.to_str().unwrap());
    let folder = Folder::new();
    let plan = folder.path("out.plan");
    let compile = [&["compile", model, "--calibration", data, "--limit", "20", "-o", &plan, "--json"], arguments];
    residua(compile.concat()).json();
    let mut random = crate::common::random::Random::new(1);
    let values = (0..8 * shape.iter().product::<u64>()).map(|_| random.next() as i8).collect();
    let x = folder.write("x.npy", npy(&Array { shape: [&[8], &shape[..]].concat(), values }));
    assert_eq!(run(&plan, &x, &[])["inferences"], 8);
}

#[test]
fn kws_dscnn() {
    let scaling = ["--input-scale", "0.5847029", "--input-offset", "-48.5303407"];
    let data = "data/mlperf_tiny/kws01_mfcc_int8.npz";
    real("onnx/mlperf_tiny/kws_dscnn.onnx", data, [49, 10, 1], &scaling);
}

#[test]
fn ic_resnet8() {
    real("onnx/mlperf_tiny/ic_resnet8.onnx", "data/mlperf_tiny/ic_cifar10_uint8.npz", [32, 32, 3], &[]);
}

#[test]
fn vww_mobilenetv1() {
    let data = "data/mlperf_tiny/vww01_uint8.npz";
    real("onnx/mlperf_tiny/vww_mobilenetv1.onnx", data, [96, 96, 3], &["--input-scale", "1/255"]);
}

#[test]
fn res8_narrow() {
    real("onnx/kws/res8_narrow.onnx", "data/kws_honk_mfcc_test.npz", [1, 101, 40], &[]);
}

#[test]
fn ad_autoencoder() {
    let folder = Folder::new();
    let data = crate::common::data::npz(
        &Array { shape: vec![20, 640], values: crate::common::random::Random::new(2).reals(20 * 640) },
        None,
    );
    let Some(model) = shared("onnx/mlperf_tiny/ad_autoencoder.onnx") else { return };
    let (plan, data) = (folder.path("out.plan"), folder.write("data.npz", data));
    residua(["compile", model.to_str().unwrap(), "--calibration", &data, "-o", &plan, "--json"]).json();
    let values = crate::common::random::Random::new(3).reals(8 * 640);
    let x = folder.write("x.npy", npy(&Array { shape: vec![8, 640], values }));
    assert_eq!(run(&plan, &x, &[])["inferences"], 8);
}
