//! `residua compare`.

use crate::common::data::{Scaling, Selection};
use crate::common::failure::{Failure, Kind};
use crate::common::models::{import, load_plan, read_plan};
use crate::common::output::{report, table};
use crate::common::progress::bar;
use clap::Args;
use residua_quantize::compare::compare;
use residua_quantize::precision::Activations;
use std::path::PathBuf;

/// Compares a plan with the float model that it was compiled from, layer by layer
///
/// SNR is the energy of the float values over that of the plan's differences from them, in dB (200 where there are none).
///
/// Example: residua compare ic_resnet8.onnx ic.plan --data ic_cifar10_uint8.npz --limit 50
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The float model
    model: PathBuf,
    /// Its plan
    plan: PathBuf,
    /// Inputs; labels are not needed
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    selection: Selection,
    /// Exit with 6 where the output's SNR is below
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    minimum: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = import(&arguments.model, Activations::default())?;
    let bytes = read_plan(&arguments.plan)?;
    let plan = load_plan(&arguments.plan, &bytes)?;
    let data = arguments.scaling.open(&arguments.data, &arguments.selection, 0)?;
    let bar = bar("compare", data.len());
    let result = compare(&model, &plan, &data, || bar.inc(1))?;
    bar.finish_and_clear();
    report(arguments.json, &result, || {
        let layers = result.layers.iter().map(|l| [l.name.clone(), format!("{:.1}", l.snr_db)]);
        format!(
            "{}\n{} samples: output SNR {:.1} dB, top-1 agreement {:.4}",
            table(["layer", "SNR dB"], layers),
            result.samples,
            result.snr_db,
            result.top1_agreement
        )
    })?;
    match arguments.minimum {
        Some(minimum) if result.snr_db < minimum => {
            Err(Failure::new(Kind::Check, format!("output SNR {:.1} dB is below {minimum} dB", result.snr_db)))
        }
        _ => Ok(()),
    }
}
