//! What is in a plan.

use crate::ports::{Port, provenance};
use residua::operators::Operator;
use residua::operators::geometry::Geometry;
use residua::plan::Plan;
use serde::Serialize;
use std::collections::BTreeMap;

/// A plan's contents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// Name of the model.
    pub name: String,
    /// The whole plan.
    pub plan_bytes: usize,
    /// Weights and other numbers.
    pub constants_bytes: usize,
    /// Working memory.
    pub arena_bytes: usize,
    /// Parts of the schedule; between two of them, values are held whole.
    pub segments: usize,
    /// Multiply-accumulate operations of one inference.
    pub macs: u64,
    /// Weights and biases.
    pub parameters: u64,
    /// Number of steps of each operator.
    pub operators: BTreeMap<String, usize>,
    /// Nothing: a plan holds what is supported.
    pub unsupported: Vec<String>,
    /// What goes in.
    pub input: PortReport,
    /// What comes out.
    pub output: PortReport,
    /// Class names.
    pub labels: Vec<String>,
    /// Whether audio goes in, through the plan's own front end.
    pub front_end: bool,
    /// Operators in execution order.
    pub steps: Vec<StepReport>,
    /// Buffers in the arena.
    pub memory: Vec<BufferReport>,
    /// Where the plan comes from.
    pub provenance: BTreeMap<String, String>,
}

/// An end of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortReport {
    /// Shape that the model declares.
    pub shape: Vec<usize>,
    /// real = scale · (q − zero point).
    pub scale: f32,
    /// See `scale`.
    pub zero_point: i8,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Name of the node in the model.
    pub name: String,
    /// Operator of the runtime.
    pub operator: String,
    /// Multiply-accumulate operations, padding included.
    pub macs: u64,
    /// Bits of a weight; 0 where there are none.
    pub weight_bits: u8,
    /// Bits of an element of the output.
    pub activation_bits: u8,
    /// Rows, columns, channels of the output.
    pub shape: [usize; 3],
    /// Segment of the schedule.
    pub segment: u16,
}

/// A ring buffer in the arena.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BufferReport {
    /// The step that writes it, or `input`.
    pub writer: String,
    /// Address in the arena.
    pub offset: u32,
    /// Size.
    pub bytes: usize,
    /// Rows held, of how many.
    pub rows: [u32; 2],
    /// First and last segment in which it is live.
    pub live: [u16; 2],
}

impl PlanReport {
    /// Reads a plan.
    pub fn of(plan: &Plan<'_>) -> Self {
        let (mut steps, mut parameters, mut operators) = (Vec::<StepReport>::new(), 0u64, BTreeMap::new());
        for index in 0..plan.step_count() {
            let (Some(step), Some(operator)) = (plan.step(index), plan.operator(index)) else { continue };
            let geometry = operator.as_row_operator().geometry();
            let weights = weights(&operator, geometry, step.groups);
            let channels = geometry.channels_out as u64;
            let pixels = u64::from(geometry.rows_out) * u64::from(geometry.columns_out);
            parameters = weights.saturating_add(if weights > 0 { channels } else { 0 }).saturating_add(parameters);
            *operators.entry(operator.name().to_string()).or_default() += 1;
            steps.push(StepReport {
                name: plan.step_name(index).into(),
                operator: operator.name().into(),
                macs: weights.saturating_mul(pixels),
                weight_bits: if weights > 0 { 8 } else { 0 },
                activation_bits: 8,
                shape: [geometry.rows_out as usize, geometry.columns_out as usize, geometry.channels_out],
                segment: step.segment,
            });
        }
        Self {
            name: provenance(plan, "model").unwrap_or_default().into(),
            plan_bytes: plan.bytes().len(),
            constants_bytes: plan.constants_len(),
            arena_bytes: plan.arena_len(),
            segments: steps.last().map_or(0, |s| usize::from(s.segment) + 1),
            macs: steps.iter().map(|s| s.macs).fold(0, u64::saturating_add),
            parameters,
            operators,
            unsupported: vec![],
            input: Port::input(plan).into(),
            output: Port::output(plan).into(),
            labels: plan.labels().map(str::to_owned).collect(),
            front_end: plan.front_end().is_some(),
            memory: memory(plan, &steps),
            steps,
            provenance: plan
                .provenance()
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }
}

impl From<Port> for PortReport {
    fn from(port: Port) -> Self {
        Self { shape: port.declared, scale: port.value.scale, zero_point: port.value.zero_point }
    }
}

/// Weights that one output pixel takes, each in one multiply-accumulate operation.
fn weights(operator: &Operator<'_>, geometry: &Geometry, groups: u16) -> u64 {
    let taps = geometry.kernel.iter().map(|&k| k as u64).product::<u64>();
    let (inputs, outputs) = (geometry.channels_in as u64, geometry.channels_out as u64);
    match operator {
        Operator::Convolution(_) => taps * (inputs / u64::from(groups.max(1))) * outputs,
        Operator::Depthwise(_) | Operator::Depthwise3(_) => taps * outputs,
        Operator::Pointwise(_) => inputs * outputs,
        Operator::Dense(_) => u64::from(geometry.rows_in) * u64::from(geometry.columns_in) * inputs * outputs,
        _ => 0,
    }
}

fn memory(plan: &Plan<'_>, steps: &[StepReport]) -> Vec<BufferReport> {
    let writer = |value: u16| {
        let step = (0..plan.step_count()).find(|&s| plan.step(s).is_some_and(|s| s.output == value));
        step.and_then(|s| steps.get(usize::from(s))).map_or("input", |s| &s.name).to_string()
    };
    let values = (0..plan.value_count()).filter_map(|index| Some((index, plan.value(index)?)));
    values
        .map(|(index, v)| BufferReport {
            writer: writer(index),
            offset: v.offset,
            bytes: usize::from(v.columns) * usize::from(v.channels) * v.ring as usize,
            rows: [v.ring, v.rows],
            live: [v.first_segment, v.last_segment],
        })
        .collect()
}
