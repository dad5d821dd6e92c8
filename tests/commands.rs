//! What commands promise: JSON keys, exit codes, help, agreement with each other.

use crate::common::data::{images, npy, npz, read_npy};
use crate::common::onnx::network;
use crate::common::{Folder, command, residua};
use residua_models::execute::Executor;
use serde_json::Value;

const SUBCOMMANDS: [&str; 10] =
    ["inspect", "compile", "run", "eval", "compare", "self-test", "report", "listen", "boards", "doctor"];

fn largest(values: &[f32]) -> i64 {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap() as i64
}

fn keys(json: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(!json[key].is_null(), "no {key} in {json}");
    }
}

#[test]
fn help_has_an_example_everywhere() {
    let all = command("--help");
    assert_eq!(all.code, Some(0));
    for subcommand in SUBCOMMANDS {
        assert!(all.stdout.contains(subcommand), "{subcommand}");
        let help = residua([subcommand, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains(&format!("Example: residua {subcommand}")), "{}", help.stdout);
        assert!(help.stdout.contains("--json"), "{}", help.stdout);
    }
}

#[test]
fn wrong_usage() {
    for line in [
        "",
        "frobnicate",
        "inspect",
        "compile model.onnx",
        "compile model.onnx -o out.plan --target cortex-m9",
        "compile model.onnx -o out.plan --method guess",
        "compile model.onnx -o out.plan --weights 3",
        "compile model.onnx -o out.plan --weights 4",
        "compile model.onnx -o out.plan --objective speed",
        "run model.plan",
        "run model.plan --input x.npy --profile",
        "eval model.plan",
        "eval model.plan --data d --device tpu",
        "eval model.plan --data d --device gpu",
        "eval model.plan --data d --input-scale x",
        "listen model.plan --audio microphone",
        "boards --frobnicate",
    ] {
        let outcome = command(line);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{line}: {outcome:?}");
        assert!(!outcome.stderr.is_empty(), "{line}");
    }
}

#[test]
fn inspect_of_a_model() {
    let folder = Folder::new();
    let model = folder.write("model.onnx", network().encode());
    let json = residua(["inspect", &model, "--json"]).json();
    keys(&json, &["macs", "parameters", "operators", "unsupported"]);
    assert_eq!(json["macs"], 64 * 4 * 27 + 64 * 4 * 36 + 20);
    assert_eq!(json["operators"]["Conv"], 2);
    assert!(json["unsupported"].as_array().unwrap().is_empty());
    let text = residua(["inspect", &model]).stdout;
    assert!(text.contains("Conv") && text.contains("[1, 3, 8, 8]"), "{text}");
}

#[test]
fn compile_and_inspect_agree() {
    let folder = Folder::new();
    let model = folder.write("model.onnx", network().encode());
    let data = folder.write("data.npz", npz(&images(24, [3, 8, 8]), None));
    let plan = folder.path("out.plan");
    let compiled = residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
    keys(&compiled, &["arena_bytes", "constants_bytes", "plan_bytes", "segments", "seconds"]);
    let inspected = residua(["inspect", &plan, "--json"]).json();
    keys(&inspected, &["macs", "parameters", "operators", "unsupported", "constants_bytes", "arena_bytes", "steps"]);
    for key in ["arena_bytes", "constants_bytes", "plan_bytes", "segments", "macs"] {
        assert_eq!(compiled[key], inspected[key], "{key}");
    }
    assert_eq!(compiled["plan_bytes"], std::fs::metadata(&plan).unwrap().len());
    let of_model = residua(["inspect", &model, "--json"]).json();
    assert_eq!(inspected["macs"], of_model["macs"]);
    let steps = inspected["steps"].as_array().unwrap();
    for step in steps {
        keys(step, &["name", "operator", "macs", "weight_bits", "activation_bits"]);
    }
    let memory = inspected["memory"].as_array().unwrap();
    for buffer in memory {
        keys(buffer, &["kind", "writer", "offset", "bytes", "steps", "live"]);
    }
    keys(&inspected["peak"], &["step", "operator", "segment", "bytes", "buffers"]);
    let bound = inspected["arena_lower_bound"].as_u64().unwrap();
    assert!(
        inspected["peak"]["bytes"].as_u64().unwrap() <= bound && bound <= inspected["arena_bytes"].as_u64().unwrap()
    );
    assert_eq!(steps.iter().map(|s| s["macs"].as_u64().unwrap()).sum::<u64>(), inspected["macs"].as_u64().unwrap());
    assert_eq!(inspected["input"]["shape"], serde_json::json!([1, 3, 8, 8]));
    assert_eq!(inspected["output"]["shape"], serde_json::json!([1, 5]));
    let text = residua(["inspect", &plan]).stdout;
    for part in ["arena", "lower bound", "peak", "buffer of", "ring of"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let folder = Folder::new();
    let [model, data, plan] = folder.compiled();
    let again = folder.path("again.plan");
    residua(["compile", &model, "--calibration", &data, "-o", &again, "--json"]).json();
    assert_eq!(std::fs::read(plan).unwrap(), std::fs::read(again).unwrap());
}

#[test]
fn a_model_that_is_not_quantized_needs_calibration() {
    let folder = Folder::new();
    let model = folder.write("model.onnx", network().encode());
    residua(["compile", &model, "-o", &folder.path("out.plan")]).fails(2, &["--calibration"]);
    assert_eq!(folder.entries(), ["model.onnx"]);
}

#[test]
fn run_on_the_host() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let x = folder.write("x.npy", npy(&images(6, [3, 8, 8])));
    let y = folder.path("y.npy");
    let json = residua(["run", &plan, "--input", &x, "--output", &y, "--json"]).json();
    assert_eq!((&json["target"], &json["inferences"]), (&"host".into(), &6.into()));
    let y = read_npy(&y);
    assert_eq!(y.shape, [6, 5]);
    let differ = y.values.chunks(5).any(|row| row != &y.values[..5]);
    assert!(differ, "all outputs are equal: {y:?}");
}

#[test]
fn compare_and_eval_are_close_to_float() {
    let folder = Folder::new();
    let [model, data, plan] = folder.compiled();
    let json = residua(["compare", &model, &plan, "--data", &data, "--json"]).json();
    keys(&json, &["snr_db", "top1_agreement", "layers"]);
    assert!(json["snr_db"].as_f64().unwrap() > 25.0, "{json}");
    let layers = json["layers"].as_array().unwrap();
    let steps = residua(["inspect", &plan, "--json"]).json()["steps"].as_array().unwrap().len();
    assert_eq!(layers.len(), steps);
    for layer in layers {
        keys(layer, &["name", "snr_db"]);
        assert!(layer["snr_db"].as_f64().unwrap() > 25.0, "{json}");
    }
    residua(["compare", &model, &plan, "--data", &data, "--minimum", "150"]).fails(6, &["SNR", "150"]);
    assert!(residua(["compare", &model, &plan, "--data", &data]).stdout.contains("SNR"));

    // The float model's own choice as label: the float model is always right, the plan nearly.
    let x = images(24, [3, 8, 8]);
    let float = Executor::of_onnx(&network().encode()).unwrap();
    let labels: Vec<i64> = x.values.chunks(192).map(|x| largest(&float.run(&[x]).unwrap()[0])).collect();
    let data = folder.write("labelled.npz", npz(&x, Some(&labels)));
    for (file, least) in [(&model, 1.0), (&plan, 0.9)] {
        let json = residua(["eval", file, "--data", &data, "--json"]).json();
        keys(&json, &["samples", "top1", "top5", "seconds", "samples_per_second"]);
        assert_eq!((&json["samples"], &json["top5"]), (&24.into(), &1.0.into()));
        assert!(json["top1"].as_f64().unwrap() >= least, "{json}");
    }
}

#[test]
fn a_plan_of_another_model_is_not_compared() {
    let folder = Folder::new();
    let [_, data, plan] = folder.compiled();
    let mut other = network();
    for (name, dims) in [("w3", vec![6, 4]), ("b3", vec![6])] {
        let tensor = other.graph().initializer.iter_mut().find(|t| t.name == name).unwrap();
        tensor.float_data = vec![0.5; dims.iter().product::<i64>() as usize];
        tensor.dims = dims;
    }
    other.graph().output[0] = crate::common::onnx::value("y", &[1, 6]);
    let other = folder.write("other.onnx", other.encode());
    residua(["compare", &other, &plan, "--data", &data]).fails(3, &["output", "[1, 1, 5]", "[1, 1, 6]"]);
}

#[test]
fn boards_and_doctor() {
    let json = command("boards --json").json();
    let names: Vec<_> = json["boards"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"cortex-m4"), "{names:?}");
    assert!(command("boards").stdout.contains("cortex-m4"));
    let outcome = command("doctor --json");
    assert!(matches!(outcome.code, Some(0 | 6)), "{outcome:?}");
    let json = outcome.any_json();
    assert_eq!(json["ok"].as_bool().unwrap(), outcome.code == Some(0));
    assert!(json["checks"].as_array().unwrap().len() > 2);
}

#[test]
fn a_foreign_crate_is_not_overwritten() {
    let folder = Folder::new();
    let [model, data, plan] = folder.compiled();
    let target = folder.path("emitted");
    let compile =
        || residua(["compile", &model, "--calibration", &data, "-o", &plan, "--emit-rust", &target, "--json"]);
    compile().json();
    compile().json();
    let manifest = folder.write("emitted/Cargo.toml", "[package]");
    compile().fails(2, &["--emit-rust", "Cargo.toml"]);
    assert_eq!(std::fs::read_to_string(manifest).unwrap(), "[package]");
}
