//! `compile --activations`: bits of activations, all or those that count.

use crate::common::data::{images, npy};
use crate::common::{Folder, residua, shared};
use serde_json::Value;

struct Model {
    folder: Folder,
    model: String,
    data: String,
}

impl Model {
    /// Compiles; what `compile` and `compare` say.
    fn compile(&self, activations: &str) -> (Value, f64) {
        let plan = self.plan();
        let compile = ["compile", &self.model, "--calibration", &self.data, "--activations", activations];
        let compiled = residua([&compile[..], &["-o", &plan, "--json"]].concat()).json();
        let compared = residua(["compare", &self.model, &plan, "--data", &self.data, "--json"]).json();
        (compiled, compared["snr_db"].as_f64().unwrap())
    }

    fn plan(&self) -> String {
        self.folder.path("model.plan")
    }

    /// Bits of each step's output.
    fn bits(&self) -> Vec<u64> {
        let inspected = residua(["inspect", &self.plan(), "--json"]).json();
        inspected["steps"].as_array().unwrap().iter().map(|s| s["activation_bits"].as_u64().unwrap()).collect()
    }
}

fn model() -> Model {
    let folder = Folder::new();
    let [model, data, _] = folder.compiled();
    Model { folder, model, data }
}

#[test]
fn more_bits_where_they_are_asked_for() {
    let model = model();
    let (narrow, narrow_db) = model.compile("8");
    assert!(model.bits().iter().all(|&bits| bits == 8));
    let (wide, wide_db) = model.compile("16");
    assert!(model.bits().iter().all(|&bits| bits == 16));
    assert!(wide_db > narrow_db + 6.0, "{wide_db} {narrow_db}");
    assert_eq!([&narrow, &wide].map(|json| json["int16_steps"].clone()), [0.into(), wide["steps"].clone()]);

    let bound = f64::midpoint(narrow_db, wide_db);
    let (some, some_db) = model.compile(&format!("auto:{bound}"));
    let count = model.bits().iter().filter(|&&bits| bits == 16).count() as u64;
    assert_eq!(some["int16_steps"], count);
    assert!(some_db > bound - 0.5, "{some_db} {bound}");
    assert!((1..wide["steps"].as_u64().unwrap()).contains(&count));
    // A bound that int8 reaches costs nothing, and one that nothing reaches ends.
    assert_eq!(model.compile(&format!("auto:{}", narrow_db - 3.0)).0["int16_steps"], 0);
    assert!(model.compile("auto:150").1 > wide_db - 1.0);
}

#[test]
fn an_emulated_core_equals_the_host() {
    let model = model();
    model.compile("16");
    let x = model.folder.write("x.npy", npy(&images(3, [3, 8, 8])));
    let json = residua(["run", &model.plan(), "--input", &x, "--target", "cortex-m4", "--json"]).json();
    assert_eq!(json["equals_host"], true);
    assert_eq!(residua(["self-test", &model.plan(), "--json"]).json()["passed"], true);
}

#[test]
fn other_bits_are_wrong_usage() {
    let Model { folder, model, data } = model();
    let out = folder.path("out.plan");
    for bits in ["", "12", "auto:", "auto:many", "auto40", "auto:inf"] {
        residua(["compile", &model, "--calibration", &data, "-o", &out, "--activations", bits])
            .fails(2, &["--activations"]);
    }
    let Some(quantized) = shared("onnx/mlperf_tiny/ic_resnet8_qdq.onnx") else { return };
    residua(["compile", quantized.to_str().unwrap(), "-o", &out, "--activations", "16"])
        .fails(2, &["quantized", "--activations"]);
}
