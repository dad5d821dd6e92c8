//! `residua compile`.

use crate::common::data::{Scaling, Selection};
use crate::common::failure::{Failure, Kind};
use crate::common::models::import;
use crate::common::output::{report, stream_text, write_file};
use crate::common::progress::spinner;
use crate::common::target::Target;
use clap::{Args, ValueEnum};
use residua::plan::Plan;
use residua_quantize::budget::Budget;
use residua_quantize::calibrate::Method;
use residua_quantize::compile::{MAX_CALIBRATION, Model};
use residua_quantize::emit::{File, MARK, emit};
use residua_quantize::inspect::{PlanReport, RegionReport};
use residua_quantize::precision::Activations;
use residua_quantize::quantize::Statistics;
use residua_quantize::schedule::Objective;
use residua_quantize::stream::Timing;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Compiles an ONNX model into a plan: import, calibration, quantization, schedule
///
/// Calibration takes at most 100 items of DATA, drawn with --seed; --limit sets another number.
///
/// Example: residua compile ic_resnet8.onnx --calibration ic_cifar10_uint8.npz --range 0:100 -o ic.plan
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The model
    model: PathBuf,
    /// Typical inputs, from which the ranges of all values are found; labels are not needed
    #[arg(long, value_name = "DATA")]
    calibration: Option<PathBuf>,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    selection: Selection,
    /// How ranges are chosen: min-max, percentile or mse
    #[arg(long, value_name = "METHOD", default_value_t = Method::default())]
    method: Method,
    /// Where the plan is written
    #[arg(short, long, value_name = "OUT.plan")]
    output: PathBuf,
    /// What the plan is for: host, or a board of `residua boards`
    #[arg(long, value_name = "TARGET", default_value = "host")]
    target: Target,
    /// Largest arena (`arena_bytes`); the firmware's stack comes on top. With --fast-ram, the largest part above that
    #[arg(long, value_name = "BYTES")]
    ram: Option<usize>,
    /// Size of a fast region at the arena's start: the buffers with most traffic lie there, and none lies across its end
    #[arg(long, value_name = "BYTES")]
    fast_ram: Option<NonZeroUsize>,
    /// Largest plan (`plan_bytes`); the firmware's code comes on top, and on riscv32imc up to as much again (`residua pack`)
    #[arg(long, value_name = "BYTES")]
    flash: Option<usize>,
    /// What the schedule makes small within these bounds
    #[arg(long, value_enum, default_value = "ram")]
    objective: Goal,
    /// Compile for a stream: rows of input come without end, a new one costs one row an operator, and outputs come as the
    /// model's window moves on
    #[arg(long)]
    stream: bool,
    /// Bits of an activation: 8, 16, or auto:DB for 16 only where they count most, as few as bring signal and error of the
    /// output to that ratio on calibration inputs (auto: 40 dB). 16 take more memory and time
    #[arg(long, value_name = "8|16|auto:DB", default_value = "8")]
    activations: Activations,
    /// Bits of a weight
    #[arg(long, value_name = "8|4|2", default_value = "8", value_parser = ["8", "4", "2"])]
    weights: String,
    /// Write the plan as a Rust crate too: typed input and output, only the operators that it has, and weights as the target's
    /// kernels read them
    #[arg(long, value_name = "DIR")]
    emit_rust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Goal {
    /// Rows moved in memory: the fewest instructions
    Latency,
    /// The arena
    Ram,
    /// The plan
    Flash,
}

impl From<Goal> for Objective {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::Latency => Self::Latency,
            Goal::Ram => Self::Ram,
            Goal::Flash => Self::Flash,
        }
    }
}

#[derive(Serialize)]
struct Report {
    plan: String,
    target: String,
    arena_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_region: Option<RegionReport>,
    constants_bytes: usize,
    plan_bytes: usize,
    segments: usize,
    steps: usize,
    /// Steps whose output is int16.
    int16_steps: usize,
    /// Of one inference, or of one input row of a stream.
    macs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Timing>,
    calibration_samples: usize,
    seconds: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    available(arguments)?;
    let start = Instant::now();
    let mut model = import(&arguments.model, arguments.activations)?;
    let about = |failure: Failure| failure.about(arguments.model.display());
    let (statistics, samples) = match &arguments.calibration {
        Some(data) if !model.needs_no_inputs() => calibrate(arguments, &mut model, data)?,
        None if !model.is_quantized() => {
            return Err(Failure::new(
                Kind::Usage,
                "the model is not quantized yet: inputs are needed, as --calibration DATA",
            ));
        }
        _ => (model.calibrate(&[], arguments.method, arguments.activations).map_err(|error| about(error.into()))?, 0),
    };
    let budget = Budget {
        ram: arguments.ram,
        fast_ram: arguments.fast_ram.map_or(0, NonZeroUsize::get),
        flash: arguments.flash,
        objective: arguments.objective.into(),
    };
    let compile = if arguments.stream { Model::compile_stream } else { Model::compile };
    let compiled = compile(&model, &statistics, arguments.method, &budget);
    let compiled = compiled.map_err(|error| about(error.into()))?;
    let plan = Plan::load(&compiled.bytes)?;
    let result = Report {
        plan: arguments.output.display().to_string(),
        target: arguments.target.to_string(),
        arena_bytes: plan.arena_len(),
        fast_region: PlanReport::of(&plan).fast_region,
        constants_bytes: plan.constants_len(),
        plan_bytes: compiled.bytes.len(),
        segments: compiled.schedule.segment_count(),
        steps: plan.step_count().into(),
        int16_steps: PlanReport::of(&plan).steps.iter().filter(|step| step.activation_bits == 16).count(),
        macs: PlanReport::of(&plan).macs,
        stream: compiled.timing,
        calibration_samples: samples,
        seconds: start.elapsed().as_secs_f64(),
    };
    write_file(&arguments.output, &compiled.bytes)?;
    if let Some(folder) = &arguments.emit_rust {
        let title = arguments.output.file_stem().unwrap_or_default().to_string_lossy();
        let runtime = residua_harness::home().ok().map(|home| home.join("runtime"));
        let packed = arguments.target.packed(&compiled.bytes)?;
        write_crate(folder, &emit(&plan, &packed, &title, runtime.as_deref()))?;
    }
    report(arguments.json, &result, || {
        let fast = result.fast_region.as_ref().map_or(String::new(), |fast| {
            let bytes = fast.bytes.min(result.arena_bytes);
            format!(", the first {bytes} of them with {:.1} % of the traffic", fast.traffic_share * 100.0)
        });
        format!(
            "{}: {} bytes, {} of them constants; arena {} bytes{fast}; {} steps in {} segment(s); {} MACs; {:.2} s",
            result.plan,
            result.plan_bytes,
            result.constants_bytes,
            result.arena_bytes,
            result.steps,
            result.segments,
            result.macs,
            result.seconds
        ) + &result.stream.map_or(String::new(), |timing| format!("\n{}", stream_text(&timing)))
    })
}

/// Refuses what this version cannot do, and what would be lost.
fn available(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.weights != "8" {
        return Err(Failure::not_available("--weights 4, --weights 2"));
    }
    let foreign = arguments.emit_rust.as_ref().map(|folder| folder.join("Cargo.toml")).filter(|manifest| {
        manifest.exists() && !std::fs::read_to_string(manifest).is_ok_and(|text| text.starts_with(MARK))
    });
    foreign.map_or(Ok(()), |manifest| {
        let manifest = manifest.display();
        Err(Failure::new(
            Kind::Usage,
            format!("--emit-rust: {manifest} was not written by it and would be overwritten"),
        ))
    })
}

/// Writes the files of a crate.
fn write_crate(folder: &Path, files: &[File]) -> Result<(), Failure> {
    for File { path, bytes } in files {
        let path = folder.join(path);
        if let Some(folder) = path.parent() {
            let fail = |error| Failure::new(Kind::Input, format!("cannot make {}: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        write_file(&path, bytes)?;
    }
    Ok(())
}

/// What the calibration data say of the model's values, and the number of items used.
fn calibrate(arguments: &Arguments, model: &mut Model, data: &Path) -> Result<(Vec<Statistics>, usize), Failure> {
    let mut selection = arguments.selection.clone();
    selection.limit = selection.limit.or(NonZeroUsize::new(MAX_CALIBRATION));
    let data = arguments.scaling.open(data, &selection, 0)?;
    let spinner = spinner("calibration");
    let input = model.input();
    let inputs = (0..data.len()).map(|index| input.values(data.item(index)?)).collect::<Result<Vec<_>, _>>()?;
    let statistics = model.calibrate(&inputs, arguments.method, arguments.activations)?;
    spinner.finish_and_clear();
    Ok((statistics, inputs.len()))
}
