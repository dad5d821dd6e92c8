//! `residua inspect`.

use crate::common::failure::Failure;
use crate::common::models::{is_plan, load_plan, read};
use crate::common::output::{report, stream_text, table};
use clap::Args;
use residua_models::onnx::{Survey, UnsupportedNode, ValueSummary, import, survey};
use residua_models::rewrite::to_fixed_point;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::inspect::{PlanReport, RegionReport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tells what is in a model or a plan
///
/// Example: residua inspect res8_narrow.onnx
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// ONNX file or plan
    file: PathBuf,
    /// List the rewrites that compiling the ONNX file would do, in order
    #[arg(long)]
    rewrites: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Model {
    name: String,
    opset: i64,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    operators: BTreeMap<String, usize>,
    parameters: u64,
    /// None where nodes are unsupported.
    macs: Option<u64>,
    unsupported: Vec<Unsupported>,
    /// With `--rewrites`: what was done, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewrites: Option<Vec<Rewrite>>,
}

#[derive(Serialize)]
struct Rewrite {
    rule: &'static str,
    node: String,
}

#[derive(Serialize)]
struct Value {
    name: String,
    shape: Vec<Dimension>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Dimension {
    Size(usize),
    Symbol(String),
}

#[derive(Serialize)]
struct Unsupported {
    node: String,
    operator: String,
    shape: Option<Vec<usize>>,
    reason: String,
    nearest: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = read(&arguments.file)?;
    if is_plan(&arguments.file, &bytes) {
        let bytes = AlignedBytes::from(bytes);
        let plan = PlanReport::of(&load_plan(&arguments.file, &bytes)?);
        return report(arguments.json, &plan, || plan_text(&plan));
    }
    let survey = survey(&bytes).map_err(|error| Failure::from(error).about(arguments.file.display()))?;
    let complete = survey.unsupported.is_empty();
    let mut model = Model::from(survey);
    if arguments.rewrites && complete {
        let mut graph = import(&bytes).map_err(|error| Failure::from(error).about(arguments.file.display()))?;
        let log = to_fixed_point(&mut graph).into_iter();
        model.rewrites = Some(log.map(|done| Rewrite { rule: done.rule, node: done.node }).collect());
    }
    report(arguments.json, &model, || model_text(&model))
}

impl From<Survey> for Model {
    fn from(survey: Survey) -> Self {
        let value = |value: ValueSummary| Value {
            name: value.name,
            shape: value.shape.into_iter().map(|d| d.map_or_else(Dimension::Symbol, Dimension::Size)).collect(),
        };
        let unsupported = |n: UnsupportedNode| Unsupported {
            node: n.node,
            operator: n.operator,
            shape: n.shape,
            reason: n.reason,
            nearest: n.nearest,
        };
        Self {
            name: survey.name,
            opset: survey.opset,
            inputs: survey.inputs.into_iter().map(value).collect(),
            outputs: survey.outputs.into_iter().map(value).collect(),
            operators: survey.operators,
            parameters: survey.parameters,
            macs: survey.macs,
            unsupported: survey.unsupported.into_iter().map(unsupported).collect(),
            rewrites: None,
        }
    }
}

fn model_text(model: &Model) -> String {
    let values = |values: &[Value]| {
        let dimension = |d: &Dimension| match d {
            Dimension::Size(size) => size.to_string(),
            Dimension::Symbol(symbol) => symbol.clone(),
        };
        let one = |v: &Value| format!("{} [{}]", v.name, v.shape.iter().map(dimension).collect::<Vec<_>>().join(", "));
        values.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let macs = model.macs.map_or("unknown".to_string(), |macs| macs.to_string());
    let mut out = format!(
        "{}: ONNX, operator set {}\ninput       {}\noutput      {}\nparameters  {}\nMACs        {macs}\n\n",
        model.name,
        model.opset,
        values(&model.inputs),
        values(&model.outputs),
        model.parameters,
    );
    out += &table(["operator", "nodes"], model.operators.iter().map(|(name, count)| [name.clone(), count.to_string()]));
    if !model.unsupported.is_empty() {
        out += &format!("\n{} nodes are not supported:\n", model.unsupported.len());
        for n in &model.unsupported {
            let shape = n.shape.as_ref().map_or(String::new(), |shape| format!(" on {shape:?}"));
            let nearest = if n.nearest.is_empty() { String::new() } else { format!("; supported: {}", n.nearest) };
            out += &format!("  {} ({}){shape}: {}{nearest}\n", n.node, n.operator, n.reason);
        }
    }
    if let Some(rewrites) = &model.rewrites {
        out += &format!("\n{} rewrites\n", rewrites.len());
        out += &table(["rule", "node"], rewrites.iter().map(|r| [r.rule.to_string(), r.node.clone()]));
    }
    out
}

fn plan_text(plan: &PlanReport) -> String {
    let mut out = format!(
        "{}: plan of {} bytes, {} of them constants\ninput       {:?}, scale {}, zero point {}{}\noutput      {:?}, scale {}, zero point {}\n\
         parameters  {}\nMACs        {}\narena       {} bytes, lower bound {}, {} segment(s)\n",
        plan.name,
        plan.plan_bytes,
        plan.constants_bytes,
        plan.input.shape,
        plan.input.scale,
        plan.input.zero_point,
        if plan.front_end { ", from audio" } else { "" },
        plan.output.shape,
        plan.output.scale,
        plan.output.zero_point,
        plan.parameters,
        plan.macs,
        plan.arena_bytes,
        plan.arena_lower_bound,
        plan.segments,
    );
    if let Some(timing) = &plan.stream {
        out += &format!("{}\n", stream_text(timing));
    }
    if let Some(RegionReport { bytes, traffic_share }) = &plan.fast_region {
        out += &format!("fast region {bytes} bytes, {:.1} % of the traffic\n", traffic_share * 100.0);
    }
    if !plan.labels.is_empty() {
        out += &format!("labels      {}\n", plan.labels.join(", "));
    }
    out += &format!("\npeak: {}\n", plan.peak);
    let steps = plan.steps.iter().zip(0..).map(|(s, index): (_, u16)| {
        let bits = |bits: u8| if bits == 0 { "-".to_string() } else { bits.to_string() };
        let [rows, columns, channels] = s.shape;
        [
            s.name.clone(),
            index.to_string(),
            s.operator.clone(),
            s.segment.to_string(),
            format!("{rows}x{columns}x{channels}"),
            s.macs.to_string(),
            s.constants_bytes.to_string(),
            format!("{}/{}", bits(s.weight_bits), bits(s.activation_bits)),
        ]
    });
    out += "\n";
    out += &table(["step", "#", "operator", "segment", "output", "MACs", "constants", "bits w/a"], steps);
    let buffers = plan.memory.iter().map(|b| {
        [
            format!("{} of {}", b.kind, b.writer),
            b.offset.to_string(),
            b.bytes.to_string(),
            b.rows.map_or("-".into(), |[held, all]| if all == 0 { held.to_string() } else { format!("{held}/{all}") }),
            b.traffic_bytes.map_or("-".into(), |bytes| bytes.to_string()),
            span(b.steps),
            span(b.live),
        ]
    });
    out += "\n";
    out += &table(["buffer of", "address", "bytes", "rows held", "traffic", "steps", "segments"], buffers);
    out
}

fn span([first, last]: [u16; 2]) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
