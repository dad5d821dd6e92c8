//! What rows cost in time: cycles of a plan with the smallest arena against the same kernels tensor by tensor, on an emulated
//! Cortex-M4.

use residua_harness::{Options, Target};
use residua_quantize::compile::Model;
use residua_quantize::fuse::fuse;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, place, schedule};
use residua_quantize::write::{Extras, write};
use std::path::PathBuf;

const MODELS: [&str; 4] = ["kws_dscnn", "ic_resnet8", "vww_mobilenetv1", "ad_autoencoder"];
/// Most cycles of rows for one of whole tensors.
const LIMIT: f64 = 1.1;

#[test]
fn rows_take_hardly_longer_than_tensors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/onnx/mlperf_tiny");
    for name in MODELS {
        let Ok(bytes) = std::fs::read(folder.join(name).with_extension("onnx")) else {
            println!("skipped: {name} is absent");
            continue;
        };
        residua_harness::install().unwrap();
        let model = Model::import(&bytes).unwrap();
        let statistics: Vec<Statistics> = model.rows.values.iter().map(|_| [-2.0, 2.0].into()).collect();
        let graph = fuse(quantize(&model.rows, &statistics).unwrap());
        let tensors: Vec<u16> = (0..graph.steps.len() as u16).collect();
        let cycles = [schedule(&graph), place(&graph, &tensors, Heads::Passing)].map(|schedule| {
            let plan = write(&graph, &schedule, &Extras::default()).unwrap();
            let input = vec![1; graph.values[graph.input].shape.iter().product()];
            let run = residua_harness::run(Target::CortexM4, &plan, &[input], &Options::default()).unwrap();
            run.inferences[0].cycles
        });
        let ratio = cycles[0] as f64 / cycles[1] as f64;
        println!("{name}: {} cycles by rows, {} by tensors, {ratio:.3}", cycles[0], cycles[1]);
        assert!(ratio <= LIMIT, "{name}: {ratio:.3}");
    }
}
