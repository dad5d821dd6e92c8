//! What is in a plan.

mod constants;
mod memory;
mod peak;
mod streamed;

pub use memory::{BufferKind, BufferReport};
pub use peak::{PeakReport, RegionReport};

use crate::ports::{Port, provenance};
use crate::qgraph::QValue;
use crate::stream::Timing;
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
    /// Bytes that the largest segment needs: no placement of these segments is smaller.
    pub arena_lower_bound: usize,
    /// The fast region, where the plan was compiled for one.
    pub fast_region: Option<RegionReport>,
    /// Parts of the schedule; between two of them, values are held whole.
    pub segments: usize,
    /// Multiply-accumulate operations of one inference; of a stream, those for an input row, on average.
    pub macs: u64,
    /// Times of a stream; `None` for whole frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Timing>,
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
    /// The moment at which most bytes are live.
    pub peak: PeakReport,
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
    /// Bits of an element.
    pub bits: u8,
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
    /// Weights, biases, multipliers, tables and padding, alignment included.
    pub constants_bytes: usize,
    /// Rows, columns, channels of the output; of a stream, rows in a period ([`Timing::per`]).
    pub shape: [usize; 3],
    /// Segment of the schedule.
    pub segment: u16,
}

impl PlanReport {
    /// Reads a plan.
    pub fn of(plan: &Plan<'_>) -> Self {
        let stream = Timing::of_plan(plan);
        let (mut steps, mut parameters, mut operators) = (Vec::<StepReport>::new(), 0u64, BTreeMap::new());
        let constants = constants::of_steps(plan);
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
                activation_bits: plan.value(step.output).map_or(0, |value| value.element_type().bits()),
                constants_bytes: constants.get(usize::from(index)).copied().unwrap_or(0),
                shape: [geometry.rows_out as usize, geometry.columns_out as usize, geometry.channels_out],
                segment: step.segment,
            });
        }
        let mut memory = memory::buffers(plan, &steps);
        if let Some(timing) = &stream {
            streamed::scale(plan, timing, &mut steps, &mut memory);
        }
        Self {
            name: provenance(plan, "model").unwrap_or_default().into(),
            plan_bytes: plan.bytes().len(),
            constants_bytes: plan.constants_len(),
            arena_bytes: plan.arena_len(),
            arena_lower_bound: peak::lower_bound(plan, &memory),
            fast_region: peak::fast_region(plan, &memory),
            segments: steps.last().map_or(0, |s| usize::from(s.segment) + 1),
            macs: steps.iter().map(|s| s.macs).fold(0, u64::saturating_add),
            stream,
            parameters,
            operators,
            unsupported: vec![],
            input: Port::input(plan).into(),
            output: Port::output(plan).into(),
            labels: plan.labels().map(str::to_owned).collect(),
            front_end: plan.front_end().is_some(),
            peak: peak::peak(&memory, &steps),
            memory,
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
        let QValue { element, scale, zero_point, .. } = port.value;
        Self { shape: port.declared, scale, zero_point, bits: element.bits() }
    }
}

/// Weights that one output pixel takes, each in one multiply-accumulate operation.
fn weights(operator: &Operator<'_>, geometry: &Geometry, groups: u16) -> u64 {
    let taps = geometry.kernel.iter().map(|&k| k as u64).product::<u64>();
    let (inputs, outputs) = (geometry.channels_in as u64, geometry.channels_out as u64);
    match operator {
        Operator::Convolution(_) | Operator::WideConvolution(_) => taps * (inputs / u64::from(groups.max(1))) * outputs,
        Operator::Winograd(_) => taps * inputs * outputs,
        Operator::Depthwise(_) | Operator::Depthwise3(_) => taps * outputs,
        Operator::Pointwise(_) => inputs * outputs,
        Operator::Dense(_) => u64::from(geometry.rows_in) * u64::from(geometry.columns_in) * inputs * outputs,
        _ => 0,
    }
}
