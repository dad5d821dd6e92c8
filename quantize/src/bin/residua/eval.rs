//! `residua eval`.

use crate::common::data::{Labels, Scaling, Selection};
use crate::common::failure::{Failure, Kind};
use crate::common::models::{is_plan, load_plan, read};
use crate::common::output::report;
use crate::common::progress::bar;
use clap::{Args, ValueEnum};
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::evaluate::accuracy;
use residua_quantize::feed::{FloatModel, PlanModel};
use residua_quantize::stream::Timing;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Measures accuracy over labelled data: of an ONNX file in float, of a plan in the device's arithmetic
///
/// Example: residua eval kws.plan --data kws01_mfcc_int8.npz --input-scale 0.5847029 --input-offset -48.53034
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// ONNX file or plan
    file: PathBuf,
    /// Data with labels: .npz with x and y, folder of class folders, or folder of NNNN_name.jpg files
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    labels: Labels,
    /// FILE is a plan made by `compile --stream`: each item is one window of a stream that starts with it, and goes on with
    /// rows of zeros until the window's outputs have come
    #[arg(long)]
    stream: bool,
    /// What computes
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Device {
    Cpu,
    Gpu,
}

#[derive(Serialize)]
struct Report {
    samples: usize,
    top1: f64,
    top5: f64,
    seconds: f64,
    samples_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Timing>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.device == Device::Gpu {
        return Err(Failure::not_available("--device gpu"));
    }
    let bytes = read(&arguments.file)?;
    let data = arguments.scaling.open(&arguments.data, &arguments.selection, arguments.labels.labels_offset)?;
    let mut stream = None;
    let bar = bar("eval", data.len());
    let done = || bar.inc(1);
    let (start, accuracy) = if is_plan(&arguments.file, &bytes) {
        let bytes = AlignedBytes::from(bytes);
        let model = PlanModel::new(load_plan(&arguments.file, &bytes)?);
        stream = model.timing().copied();
        if arguments.stream && stream.is_none() {
            return Err(no_stream(arguments));
        }
        (Instant::now(), accuracy(&model, &data, done)?)
    } else if arguments.stream {
        return Err(no_stream(arguments));
    } else {
        let model = FloatModel::new(&bytes).map_err(|error| Failure::from(error).about(arguments.file.display()))?;
        (Instant::now(), accuracy(&model, &data, done)?)
    };
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let result = Report {
        samples: accuracy.samples,
        top1: accuracy.top1,
        top5: accuracy.top5,
        seconds,
        samples_per_second: accuracy.samples as f64 / seconds.max(1e-9),
        stream,
    };
    report(arguments.json, &result, || {
        format!(
            "{} samples: top-1 {:.4}, top-5 {:.4}; {:.2} s, {:.1} a second",
            result.samples, result.top1, result.top5, result.seconds, result.samples_per_second
        )
    })
}

fn no_stream(arguments: &Arguments) -> Failure {
    let file = arguments.file.display();
    Failure::new(Kind::Usage, format!("{file} is no plan of a stream; `residua compile --stream` makes one"))
}
