//! What can be asked of an emulated device.

use crate::aligned::aligned;
use crate::build::{self, Built};
use crate::emulator::{self, Answer, Counts, Work};
use crate::packing::packed_for;
use crate::profile::{self, StepCost};
use crate::{HarnessError, Parts, Target};
use residua::plan::{Plan, Tensor};
use residua_mailbox::{Mode, Record};
use std::time::Duration;

/// How to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether to count each step of the plan apart. The markers between the steps cost nothing, but the engine is then
    /// compiled with an observer: totals differ a little from those of a plain run.
    pub profile: bool,
    /// Whether the firmware links all operators rather than those of the plan alone: larger, but one firmware for any
    /// number of plans, where each would have its own built.
    pub all_operators: bool,
    /// Time after which a run is stopped.
    pub time_limit: Duration,
}

impl Default for Options {
    /// No profile, the plan's operators, ten minutes.
    fn default() -> Self {
        Self { profile: false, all_operators: false, time_limit: Duration::from_secs(600) }
    }
}

/// Inferences on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRun {
    /// Outputs, one for each input, in the plan's output layout.
    pub outputs: Vec<Vec<i8>>,
    /// Instructions of loading (checking) the plan.
    pub load_instructions: u64,
    /// Instructions of one inference: the largest over all inputs.
    pub instructions: u64,
    /// Modelled cycles of one inference: the largest over all inputs.
    pub cycles: u64,
    /// Counts of each inference.
    pub inferences: Vec<Counts>,
    /// Deepest stack of an inference, in bytes.
    pub stack_bytes: u32,
    /// The plan's arena, in bytes.
    pub arena_bytes: usize,
    /// Flash that the firmware takes without the plan, in bytes.
    pub code_bytes: u64,
    /// Cost of each step of the plan over one inference (the last), where a profile was asked for; then a closing entry
    /// for what lies between the steps.
    pub steps: Vec<StepCost>,
    /// The firmware's log.
    pub log: Vec<String>,
}

/// Loading of a plan on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRun {
    /// What loading (checking) the plan cost.
    pub counts: Counts,
    /// The firmware's log.
    pub log: Vec<String>,
}

/// An output row of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRow {
    /// Index of the row, counted from 0 over the stream.
    pub index: u32,
    /// Bytes of the row.
    pub values: Vec<i8>,
}

/// A stream of audio on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioRun {
    /// Class names of a row's elements; none where the plan has none.
    pub labels: Vec<String>,
    /// What the rows are.
    pub output: Tensor,
    /// Rows that the plan emitted.
    pub rows: Vec<OutputRow>,
    /// Instructions and modelled cycles of the whole stream: front end and engine.
    pub counts: Counts,
    /// The plan's arena, in bytes.
    pub arena_bytes: usize,
    /// Deepest stack, in bytes.
    pub stack_bytes: u32,
    /// Flash that the firmware takes without the plan, in bytes.
    pub code_bytes: u64,
    /// The firmware's log: label and score of each row, among others.
    pub log: Vec<String>,
}

impl AudioRun {
    /// Label and real value of a row's largest element; of the first where several are largest.
    pub fn best(&self, row: &OutputRow) -> Option<(&str, f32)> {
        let (class, value) = self.output.elements(&row.values).largest()?;
        let score = f32::from_bits(self.output.scale_bits) * (value - self.output.zero_point) as f32;
        Some((self.labels.get(class)?, score))
    }
}

/// Runs each input on the device.
///
/// # Errors
/// Tools are missing, the plan does not fit, an input has the wrong length, or the device fails.
pub fn run(target: Target, plan: &[u8], inputs: &[Vec<i8>], options: &Options) -> Result<DeviceRun, HarnessError> {
    let plan = aligned(plan);
    let plan_bytes = plan.bytes();
    let plan = Plan::load(plan_bytes)?;
    let (needed, output_len) = (plan.input().len(), plan.output().len());
    if let Some((index, given)) = inputs.iter().map(Vec::len).enumerate().find(|&(_, len)| len != needed) {
        return Err(HarnessError::InputLength { index, given, needed });
    }
    let input: Vec<u8> = inputs.iter().flatten().map(|&element| element as u8).collect();
    let mode = if options.profile { Mode::Profile } else { Mode::Infer };
    let packed = packed_for(target, plan_bytes)?;
    let parts = if options.all_operators { Parts::new(None, mode) } else { Parts::packed(&plan, &packed, mode) };
    let built = build::build(target, parts)?;
    let work = Work { mode, plan: &packed, input: &input, input_count: inputs.len() };
    let answer = emulator::boot(target, &built, &work, options.time_limit)?;

    let outputs: Vec<Vec<i8>> = answer
        .records()
        .filter_map(|record| if let Record::Output(values) = record { Some(signed(values)) } else { None })
        .collect();
    if outputs.len() != inputs.len() || outputs.iter().any(|output| output.len() != output_len) {
        return Err(HarnessError::Report(format!("{} outputs for {} inputs", outputs.len(), inputs.len())));
    }
    let (load, inferences) = regions(&answer, inputs.len())?;
    let largest = |count: fn(&Counts) -> u64| inferences.iter().map(count).max().unwrap_or(0);
    Ok(DeviceRun {
        outputs,
        load_instructions: load.instructions,
        instructions: largest(|counts| counts.instructions),
        cycles: largest(|counts| counts.cycles),
        inferences: inferences.to_vec(),
        stack_bytes: stack_bytes(&answer)?,
        arena_bytes: plan.arena_len(),
        code_bytes: built.firmware.code_bytes,
        steps: if options.profile { profile::steps(plan, &answer, inferences)? } else { Vec::new() },
        log: answer.log,
    })
}

/// Loads a plan on the device, whatever the host would say of it.
///
/// # Errors
/// [`HarnessError::Refused`] where the device refuses the plan; tools are missing; the device fails.
pub fn load(target: Target, plan: &[u8]) -> Result<LoadRun, HarnessError> {
    let (answer, _) = simple(target, Mode::Load, plan, &[])?;
    let (counts, _) = regions(&answer, 0)?;
    Ok(LoadRun { counts, log: answer.log })
}

/// Replays the plan's golden vector on the device. `None` where all steps agree, else the first that differs.
///
/// # Errors
/// Tools are missing, the plan does not fit, or the device fails.
pub fn self_test(target: Target, plan: &[u8]) -> Result<Option<u16>, HarnessError> {
    let (answer, _) = simple(target, Mode::SelfTest, plan, &[])?;
    let result =
        answer.records().find_map(|record| if let Record::SelfTest(step) = record { Some(step) } else { None });
    match result {
        Some(u32::MAX) => Ok(None),
        Some(step) => u16::try_from(step).map(Some).map_err(|_| HarnessError::Report(format!("no step {step}"))),
        None => Err(HarnessError::Report("no self-test record".into())),
    }
}

/// Streams audio (mono, at the rate of the plan's front end) through front end and engine on the device.
///
/// # Errors
/// The plan has no front end or does not fit, tools are missing, or the device fails.
pub fn audio(target: Target, plan: &[u8], samples: &[i16]) -> Result<AudioRun, HarnessError> {
    let aligned = aligned(plan);
    let loaded = Plan::load(aligned.bytes())?;
    let output = loaded.output();
    loaded.front_end().ok_or(HarnessError::NoFrontEnd)?;
    if samples.is_empty() {
        return Err(HarnessError::InputLength { index: 0, given: 0, needed: 1 });
    }
    let input: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let (answer, built) = simple(target, Mode::Audio, plan, &input)?;
    let (_, streams) = regions(&answer, 1)?;
    let rows = answer
        .records()
        .filter_map(|record| match record {
            Record::Row { index, values } => Some(OutputRow { index, values: signed(values) }),
            _ => None,
        })
        .collect();
    Ok(AudioRun {
        labels: loaded.labels().map(str::to_owned).collect(),
        output,
        rows,
        counts: streams.iter().copied().next().unwrap_or_default(),
        arena_bytes: loaded.arena_len(),
        stack_bytes: stack_bytes(&answer)?,
        code_bytes: built.firmware.code_bytes,
        log: answer.log,
    })
}

fn simple(target: Target, mode: Mode, plan: &[u8], input: &[u8]) -> Result<(Answer, Built), HarnessError> {
    // A plan that the host refuses goes to the device all the same, which must refuse it too.
    let aligned = aligned(plan);
    let loaded = Plan::load(aligned.bytes()).ok();
    let packed = packed_for(target, aligned.bytes())?;
    let parts = loaded.map_or_else(|| Parts::new(None, mode), |plan| Parts::packed(&plan, &packed, mode));
    let built = build::build(target, parts)?;
    let work = Work { mode, plan: &packed, input, input_count: usize::from(!input.is_empty()) };
    let answer = emulator::boot(target, &built, &work, Options::default().time_limit)?;
    Ok((answer, built))
}

/// The region of loading, and those behind it, of which there must be `count`.
pub(crate) fn regions(answer: &Answer, count: usize) -> Result<(Counts, &[Counts]), HarnessError> {
    match answer.regions.split_first() {
        Some((load, rest)) if rest.len() == count => Ok((*load, rest)),
        _ => Err(HarnessError::Report(format!("{} counted regions, not {}", answer.regions.len(), count + 1))),
    }
}

pub(crate) fn stack_bytes(answer: &Answer) -> Result<u32, HarnessError> {
    answer
        .records()
        .find_map(|record| if let Record::Stack(bytes) = record { Some(bytes) } else { None })
        .ok_or_else(|| HarnessError::Report("no stack record".into()))
}

pub(crate) fn signed(values: &[u8]) -> Vec<i8> {
    values.iter().map(|&value| value as i8).collect()
}
