//! `residua run` of a stream plan: long inputs, and what each of their rows costs.

use super::{Arguments, npy};
use crate::common::failure::{Failure, Kind};
use crate::common::output::{report, write_file};
use crate::common::target::{Target, set_up};
use rayon::prelude::*;
use residua_harness::{Counts, StreamRun};
use residua_quantize::feed::PlanModel;
use residua_quantize::simulate;
use residua_quantize::stream::Timing;
use serde::Serialize;
use std::time::Instant;

#[derive(Serialize)]
struct Report {
    target: String,
    /// Inputs, each a stream of its own.
    inferences: usize,
    /// Rows of an input.
    rows: usize,
    /// Output rows that they brought.
    output_rows: usize,
    seconds: f64,
    stream: Timing,
    #[serde(flatten)]
    device: Option<Device>,
}

/// Figures of an emulated core.
#[derive(Serialize)]
struct Device {
    /// Of the costliest row.
    instructions: u64,
    /// Of the costliest row.
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    /// Of a row, on average over whole periods behind the warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions_per_row: Option<f64>,
    /// Of a row, on average over whole periods behind the warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles_per_row: Option<f64>,
    load_instructions: u64,
    arena_bytes: usize,
    stack_bytes: u32,
    code_bytes: u64,
    equals_host: bool,
}

/// Runs streams from their first row to their last.
pub fn run(
    arguments: &Arguments,
    bytes: &[u8],
    model: &PlanModel<'_>,
    timing: &Timing,
    inputs: &[Vec<i8>],
) -> Result<(), Failure> {
    if arguments.profile {
        return Err(Failure::new(Kind::Usage, "`--profile` counts the steps of whole frames, not those of a stream"));
    }
    let plan = *model.plan();
    let start = Instant::now();
    let outputs: Vec<Vec<i8>> =
        inputs.par_iter().map(|input| simulate::run_stream(&plan, input)).collect::<Result<_, _>>()?;
    let mut seconds = start.elapsed().as_secs_f64();
    let mut device = None;
    if let Target::Core(core) = arguments.target {
        set_up()?;
        let start = Instant::now();
        let run = residua_harness::stream(core, bytes, inputs)?;
        seconds = start.elapsed().as_secs_f64();
        device = Some(figures(&run, timing, core.has_cycle_model(), run.outputs == outputs));
    }
    let count = |all: &[Vec<i8>], row_len: usize| all.first().map_or(0, |first| first.len() / row_len.max(1));
    let (rows, output_rows) = (count(inputs, plan.input().row_len()), count(&outputs, plan.output().row_len()));
    if let Some(path) = &arguments.output {
        write_file(path, &npy(&model.output().with_rows(output_rows), &outputs)?)?;
    }
    let target = arguments.target.to_string();
    let result = Report { target, inferences: inputs.len(), rows, output_rows, seconds, stream: *timing, device };
    report(arguments.json, &result, || text(&result))?;
    match result.device {
        Some(Device { equals_host: false, .. }) => {
            Err(Failure::new(Kind::Check, format!("outputs on {} differ from the host's", result.target)))
        }
        _ => Ok(()),
    }
}

fn figures(run: &StreamRun, timing: &Timing, has_cycles: bool, equals_host: bool) -> Device {
    let largest = |count: fn(&Counts) -> u64| run.rows.iter().flatten().map(count).max().unwrap_or(0);
    let mean = |count: fn(&Counts) -> u64| {
        let settled = run.rows.iter().flat_map(|rows| {
            let rows = rows.get(timing.warm_up.max(timing.first) as usize..).unwrap_or(&[]);
            rows.chunks_exact(timing.per as usize).flatten()
        });
        let (rows, sum) = settled.fold((0u64, 0u64), |(rows, sum), counts| (rows + 1, sum + count(counts)));
        (rows > 0).then(|| sum as f64 / rows as f64)
    };
    Device {
        instructions: largest(|counts| counts.instructions),
        cycles: has_cycles.then(|| largest(|counts| counts.cycles)),
        instructions_per_row: mean(|counts| counts.instructions),
        cycles_per_row: mean(|counts| counts.cycles).filter(|_| has_cycles),
        load_instructions: run.load_instructions,
        arena_bytes: run.arena_bytes,
        stack_bytes: run.stack_bytes,
        code_bytes: run.code_bytes,
        equals_host,
    }
}

fn text(result: &Report) -> String {
    let Report { target, inferences, rows, output_rows, seconds, .. } = result;
    let out = format!("{inferences} stream(s) of {rows} rows on {target}: {output_rows} output row(s) each");
    let Some(device) = &result.device else { return format!("{out}; {seconds:.3} s") };
    let mean = device.instructions_per_row.map_or(String::new(), |mean| format!("{mean:.0} instructions a row, "));
    let cycles = device.cycles_per_row.map_or(String::new(), |mean| format!("{mean:.0} modelled cycles a row, "));
    format!(
        "{out}\n{mean}{cycles}at most {} instructions; loading {} instructions\narena {} B, stack {} B, code {} B; {}\n",
        device.instructions,
        device.load_instructions,
        device.arena_bytes,
        device.stack_bytes,
        device.code_bytes,
        if device.equals_host { "outputs equal the host's" } else { "outputs DIFFER from the host's" }
    )
}
