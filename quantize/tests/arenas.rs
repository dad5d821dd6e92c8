//! Arena sizes of real models, weights and ranges aside: shapes alone decide them.

use residua::plan::Plan;
use residua_quantize::compile::Model;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, Memory, Objective, ScheduleError, place, schedule, schedule_within};
use residua_quantize::write::{Extras, write};
use residua_quantize::{reference, simulate};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Model, largest arena in bytes, whether the rows are compared with the reference too.
const LIMITS: [(&str, u32, bool); 7] = [
    ("mlperf_tiny/kws_dscnn.onnx", 6_000, true),
    ("mlperf_tiny/ic_resnet8.onnx", 14_000, true),
    ("mlperf_tiny/vww_mobilenetv1.onnx", 20_000, true),
    ("mlperf_tiny/ad_autoencoder.onnx", 1_000, true),
    ("kws/res8_narrow.onnx", 16_000, true),
    ("mobilenetv2/mobilenetv2_1.0_224.onnx", 112_000, false),
    ("seeds/quartznet/model.onnx", u32::MAX, true),
];

#[test]
fn real_models_fit_their_budgets() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/onnx");
    for (name, limit, compare) in LIMITS {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            println!("skipped: {name} is absent");
            continue;
        };
        let model = match Model::import(&bytes) {
            Ok(model) => model,
            Err(e) if limit == u32::MAX => {
                println!("skipped: {name}: {e}");
                continue;
            }
            Err(e) => panic!("{name}: {e}"),
        };
        let statistics: Vec<Statistics> = model.rows.values.iter().map(|_| [-2.0, 2.0].into()).collect();
        let graph = quantize(&model.rows, &statistics).unwrap();
        let start = Instant::now();
        let schedule = schedule(&graph);
        let seconds = start.elapsed();
        let tensors: Vec<u16> = (0..graph.steps.len() as u16).collect();
        let tensors = place(&graph, &tensors, Heads::Passing).arena_len;
        let fast = schedule_within(&graph, Objective::Latency, &Memory::default()).unwrap();
        println!(
            "{name}: arena {} (lower bound {}), segments {}, without moving rows {}, tensor by tensor {tensors}, {seconds:.1?}",
            schedule.arena_len,
            schedule.lower_bound,
            schedule.segment_count(),
            fast.arena_len,
        );
        assert!(schedule.arena_len <= limit, "{name}: {} bytes", schedule.arena_len);
        assert!(seconds < Duration::from_secs(5), "{name}: {seconds:?}");
        let error = schedule_within(&graph, Objective::Ram, &Memory { ram: Some(schedule.arena_len - 1), fast: 0 })
            .unwrap_err();
        assert_eq!(error, ScheduleError::Ram { budget: schedule.arena_len - 1, smallest: schedule.clone().into() });
        let bytes = write(&graph, &schedule, &Extras::default()).unwrap();
        let plan = Plan::load(&bytes).unwrap();
        if compare {
            let input: Vec<i8> = (0..plan.input().len()).map(|i| (i * 37 % 251) as u8 as i8).collect();
            assert!(simulate::run_values(&plan, &input).unwrap() == reference::run_values(&plan, &input), "{name}");
        }
    }
}
