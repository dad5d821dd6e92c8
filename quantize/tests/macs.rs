//! Multiply-accumulate operations that row execution really does: each row is computed once, whatever the schedule, so that
//! they are those of the float model.

use residua::engine::{Engine, Observer};
use residua::plan::Plan;
use residua_models::onnx::survey;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::compile::Model;
use residua_quantize::fuse::fuse;
use residua_quantize::inspect::PlanReport;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, Memory, Objective, place, schedule, schedule_within};
use residua_quantize::write::{Extras, write};
use std::path::PathBuf;

const MODELS: [&str; 6] = [
    "mlperf_tiny/kws_dscnn.onnx",
    "mlperf_tiny/ic_resnet8.onnx",
    "mlperf_tiny/vww_mobilenetv1.onnx",
    "mlperf_tiny/ad_autoencoder.onnx",
    "kws/res8_narrow.onnx",
    "mobilenetv2/mobilenetv2_1.0_224.onnx",
];

/// How often each step computed a row or took one into its sums, and how many rows came out.
#[derive(Default)]
struct Counts {
    calls: Vec<u64>,
    rows: Vec<u64>,
}

impl Observer for Counts {
    fn step_begins(&mut self, step: u16) {
        self.calls[usize::from(step)] += 1;
    }

    fn row(&mut self, step: u16, _value: u16, row: u32, _elements: &[i8]) {
        let rows = &mut self.rows[usize::from(step)];
        assert_eq!(*rows, u64::from(row), "step {step}: rows come in order, each once");
        *rows += 1;
    }
}

/// Runs a plan on one input; the MACs that it does.
///
/// A step over windows does all MACs of an output row in the call that emits it. A step with sums does those of an input row
/// in the call that takes it in.
fn executed(plan: &Plan<'_>) -> u64 {
    let steps = usize::from(plan.step_count());
    let mut counts = Counts { calls: vec![0; steps], rows: vec![0; steps] };
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut engine = Engine::new(*plan, &mut arena).unwrap();
    for row in 0..plan.input().rows {
        engine.push_with(|slot| slot.fill(row as i8), &mut counts).unwrap();
    }
    let report = PlanReport::of(plan);
    let mut macs = 0;
    for (index, step) in report.steps.iter().enumerate() {
        let operator = plan.operator(index as u16).unwrap();
        let operator = operator.as_row_operator();
        let geometry = operator.geometry();
        let all = if operator.sums() > 0 { geometry.rows_in } else { geometry.rows_out };
        assert_eq!(counts.rows[index], u64::from(geometry.rows_out), "{}: rows out", step.name);
        assert_eq!(step.macs % u64::from(all), 0, "{}: rows are alike", step.name);
        macs += step.macs / u64::from(all) * counts.calls[index];
    }
    macs
}

#[test]
fn rows_are_computed_once() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/onnx");
    for name in MODELS {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            println!("skipped: {name} is absent");
            continue;
        };
        let declared = survey(&bytes).unwrap().macs.unwrap();
        let model = Model::import(&bytes).unwrap();
        let statistics: Vec<Statistics> = model.rows.values.iter().map(|_| [-2.0, 2.0].into()).collect();
        let graph = fuse(quantize(&model.rows, &statistics).unwrap());
        let tensors: Vec<u16> = (0..graph.steps.len() as u16).collect();
        let schedules = [
            ("smallest arena", schedule(&graph)),
            ("one segment", schedule_within(&graph, Objective::Flash, &Memory::default()).unwrap()),
            ("tensor by tensor", place(&graph, &tensors, Heads::Passing)),
        ];
        for (what, schedule) in schedules {
            let bytes = write(&graph, &schedule, &Extras::default()).unwrap();
            let macs = executed(&Plan::load(&bytes).unwrap());
            println!("{name}, {what}: {macs} MACs executed, the model has {declared}");
            assert_eq!(macs, declared, "{name}, {what}");
        }
    }
}
