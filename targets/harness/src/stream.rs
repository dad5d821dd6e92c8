//! Streams of rows on an emulated device.

use crate::aligned::aligned;
use crate::build;
use crate::device::{Options, regions, signed, stack_bytes};
use crate::emulator::{self, Counts, Work};
use crate::packing::packed_for;
use crate::{HarnessError, Parts, Target};
use residua::plan::Plan;
use residua_mailbox::{Mode, Record};

/// Streams on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRun {
    /// Rows that the plan emitted for each input, one behind the other.
    pub outputs: Vec<Vec<i8>>,
    /// Counts of each pushed row of each input.
    pub rows: Vec<Vec<Counts>>,
    /// Instructions of loading (checking) the plan.
    pub load_instructions: u64,
    /// Deepest stack of a row, in bytes.
    pub stack_bytes: u32,
    /// The plan's arena, in bytes.
    pub arena_bytes: usize,
    /// Flash that the firmware takes without the plan, in bytes.
    pub code_bytes: u64,
    /// The firmware's log.
    pub log: Vec<String>,
}

/// Pushes the rows of each input on the device, each input as a stream of its own. All have the same number of rows.
///
/// # Errors
/// Tools are missing, the plan does not fit, an input does not consist of whole rows or not of as many as the first, or the
/// device fails.
pub fn stream(target: Target, plan: &[u8], inputs: &[Vec<i8>]) -> Result<StreamRun, HarnessError> {
    let plan = aligned(plan);
    let plan_bytes = plan.bytes();
    let plan = Plan::load(plan_bytes)?;
    let row_len = plan.input().row_len();
    let first = inputs.first().map_or(0, Vec::len);
    let needed = first.next_multiple_of(row_len).max(row_len);
    if let Some((index, given)) = inputs.iter().map(Vec::len).enumerate().find(|&(_, len)| len != needed) {
        return Err(HarnessError::InputLength { index, given, needed });
    }
    let input: Vec<u8> = inputs.iter().flatten().map(|&element| element as u8).collect();
    let packed = packed_for(target, plan_bytes)?;
    let built = build::build(target, Parts::packed(&plan, &packed, Mode::Stream))?;
    let work = Work { mode: Mode::Stream, plan: &packed, input: &input, input_count: inputs.len() };
    let answer = emulator::boot(target, &built, &work, Options::default().time_limit)?;

    let mut outputs: Vec<Vec<i8>> = vec![];
    let rows = answer.records().filter_map(|record| match record {
        Record::Row { index, values } => Some((index, signed(values))),
        _ => None,
    });
    for (index, values) in rows {
        if index == 0 {
            outputs.push(vec![]);
        }
        if let Some(output) = outputs.last_mut() {
            output.extend(values);
        }
    }
    // Streams too short for an output row leave no record.
    outputs.resize(inputs.len(), vec![]);
    let rows = needed / row_len;
    let (load, pushed) = regions(&answer, rows * inputs.len())?;
    Ok(StreamRun {
        outputs,
        rows: pushed.chunks_exact(rows).map(<[Counts]>::to_vec).collect(),
        load_instructions: load.instructions,
        stack_bytes: stack_bytes(&answer)?,
        arena_bytes: plan.arena_len(),
        code_bytes: built.firmware.code_bytes,
        log: answer.log,
    })
}
