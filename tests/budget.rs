//! `compile --ram`, `--flash` and `--objective`: what fits is written, what does not is refused with the numbers that tell
//! why.

use crate::common::data::npy;
use crate::common::{Folder, Outcome, data, residua, shared};
use serde_json::Value;

struct Model {
    folder: Folder,
    model: String,
    data: String,
}

impl Model {
    fn new() -> Self {
        let folder = Folder::new();
        let [model, data, plan] = folder.compiled();
        std::fs::remove_file(plan).unwrap();
        Self { folder, model, data }
    }

    fn compile(&self, flags: &[&str]) -> Outcome {
        let out = self.folder.path("out.plan");
        residua([&["compile", &self.model, "--calibration", &self.data, "-o", &out, "--json"], flags].concat())
    }

    fn wrote(&self) -> bool {
        let written = self.folder.entries().iter().any(|name| name == "out.plan");
        assert_eq!(self.folder.entries().len(), 2 + usize::from(written), "{:?}", self.folder.entries());
        written
    }
}

fn number(json: &Value, key: &str) -> u64 {
    json[key].as_u64().unwrap()
}

#[test]
fn budgets_that_are_too_small_say_by_how_much() {
    let model = Model::new();
    for (flag, key) in [("--ram", "arena_bytes"), ("--flash", "plan_bytes")] {
        for objective in ["latency", "ram", "flash"] {
            let own = if flag == "--ram" { "ram" } else { "flash" };
            let bytes = number(&model.compile(&["--objective", own]).json(), key);
            assert!(model.wrote());
            std::fs::remove_file(model.folder.path("out.plan")).unwrap();
            let outcome = model.compile(&[flag, &(bytes - 1).to_string(), "--objective", objective]);
            outcome.fails(5, &[flag, &bytes.to_string(), " 1 more ", "would help"]);
            assert!(!model.wrote());
            let json = model.compile(&[flag, &bytes.to_string(), "--objective", objective]).json();
            assert_eq!(number(&json, key), bytes);
            std::fs::remove_file(model.folder.path("out.plan")).unwrap();
        }
    }
    // Nothing is between the numbers of 32 and of 64 bits.
    model.compile(&["--ram", &(1u64 << 40).to_string(), "--flash", &(1u64 << 40).to_string()]).json();
}

#[test]
fn what_determines_the_peak_is_named() {
    let model = Model::new();
    model.compile(&[]).json();
    let plan = residua(["inspect", &model.folder.path("out.plan"), "--json"]).json();
    let peak = &plan["peak"];
    let mut names = vec![peak["step"].as_str().unwrap().to_string(), peak["operator"].as_str().unwrap().to_string()];
    for buffer in peak["buffers"].as_array().unwrap() {
        names.push(format!(
            "{} of `{}` {}",
            buffer["kind"].as_str().unwrap(),
            buffer["writer"].as_str().unwrap(),
            buffer["bytes"]
        ));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    model.compile(&["--ram", "16"]).fails(5, &names);
    let steps = plan["steps"].as_array().unwrap();
    let most = steps.iter().max_by_key(|s| number(s, "constants_bytes")).unwrap();
    let names = [most["name"].as_str().unwrap(), &most["constants_bytes"].to_string()];
    model.compile(&["--flash", "16"]).fails(5, &names);
}

#[test]
fn objectives_give_the_same_outputs() {
    let model = Model::new();
    let x = model.folder.write("x.npy", npy(&data::images(3, [3, 8, 8])));
    let outputs = ["latency", "ram", "flash"].map(|objective| {
        model.compile(&["--objective", objective]).json();
        let y = model.folder.path("y.npy");
        residua(["run", &model.folder.path("out.plan"), "--input", &x, "--output", &y, "--json"]).json();
        std::fs::read(y).unwrap()
    });
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
}

/// A model where all three differ.
#[test]
fn vww_trades_ram_for_latency_and_flash() {
    let paths = ["onnx/mlperf_tiny/vww_mobilenetv1.onnx", "data/mlperf_tiny/vww01_uint8.npz"].map(shared);
    let [Some(onnx), Some(data)] = &paths else { return };
    let [model, data] = [onnx, data].map(|path| path.to_str().unwrap().to_string());
    let model = Model { folder: Folder::new(), model, data };
    let scaling = ["--range", "0:4", "--input-scale", "1/255"];
    let compile = |flags: &[&str]| model.compile(&[&scaling, flags].concat());
    let [ram, latency, flash] =
        ["ram", "latency", "flash"].map(|objective| compile(&["--objective", objective]).json());
    let arena = |json: &Value| number(json, "arena_bytes");
    println!("arena: ram {}, latency {}, flash {}", arena(&ram), arena(&latency), arena(&flash));
    assert!(arena(&ram) < arena(&latency) && arena(&ram) < arena(&flash));
    assert!(number(&flash, "plan_bytes") < number(&ram, "plan_bytes"));
    assert_eq!(number(&flash, "segments"), 1);
    // Under a bound between the two, latency takes what there is.
    let bound = (arena(&ram) + arena(&latency)) / 2;
    let between = compile(&["--objective", "latency", "--ram", &bound.to_string()]).json();
    assert!((arena(&ram)..=bound).contains(&arena(&between)));
    // Where only the shortest plan fits, the objective gives way.
    let bytes = number(&flash, "plan_bytes");
    let json = compile(&["--flash", &bytes.to_string()]).json();
    assert_eq!(number(&json, "plan_bytes"), bytes);
    let both = ["--flash", &bytes.to_string(), "--ram", &arena(&ram).to_string()];
    compile(&both).fails(5, &["--flash", &bytes.to_string()]);
}

#[test]
fn busy_buffers_lie_in_the_fast_region() {
    let model = Model::new();
    let arena = number(&model.compile(&[]).json(), "arena_bytes");
    // What the region must hold is told, and is enough.
    let outcome = model.compile(&["--fast-ram", "16"]);
    outcome.fails(5, &["--fast-ram 16", "counters, scratch and heads"]);
    let least: u64 = outcome.stderr.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let mut share = 0.0;
    for fast in [least, (least + arena) / 2, arena - 1, arena, 2 * arena] {
        let flags = ["--fast-ram", &fast.to_string()];
        let compiled = model.compile(&flags).json();
        assert_eq!(compiled["fast_region"]["bytes"], fast);
        let plan = model.folder.path("out.plan");
        residua(["self-test", &plan, "--json"]).json();
        let inspected = residua(["inspect", &plan, "--json"]).json();
        assert_eq!(inspected["fast_region"], compiled["fast_region"]);
        for buffer in inspected["memory"].as_array().unwrap() {
            let start = number(buffer, "offset");
            assert!(start + number(buffer, "bytes") <= fast || start >= fast, "{buffer} lies across {fast}");
        }
        let now = compiled["fast_region"]["traffic_share"].as_f64().unwrap();
        assert!((share..=1.0).contains(&now), "{now} after {share}");
        share = now;
        // The slow part alone counts for --ram.
        let slow = number(&compiled, "arena_bytes").saturating_sub(fast);
        model.compile(&[&flags[..], &["--ram", &slow.to_string()]].concat()).json();
        if slow > 0 {
            let refused = model.compile(&[&flags[..], &["--ram", &(slow - 1).to_string()]].concat());
            refused.fails(5, &["above the fast region", &format!("--ram {slow}")]);
        }
        assert!(residua(["inspect", &plan]).stdout.contains("fast region"));
    }
    assert_eq!(share, 1.0);
    model.compile(&["--fast-ram", "0"]).fails(2, &["--fast-ram"]);
}
