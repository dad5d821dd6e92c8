//! `residua self-test`.

use crate::common::failure::{Failure, Kind};
use crate::common::models::{load_plan, read_plan};
use crate::common::output::report;
use crate::common::target::{Target, set_up};
use clap::Args;
use residua::engine::Engine;
use residua_quantize::aligned::AlignedBytes;
use serde::Serialize;
use std::path::PathBuf;

/// Replays a plan's golden vector and names the first step that differs
///
/// Exits with 6 where one does.
///
/// Example: residua self-test kws.plan --target cortex-m4
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The plan
    plan: PathBuf,
    /// Where it runs: host, or a board of `residua boards`
    #[arg(long, value_name = "TARGET", default_value = "host")]
    target: Target,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    target: String,
    passed: bool,
    /// The first step that differs.
    step: Option<Step>,
}

#[derive(Serialize)]
struct Step {
    index: u16,
    name: String,
    operator: &'static str,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = read_plan(&arguments.plan)?;
    let plan = load_plan(&arguments.plan, &bytes)?;
    let differs = match arguments.target {
        Target::Host => {
            let mut arena = AlignedBytes::zeroed(plan.arena_len());
            Engine::new(plan, &mut arena)?.self_test().err().map(|failure| failure.step)
        }
        Target::Core(core) => {
            set_up()?;
            residua_harness::self_test(core, &bytes)?
        }
    };
    let step = differs.map(|index| Step {
        index,
        name: plan.step_name(index).into(),
        operator: plan.operator(index).map_or("unknown", |o| o.name()),
    });
    let result = Report { target: arguments.target.to_string(), passed: step.is_none(), step };
    report(arguments.json, &result, || match &result.step {
        None => format!("passed on {}: {} steps", result.target, plan.step_count()),
        Some(step) => {
            format!("failed on {}: step {} ({}, {}) differs", result.target, step.index, step.name, step.operator)
        }
    })?;
    match result.step {
        None => Ok(()),
        Some(step) => Err(Failure::new(Kind::Check, format!("step {} ({}) differs", step.index, step.name))),
    }
}
