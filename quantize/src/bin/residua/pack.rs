//! `residua pack`.

use crate::common::failure::Failure;
use crate::common::models::{load_plan, read_plan};
use crate::common::output::{report, write_file};
use crate::common::target::Target;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Packs a plan's weights as the kernels of a core read them, for firmware of one's own
///
/// `run`, `self-test` and `listen` do so themselves. Where a core takes the plan that `compile` wrote, that is what comes out.
/// For riscv32imc it is up to twice as large: weights of matrix products take two bytes each.
///
/// Example: residua pack kws.plan --target cortex-m55 -o kws_m55.plan
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The plan, as `compile` wrote it
    plan: PathBuf,
    /// The core: host, or a board of `residua boards`
    #[arg(long, value_name = "TARGET")]
    target: Target,
    /// Where the packed plan is written
    #[arg(short, long, value_name = "OUT.plan")]
    output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    target: String,
    plan_bytes: usize,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = read_plan(&arguments.plan)?;
    load_plan(&arguments.plan, &bytes)?;
    let packed = arguments.target.packed(&bytes)?;
    write_file(&arguments.output, &packed)?;
    let result = Report { target: arguments.target.to_string(), plan_bytes: packed.len() };
    report(arguments.json, &result, || format!("{} bytes for {}", result.plan_bytes, result.target))
}
