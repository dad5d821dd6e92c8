//! The one pass that checks a plan.

use super::format::{
    ALIGNMENT, GoldenRecord, HeaderRecord, MAGIC, NONE, NONE_16, STRUCTURE_START, StepRecord, VERSION, ValueRecord,
};
#[cfg(feature = "text")]
use super::text::is_utf8;
use super::{Checksum, Constants, Plan, PlanError, map_record, state_len};
#[cfg(feature = "front-end")]
use crate::frontend::FrontEnd;
use crate::operators::{Needs, Operator};
use core::ops::RangeInclusive;

/// Most rows, so that a window behind the last row and one above the first are told apart in 32 bits.
const MAX_ROWS: u32 = 1 << 31;
/// Longest row in bytes; keeps all products within a row and its window within 32 bits.
const MAX_ROW: usize = 1 << 24;

#[inline(never)]
pub(super) fn load(bytes: &[u8]) -> Result<Plan<'_>, PlanError> {
    let (header, _) = bytes.split_at_checked(HeaderRecord::LEN).ok_or(PlanError::Truncated)?;
    let header: &HeaderRecord = bytemuck::try_from_bytes(header).map_err(|_| PlanError::Misaligned)?;
    if header.magic != MAGIC {
        return Err(PlanError::NotAPlan);
    }
    if header.version != VERSION || usize::from(header.header_len) != HeaderRecord::LEN {
        return Err(PlanError::Version(header.version));
    }
    if header.packing != crate::kernels::PACKING as u32 {
        return Err(PlanError::Packing(header.packing as u16));
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
    sections(header)?;
    let records = |offset: u32, count: u16, len: usize| {
        let (_, rest) = bytes.split_at_checked(offset as usize)?;
        rest.get(..usize::from(count).checked_mul(len)?)
    };
    let values_bytes = records(header.values, header.value_count, ValueRecord::LEN).ok_or(PlanError::Section)?;
    let steps_bytes = records(header.steps, header.step_count, StepRecord::LEN).ok_or(PlanError::Section)?;
    let mut plan = Plan {
        bytes,
        header,
        values: bytemuck::try_cast_slice(values_bytes).map_err(|_| PlanError::Misaligned)?,
        steps: bytemuck::try_cast_slice(steps_bytes).map_err(|_| PlanError::Misaligned)?,
        constants: Constants(constants),
        input: 0,
        output: 0,
    };
    #[cfg(feature = "text")]
    texts(&plan)?;
    values(&mut plan)?;
    let mut map = Map::new(&plan)?;
    steps(&plan, &mut map)?;
    map.end(&plan)?;
    #[cfg(feature = "front-end")]
    front_end(&plan)?;
    Ok(plan)
}

/// Every section lies between header and constants, at an aligned place.
fn sections(h: &HeaderRecord) -> Result<(), PlanError> {
    let (values, steps) = (u32::from(h.value_count), u32::from(h.step_count));
    let sound = is_inside(h, h.constants, 0)
        && is_inside(h, h.values, values.wrapping_mul(ValueRecord::LEN as u32))
        && is_inside(h, h.steps, steps.wrapping_mul(StepRecord::LEN as u32))
        && is_inside(h, h.map, h.map_len)
        && is_inside(h, h.golden, steps.wrapping_mul(4).wrapping_add(GoldenRecord::LEN as u32))
        && is_inside(h, h.front_end, h.front_end_len)
        && is_inside(h, h.labels, h.labels_len)
        && is_inside(h, h.names, h.names_len)
        && is_inside(h, h.provenance, h.provenance_len)
        && is_inside(h, h.signature, h.signature_len);
    if sound { Ok(()) } else { Err(PlanError::Section) }
}

#[inline(never)]
fn is_inside(h: &HeaderRecord, offset: u32, len: u32) -> bool {
    offset as usize >= HeaderRecord::LEN
        && (offset as usize).is_multiple_of(ALIGNMENT)
        && offset.checked_add(len).is_some_and(|end| end <= h.constants)
}

#[cfg(feature = "text")]
fn texts(plan: &Plan<'_>) -> Result<(), PlanError> {
    let h = plan.header();
    let sound = |offset, len| plan.section(offset, len).is_some_and(is_utf8);
    let all = sound(h.labels, h.labels_len) && sound(h.names, h.names_len) && sound(h.provenance, h.provenance_len);
    if all { Ok(()) } else { Err(PlanError::Text) }
}

/// Shapes and buffers of all values; finds the ports.
fn values(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let (mut input, mut output) = (None, None);
    let (state_len, arena_len) = (plan.state_len(), plan.arena_len());
    for index in 0..plan.value_count() {
        let v = plan.value_in_place(index).ok_or(PlanError::Section)?;
        // int16 is symmetric.
        let zero_point = v.zero_point == 0 || v.element == 0 && (-128..=127).contains(&v.zero_point);
        let sound = (1..=MAX_ROWS).contains(&v.rows)
            && (1..=MAX_ROW).contains(&v.row_len())
            && v.element <= 1
            && zero_point
            && v.first_segment <= v.last_segment
            && (index == 0) == (v.role == 1);
        if !sound {
            return Err(PlanError::Value(index));
        }
        let ring = v.offset.is_multiple_of(4)
            && (u32::from(v.head == NONE)..=v.rows).contains(&v.ring)
            && buffer(v).is_some_and(|(start, end)| start >= state_len && end <= arena_len);
        let head = v.head == NONE || v.head.is_multiple_of(4) && v.head as usize >= state_len;
        if !(ring && head) {
            return Err(PlanError::Buffer(index));
        }
        match v.role {
            0 => {}
            1 if input.is_none() => input = Some(index),
            2 if output.is_none() => output = Some(index),
            2 | 3 => {}
            _ => return Err(PlanError::Ports),
        }
    }
    plan.input = input.ok_or(PlanError::Ports)?;
    plan.output = output.ok_or(PlanError::Ports)?;
    Ok(())
}

/// Order, segments, windows and buffers of all steps; each operator checks its own constants and ranges.
fn steps<'p>(plan: &Plan<'p>, map: &mut Map<'p>) -> Result<(), PlanError> {
    if plan.value_count() != plan.step_count().saturating_add(1) {
        return Err(PlanError::Section);
    }
    for index in 0..plan.step_count() {
        let step = plan.step_in_place(index).ok_or(PlanError::Section)?;
        if step.segment != map.segment {
            let next = step.segment == map.segment.saturating_add(1) && index > 0;
            if !next {
                return Err(PlanError::Segment(index));
            }
            map.next_segment(plan)?;
        }
        let output = plan.value_in_place(step.output).ok_or(PlanError::Order(index))?;
        if step.output != index.saturating_add(1) || output.first_segment != step.segment {
            return Err(PlanError::Order(index));
        }
        let needs = Needs::of(plan, index)?;
        let mut elements = output.element;
        for (input, second) in [(step.input, false), (step.second, true)] {
            if second && input == NONE_16 {
                continue;
            }
            let value = plan.value_in_place(input).filter(|_| input <= index).ok_or(PlanError::Order(index))?;
            elements |= value.element;
            // A value that outlives the segment of its writer is kept whole; within it, the value wakes the step.
            let live = if value.first_segment == step.segment {
                value.wake != NONE_16 && value.wake >= index
            } else {
                value.ring >= value.rows
            };
            if !live || value.last_segment < step.segment {
                return Err(PlanError::Segment(index));
            }
            let alone = value.ring > 0 || input == index && value.first_segment == step.segment;
            let rows = value.ring.saturating_add(u32::from(value.head != NONE));
            let window = if input == step.input { needs.window_rows } else { 1 };
            if !alone || rows < window {
                return Err(PlanError::Ring(index));
            }
        }
        if elements != 0 && !Operator::takes_int16(step.operator) {
            return Err(PlanError::Element(index));
        }
        if !map.is_transient(plan, index, needs.scratch_len) {
            return Err(PlanError::Transient(index));
        }
    }
    Ok(())
}

/// Walks the memory map: the buffers of a segment follow one another by address, and none is left out.
struct Map<'p> {
    rest: &'p [u8],
    segment: u16,
    /// End of the engine's counters.
    counters_end: usize,
    transient_end: usize,
    listed: u32,
}

impl<'p> Map<'p> {
    /// The map at the first segment.
    fn new(plan: &Plan<'p>) -> Result<Self, PlanError> {
        let header = plan.header();
        let rest = plan.section(header.map, header.map_len).ok_or(PlanError::Section)?;
        let mut map = Self { rest, segment: 0, counters_end: plan.state_len(), transient_end: 0, listed: 0 };
        map.read(plan)?;
        Ok(map)
    }

    fn next_segment(&mut self, plan: &Plan<'p>) -> Result<(), PlanError> {
        self.segment = self.segment.saturating_add(1);
        self.read(plan)
    }

    fn read(&mut self, plan: &Plan<'p>) -> Result<(), PlanError> {
        let overlap = PlanError::Overlap(self.segment);
        let (record, entries, rest) = map_record(self.rest).ok_or(PlanError::Section)?;
        self.transient_end = self.counters_end.checked_add(record.transient_len as usize).ok_or(overlap)?;
        let mut end = self.transient_end;
        if end > plan.arena_len() {
            return Err(overlap);
        }
        for index in entries {
            let (segments, start, stop) = live(plan, index)?;
            if !segments.contains(&self.segment) || start < end || stop <= start {
                return Err(overlap);
            }
            end = stop;
            self.listed = self.listed.saturating_add(1);
        }
        self.rest = rest;
        Ok(())
    }

    /// Whether scratch and heads of a step are apart and within the segment's transient bytes.
    fn is_transient(&self, plan: &Plan<'_>, step: u16, scratch_len: usize) -> bool {
        let scratch_end = self.counters_end.saturating_add(scratch_len);
        // None is no bytes at the end.
        let [a, b] = [step, step.saturating_add(1)].map(|index| {
            let value = plan.value_in_place(index).filter(|v| v.head != NONE && v.first_segment == self.segment);
            value.map_or(self.transient_end..self.transient_end, |v| {
                let start = v.head as usize;
                start..start.saturating_add(v.row_len())
            })
        });
        let apart = a.end <= b.start || b.end <= a.start;
        let inside = a.end <= self.transient_end && b.end <= self.transient_end;
        apart && inside && scratch_end <= a.start && scratch_end <= b.start && scratch_end <= self.transient_end
    }

    /// Every ring and all sums are listed in each segment in which they are live: none is listed twice, so that it is enough
    /// to count.
    fn end(&self, plan: &Plan<'_>) -> Result<(), PlanError> {
        let mut count = 0u32;
        for index in 0..plan.value_count() {
            let v = plan.value_in_place(index).ok_or(PlanError::Section)?;
            let segments = u32::from(v.last_segment).saturating_sub(v.first_segment.into()).saturating_add(1);
            let wrong = v.last_segment > self.segment || index == 0 && v.first_segment != 0;
            if wrong {
                return Err(PlanError::Segment(index));
            }
            count = count.saturating_add(if v.ring > 0 { segments } else { 0 });
        }
        for index in 0..plan.step_count() {
            let step = plan.step_in_place(index).ok_or(PlanError::Section)?;
            count = count.saturating_add(u32::from(Operator::accumulates(step.operator)));
        }
        if count == self.listed { Ok(()) } else { Err(PlanError::Overlap(self.segment)) }
    }
}

/// Live segments and bytes of a ring or, from the value count on, of the sums of a step.
fn live(plan: &Plan<'_>, index: u16) -> Result<(RangeInclusive<u16>, usize, usize), PlanError> {
    let wrong = PlanError::Buffer(index);
    if let Some(v) = plan.value_in_place(index) {
        let (start, end) = buffer(v).ok_or(wrong)?;
        return Ok((v.first_segment..=v.last_segment, start, end));
    }
    let step_index = index.saturating_sub(plan.value_count());
    let step = plan.step_in_place(step_index).ok_or(PlanError::Section)?;
    let start = step.scratch as usize;
    let end = start.checked_add(Needs::of(plan, step_index)?.sums_len).ok_or(wrong)?;
    let sound = start.is_multiple_of(4) && end <= plan.arena_len();
    if sound { Ok((step.segment..=step.segment, start, end)) } else { Err(wrong) }
}

/// First and last byte (exclusive) of a value's ring.
fn buffer(v: &ValueRecord) -> Option<(usize, usize)> {
    let start = v.offset as usize;
    Some((start, start.checked_add(v.row_len().checked_mul(v.ring as usize)?)?))
}

#[cfg(feature = "front-end")]
fn front_end(plan: &Plan<'_>) -> Result<(), PlanError> {
    let h = plan.header();
    let section = plan.section(h.front_end, h.front_end_len).ok_or(PlanError::Section)?;
    if section.is_empty() {
        return Ok(());
    }
    let front_end = FrontEnd::load(section).map_err(|_| PlanError::FrontEnd)?;
    let input = plan.input();
    if input.element == super::Element::Int8 && front_end.feature_count() == input.row_len() {
        Ok(())
    } else {
        Err(PlanError::FrontEnd)
    }
}

const _: () = assert!(state_len(1, 1) == 16);
