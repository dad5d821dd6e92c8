//! Real models as streams: over a long input, every output row equals that of the whole-frame run over all of it, except
//! the last, which padding below reaches.

use residua::plan::Plan;
use residua_quantize::compile::Model;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, place, schedule};
use residua_quantize::simulate;
use residua_quantize::stream::{Reach, Sliding, Timing};
use residua_quantize::write::{Extras, write};
use std::path::{Path, PathBuf};

/// What is known of a model's stream.
struct Known {
    path: &'static str,
    /// Output rows at the end that depend on padding below.
    touched: usize,
    delay: u32,
    /// Largest arena in bytes.
    arena: u32,
}

#[test]
fn real_models_stream_as_whole_frames() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = crates.join("../../shared/onnx/seeds");
    let own: PathBuf = crates.join("../models/res8_narrow");
    for Known { path, touched, delay, arena } in [
        Known { path: "res8_narrow.onnx", touched: 6, delay: 24, arena: 13_000 },
        Known { path: "tc_resnet/model.onnx", touched: 11, delay: 84, arena: 4_000 },
        Known { path: "quartznet/model.onnx", touched: 478, delay: 955, arena: 78_000 },
    ] {
        let found = [own.join(path), seeds.join(path)].into_iter().find_map(|path| std::fs::read(path).ok());
        let Some(bytes) = found else {
            println!("skipped: {path} is absent");
            continue;
        };
        let model = Model::import(&bytes).unwrap();
        let statistics: Vec<Statistics> = model.rows.values.iter().map(|_| [-2.0, 2.0].into()).collect();
        let sliding = Sliding::new(&quantize(&model.rows, &statistics).unwrap()).unwrap();
        let timing = Timing::of(&sliding);
        let endless = sliding.endless();
        let schedule = schedule(&endless);
        println!("{path}: {timing:?}, arena {}", schedule.arena_len);
        assert_eq!((timing.delay, schedule.segment_count()), (delay, 1), "{path}");
        assert!(schedule.arena_len <= arena, "{path}: {}", schedule.arena_len);
        let bytes = write(&endless, &schedule, &Extras::default()).unwrap();
        let stream = Plan::load(&bytes).unwrap();

        let long = sliding.over(u64::from(timing.first) / sliding.period()[0] + 20);
        let tensors: Vec<u16> = (0..long.steps.len() as u16).collect();
        let bytes = write(&long, &place(&long, &tensors, Heads::Passing), &Extras::default()).unwrap();
        let whole = Plan::load(&bytes).unwrap();
        let input: Vec<i8> = (0..whole.input().len()).map(|i| (i * 37 % 251) as u8 as i8).collect();
        let (rows, all) = (simulate::run_stream(&stream, &input).unwrap(), simulate::run(&whole, &input).unwrap());
        assert_eq!(rows, all[..rows.len()], "{path}");
        let row_len = stream.output().row_len();
        println!("{path}: {} rows, {} touched", all.len() / row_len, (all.len() - rows.len()) / row_len);
        assert_eq!((all.len() - rows.len()) / row_len, touched, "{path}");
        let next = Reach::new(&endless).of((rows.len() / row_len) as u32);
        assert!(next.needed > whole.input().rows, "{path}");
    }
}
