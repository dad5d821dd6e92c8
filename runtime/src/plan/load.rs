//! The one pass that checks a plan.

use super::format::{
    ALIGNMENT, GoldenRecord, HeaderRecord, MAGIC, NONE, STRUCTURE_START, StepRecord, VERSION, ValueRecord,
};
use super::{Checksum, Plan, PlanError, optional, state_len};
use crate::frontend::FrontEnd;
use crate::operators::Operator;

/// Longest row in bytes; keeps all products of shapes within 32 bits.
const MAX_ROW: usize = 1 << 24;

pub(super) fn load(bytes: &[u8]) -> Result<Plan<'_>, PlanError> {
    let header = HeaderRecord::read(bytes).ok_or(PlanError::Truncated)?;
    if header.magic != MAGIC {
        return Err(PlanError::NotAPlan);
    }
    if header.version != VERSION || usize::from(header.header_len) != HeaderRecord::LEN {
        return Err(PlanError::Version(header.version));
    }
    if !bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
        return Err(PlanError::Misaligned);
    }
    let bytes = bytes.get(..header.total_len as usize).ok_or(PlanError::Truncated)?;
    let structure = bytes.get(STRUCTURE_START..header.constants as usize).ok_or(PlanError::Section)?;
    if Checksum::of(structure) != header.structure_checksum {
        return Err(PlanError::Checksum);
    }
    let constants = bytes.get(header.constants as usize..).ok_or(PlanError::Section)?;
    sections(&header)?;
    if !(header.scratch_len as usize).is_multiple_of(ALIGNMENT) {
        return Err(PlanError::Section);
    }
    let mut plan = Plan { bytes, header, constants, input: 0, output: 0 };
    texts(&plan)?;
    values(&mut plan)?;
    steps(&plan)?;
    overlaps(&plan)?;
    front_end(&plan)?;
    Ok(plan)
}

/// Every section lies between header and constants, at an aligned place.
fn sections(h: &HeaderRecord) -> Result<(), PlanError> {
    let (values, steps) = (u32::from(h.value_count), u32::from(h.step_count));
    let golden_len = steps.saturating_mul(4).saturating_add(GoldenRecord::LEN as u32);
    let all = [
        (h.values, values.saturating_mul(ValueRecord::LEN as u32)),
        (h.steps, steps.saturating_mul(StepRecord::LEN as u32)),
        (h.golden, golden_len),
        (h.front_end, h.front_end_len),
        (h.labels, h.labels_len),
        (h.names, h.names_len),
        (h.provenance, h.provenance_len),
        (h.signature, h.signature_len),
        (h.constants, 0),
    ];
    for (offset, len) in all {
        let inside = offset as usize >= HeaderRecord::LEN
            && (offset as usize).is_multiple_of(ALIGNMENT)
            && offset.checked_add(len).is_some_and(|end| end <= h.constants);
        if !inside {
            return Err(PlanError::Section);
        }
    }
    Ok(())
}

fn texts(plan: &Plan<'_>) -> Result<(), PlanError> {
    let h = &plan.header;
    for (offset, len) in [(h.labels, h.labels_len), (h.names, h.names_len), (h.provenance, h.provenance_len)] {
        let bytes = plan.section(offset, len).ok_or(PlanError::Section)?;
        core::str::from_utf8(bytes).map_err(|_| PlanError::Text)?;
    }
    Ok(())
}

/// Shapes and buffers of all values; finds the ports.
fn values(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let (mut input, mut output) = (None, None);
    for index in 0..plan.value_count() {
        let v = plan.value(index).ok_or(PlanError::Section)?;
        let row = usize::from(v.columns) * usize::from(v.channels);
        let sound = v.rows > 0
            && (1..=MAX_ROW).contains(&row)
            && v.element == 0
            && (-128..=127).contains(&v.zero_point)
            && v.rows.checked_mul(row as u32).is_some()
            && v.first_segment <= v.last_segment;
        if !sound {
            return Err(PlanError::Value(index));
        }
        let in_place = v.offset.is_multiple_of(4)
            && (1..=v.rows).contains(&v.ring)
            && buffer(&v).is_some_and(|(start, end)| start >= plan.reserved_len() && end <= plan.arena_len());
        if !in_place {
            return Err(PlanError::Buffer(index));
        }
        match v.role {
            0 => {}
            1 if input.is_none() => input = Some(index),
            2 if output.is_none() => output = Some(index),
            2 => {}
            _ => return Err(PlanError::Ports),
        }
    }
    plan.input = input.ok_or(PlanError::Ports)?;
    plan.output = output.ok_or(PlanError::Ports)?;
    Ok(())
}

/// Order, segments and windows of all steps; each operator checks its own constants and ranges.
fn steps(plan: &Plan<'_>) -> Result<(), PlanError> {
    let mut segment = 0;
    for index in 0..plan.step_count() {
        let step = plan.step(index).ok_or(PlanError::Section)?;
        if step.segment < segment {
            return Err(PlanError::Segment(index));
        }
        segment = step.segment;
        let output = plan.value(step.output).ok_or(PlanError::Order(index))?;
        if output.role == 1 || writer(plan, step.output, index).is_some() || output.first_segment != segment {
            return Err(PlanError::Order(index));
        }
        for input in [Some(step.input), optional(step.second)].into_iter().flatten() {
            let value = plan.value(input).ok_or(PlanError::Order(index))?;
            let written = match writer(plan, input, index) {
                Some(w) => plan.step(w).map(|s| s.segment),
                None if value.role == 1 => Some(0),
                None => None,
            };
            let from = written.ok_or(PlanError::Order(index))?;
            // A value that outlives the segment of its writer is kept whole.
            let whole = from == segment || value.ring >= value.rows;
            if value.first_segment > from || value.last_segment < segment || !whole {
                return Err(PlanError::Segment(index));
            }
        }
        let operator = Operator::decode(plan, index, true)?;
        operator.check_rings(plan, &step).ok_or(PlanError::Ring(index))?;
        if operator.as_row_operator().scratch_words().saturating_mul(4) > plan.header.scratch_len as usize {
            return Err(PlanError::Scratch(index));
        }
    }
    for index in 0..plan.value_count() {
        let orphan = plan.value(index).is_some_and(|v| v.role != 1) && writer(plan, index, plan.step_count()).is_none();
        if orphan {
            return Err(PlanError::Value(index));
        }
    }
    Ok(())
}

/// The step before `before` that writes a value.
fn writer(plan: &Plan<'_>, value: u16, before: u16) -> Option<u16> {
    (0..before).find(|&s| plan.step(s).is_some_and(|s| s.output == value))
}

/// No two buffers that are live in one segment share bytes.
fn overlaps(plan: &Plan<'_>) -> Result<(), PlanError> {
    let values = plan.value_count();
    let count = values.checked_add(plan.step_count()).ok_or(PlanError::Section)?;
    for a in 0..count {
        let Some((first_a, last_a, start_a, end_a)) = live(plan, a)? else { continue };
        for b in 0..a {
            let Some((first_b, last_b, start_b, end_b)) = live(plan, b)? else { continue };
            if first_a <= last_b && first_b <= last_a && start_a < end_b && start_b < end_a {
                return Err(PlanError::Overlap(b, a));
            }
        }
    }
    Ok(())
}

/// Live segments and bytes of a buffer: values first, then the sums of steps.
fn live(plan: &Plan<'_>, index: u16) -> Result<Option<(u16, u16, usize, usize)>, PlanError> {
    if let Some(v) = plan.value(index) {
        let (start, end) = buffer(&v).ok_or(PlanError::Buffer(index))?;
        return Ok(Some((v.first_segment, v.last_segment, start, end)));
    }
    let step_index = index.saturating_sub(plan.value_count());
    let step = plan.step(step_index).ok_or(PlanError::Section)?;
    let len = Operator::decode(plan, step_index, false)?.sums_len();
    if len == 0 {
        return Ok(None);
    }
    let start = step.scratch as usize;
    let end = start.checked_add(len).ok_or(PlanError::Buffer(index))?;
    let sound = step.scratch != NONE && start.is_multiple_of(4) && start >= plan.reserved_len() && end <= plan.arena_len();
    if sound { Ok(Some((step.segment, step.segment, start, end))) } else { Err(PlanError::Buffer(index)) }
}

/// First and last byte (exclusive) of a value's ring.
fn buffer(v: &ValueRecord) -> Option<(usize, usize)> {
    let row = usize::from(v.columns) * usize::from(v.channels);
    let start = v.offset as usize;
    Some((start, start.checked_add(row.checked_mul(v.ring as usize)?)?))
}

fn front_end(plan: &Plan<'_>) -> Result<(), PlanError> {
    let h = &plan.header;
    let section = plan.section(h.front_end, h.front_end_len).ok_or(PlanError::Section)?;
    if section.is_empty() {
        return Ok(());
    }
    let front_end = FrontEnd::load(section).map_err(|_| PlanError::FrontEnd)?;
    if front_end.feature_count() == plan.input().row_len() { Ok(()) } else { Err(PlanError::FrontEnd) }
}

const _: () = assert!(state_len(1, 1) == 16);
