//! `residua report`.

use crate::common::data::{Labels, Scaling, Selection};
use crate::common::failure::Failure;
use crate::common::models::{load_plan, read_plan};
use crate::common::output::{report, write_file};
use crate::common::progress::bar;
use clap::Args;
use residua_quantize::evaluate::accuracy;
use residua_quantize::feed::PlanModel;
use residua_quantize::inspect::PlanReport;
use residua_quantize::page::page;
use serde::Serialize;
use std::path::PathBuf;

/// Writes a page about a plan: memory over time, cost and precision of each step, accuracy
///
/// The page is one HTML file that needs no other and no script. Accuracy is on it where DATA is given.
///
/// Example: residua report kws.plan -o kws.html
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The plan
    plan: PathBuf,
    /// Where the page is written
    #[arg(short, long, value_name = "OUT.html")]
    output: PathBuf,
    /// Data with labels, over which accuracy is measured
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    labels: Labels,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    report: String,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    top1: Option<f64>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = read_plan(&arguments.plan)?;
    let plan = load_plan(&arguments.plan, &bytes)?;
    let mut measured = None;
    if let Some(data) = &arguments.data {
        let data = arguments.scaling.open(data, &arguments.selection, arguments.labels.labels_offset)?;
        let bar = bar("eval", data.len());
        measured = Some(accuracy(&PlanModel::new(plan), &data, || bar.inc(1))?);
        bar.finish_and_clear();
    }
    let page = page(&PlanReport::of(&plan), measured.as_ref());
    write_file(&arguments.output, page.as_bytes())?;
    let path = arguments.output.display().to_string();
    let result = Report { report: path, bytes: page.len(), top1: measured.map(|accuracy| accuracy.top1) };
    report(arguments.json, &result, || format!("{}: {} bytes", result.report, result.bytes))
}
