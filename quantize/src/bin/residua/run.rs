//! `residua run`.

mod stream;

use crate::common::data::Scaling;
use crate::common::failure::{Failure, Kind};
use crate::common::models::{load_plan, read_plan};
use crate::common::output::{report, table, write_file};
use crate::common::target::{Target, set_up};
use clap::Args;
use npyz::WriterBuilder;
use rayon::prelude::*;
use residua_harness::{Options, StepCost};
use residua_models::data::{Item, Stack, read_npz};
use residua_quantize::feed::PlanModel;
use residua_quantize::ports::Port;
use residua_quantize::simulate;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Runs a plan on inputs, on this machine or on an emulated core
///
/// X holds inputs along its first axis, in the shape that the model declares; Y gets the outputs likewise, as real numbers
/// (f32). With a plan made by `compile --stream`, each input has any number of rows, and its output all rows that come.
///
/// Example: residua run kws.plan --input x.npy --output y.npy --target cortex-m4 --profile
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The plan
    plan: PathBuf,
    /// Inputs (u8, i8, f16 or f32)
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// Where outputs are written
    #[arg(long, value_name = "Y.npy")]
    output: Option<PathBuf>,
    #[command(flatten)]
    scaling: Scaling,
    /// Where it runs: host, or a board of `residua boards`
    #[arg(long, value_name = "TARGET", default_value = "host")]
    target: Target,
    /// Count each step apart (emulated cores)
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    target: String,
    inferences: usize,
    seconds: f64,
    #[serde(flatten)]
    device: Option<Device>,
}

/// Figures of an emulated core, the largest over all inferences.
#[derive(Serialize)]
struct Device {
    instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    load_instructions: u64,
    arena_bytes: usize,
    stack_bytes: u32,
    code_bytes: u64,
    equals_host: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepCost>>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.profile && arguments.target == Target::Host {
        return Err(Failure::new(Kind::Usage, "`--profile` counts on emulated cores: give --target"));
    }
    let bytes = read_plan(&arguments.plan)?;
    let plan = load_plan(&arguments.plan, &bytes)?;
    let model = PlanModel::new(plan);
    let is_archive = arguments.input.extension().is_some_and(|extension| extension == "npz");
    let stacks = if is_archive {
        read_npz(&arguments.input)?.0
    } else {
        vec![(String::new(), Stack::read_npy(&arguments.input)?)]
    };
    let Scaling { input_scale, input_offset } = arguments.scaling;
    let item = |stack: &Stack, index: usize| {
        let mut array = stack.item(index);
        array.values.iter_mut().for_each(|v| *v = *v * input_scale + input_offset);
        array
    };
    let count = stacks.first().map_or(0, |(_, stack)| stack.len());
    if let [(_, stack)] = stacks.as_slice()
        && let Some(timing) = model.timing()
    {
        let arrays = (0..count).map(|index| item(stack, index));
        let inputs: Vec<Vec<i8>> = arrays.map(|array| model.stream(array)).collect::<Result<_, _>>()?;
        return stream::run(arguments, &bytes, &model, timing, &inputs);
    }
    let items = (0..count).map(|index| match stacks.as_slice() {
        [(_, stack)] => Item::Array(item(stack, index)),
        _ => Item::Arrays(stacks.iter().map(|(name, stack)| (name.clone(), item(stack, index))).collect()),
    });
    let inputs: Vec<Vec<i8>> = items.map(|item| model.quantized(item)).collect::<Result<_, _>>()?;

    let start = Instant::now();
    let mut outputs = simulate::run_all(&plan, &inputs)?;
    let mut seconds = start.elapsed().as_secs_f64();
    let mut device = None;
    if let Target::Core(core) = arguments.target {
        set_up()?;
        let start = Instant::now();
        let options = Options { profile: arguments.profile, ..Options::default() };
        let run = residua_harness::run(core, &bytes, &inputs, &options)?;
        seconds = start.elapsed().as_secs_f64();
        device = Some(Device {
            instructions: run.instructions,
            cycles: core.has_cycle_model().then_some(run.cycles),
            load_instructions: run.load_instructions,
            arena_bytes: run.arena_bytes,
            stack_bytes: run.stack_bytes,
            code_bytes: run.code_bytes,
            equals_host: run.outputs == outputs,
            steps: arguments.profile.then_some(run.steps),
        });
        outputs = run.outputs;
    }
    if let Some(path) = &arguments.output {
        write_file(path, &npy(model.output(), &outputs)?)?;
    }
    let result = Report { target: arguments.target.to_string(), inferences: inputs.len(), seconds, device };
    report(arguments.json, &result, || text(&result))?;
    match result.device {
        Some(Device { equals_host: false, .. }) => {
            Err(Failure::new(Kind::Check, format!("outputs on {} differ from the host's", result.target)))
        }
        _ => Ok(()),
    }
}

/// Outputs as a `.npy` file of f32, in the order that the model declares; a batch dimension of 1 becomes that of all.
fn npy(port: &Port, outputs: &[Vec<i8>]) -> Result<Vec<u8>, Failure> {
    let item = port.declared.strip_prefix(&[1]).unwrap_or(&port.declared);
    let shape: Vec<u64> = [outputs.len()].iter().chain(item).map(|&size| size as u64).collect();
    let values: Vec<f32> = outputs.par_iter().flat_map_iter(|output| port.dequantize(output)).collect();
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(bytes).begin_nd()?;
        writer.extend(values)?;
        writer.finish()
    };
    write(&mut bytes).map_err(|error| Failure::new(Kind::Input, format!("outputs: {error}")))?;
    Ok(bytes)
}

fn text(result: &Report) -> String {
    let mut out = format!("{} inference(s) on {}", result.inferences, result.target);
    let Some(device) = &result.device else { return format!("{out}: {:.3} s", result.seconds) };
    let cycles = device.cycles.map_or(String::new(), |cycles| format!(", {cycles} modelled cycles"));
    out += &format!(
        ": {} instructions{cycles}; loading {} instructions\narena {} B, stack {} B, code {} B; {}\n",
        device.instructions,
        device.load_instructions,
        device.arena_bytes,
        device.stack_bytes,
        device.code_bytes,
        if device.equals_host { "outputs equal the host's" } else { "outputs DIFFER from the host's" }
    );
    if let Some(steps) = &device.steps {
        let rows = steps.iter().map(|s| [s.name.clone(), s.instructions.to_string(), s.cycles.to_string()]);
        out += "\n";
        out += &table(["step", "instructions", "cycles"], rows);
    }
    out
}
