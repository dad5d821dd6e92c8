//! The buffers of a plan: where they are, and when.

use super::StepReport;
use crate::schedule::traffic::{self, Reads};
use residua::plan::Plan;
use residua::plan::format::{NONE, NONE_16};
use serde::Serialize;
use std::fmt;

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BufferKind {
    /// The engine's row counters.
    Counters,
    /// What a step needs while it computes a row.
    Scratch,
    /// The newest row of a value, for the step that reads it at once.
    Head,
    /// The newest rows of a value.
    Ring,
    /// All rows of a value.
    Tensor,
    /// The i32 sums that a step carries from row to row.
    Sums,
}

impl BufferKind {
    /// Whether a buffer is live during its steps alone; others keep their bytes for whole segments.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Scratch | Self::Head)
    }
}

impl fmt::Display for BufferKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counters => "counters",
            Self::Scratch => "scratch",
            Self::Head => "head",
            Self::Ring => "ring",
            Self::Tensor => "tensor",
            Self::Sums => "sums",
        })
    }
}

/// A buffer in the arena.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BufferReport {
    /// What it holds.
    pub kind: BufferKind,
    /// The value that it holds, by the step that writes it, or `input`; for scratch and sums the step; else `engine`.
    pub writer: String,
    /// Address in the arena, in bytes.
    pub offset: u32,
    /// Size in bytes.
    pub bytes: usize,
    /// Rows held, of how many, 0 for a stream's; none where no rows are held.
    pub rows: Option<[u32; 2]>,
    /// Bytes read and written in one inference, or for an input row of a stream on average; unknown for counters and scratch.
    pub traffic_bytes: Option<u64>,
    /// First and last segment in which it is live.
    pub live: [u16; 2],
    /// First and last step that use it. Rings, tensors and sums keep their bytes for whole segments, since the steps of a
    /// segment take turns; heads and scratch keep them for these steps alone.
    pub steps: [u16; 2],
}

impl BufferReport {
    /// Whether the buffer's bytes are its own while a step of a segment runs.
    pub fn is_live(&self, step: u16, segment: u16) -> bool {
        let (range, at) = if self.kind.is_transient() { (self.steps, step) } else { (self.live, segment) };
        (range[0]..=range[1]).contains(&at)
    }
}

impl fmt::Display for BufferReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, writer, bytes, .. } = self;
        write!(f, "{kind} of `{writer}` {bytes} bytes")?;
        match self.rows {
            Some([held, 0]) if *kind != BufferKind::Head => write!(f, ", {held} rows"),
            Some([held, all]) if *kind != BufferKind::Head => write!(f, ", {held} of {all} rows"),
            _ => Ok(()),
        }
    }
}

/// All buffers of a plan, by kind, then in order of steps.
pub(super) fn buffers(plan: &Plan<'_>, steps: &[StepReport]) -> Vec<BufferReport> {
    let last_step = plan.step_count().saturating_sub(1);
    let all = [0, steps.last().map_or(0, |s| s.segment)];
    let mut out = vec![BufferReport {
        kind: BufferKind::Counters,
        writer: "engine".into(),
        offset: 0,
        bytes: plan.state_len(),
        rows: None,
        traffic_bytes: None,
        live: all,
        steps: [0, last_step],
    }];
    for index in 0..plan.step_count() {
        let (Some(step), Some(operator)) = (plan.step(index), plan.operator(index)) else { continue };
        let operator = operator.as_row_operator();
        let sums_traffic = traffic::of_sums(operator.sums() * 4, operator.geometry().rows_in);
        for (kind, words, offset, traffic_bytes) in [
            (BufferKind::Scratch, operator.scratch_words(), plan.state_len() as u32, None),
            (BufferKind::Sums, operator.sums(), step.scratch, Some(sums_traffic)),
        ] {
            let writer = steps.get(usize::from(index)).map_or(String::new(), |s| s.name.clone());
            let [live, steps] = [[step.segment; 2], [index; 2]];
            let buffer =
                BufferReport { kind, writer, offset, bytes: words * 4, rows: None, traffic_bytes, live, steps };
            out.extend(Some(buffer).filter(|b| b.bytes > 0));
        }
    }
    let rows_read = rows_read(plan);
    for ((index, reader), read) in (0..plan.value_count()).zip(last_readers(plan)).zip(rows_read) {
        let Some(value) = plan.value(index) else { continue };
        let row = value.row_len();
        let writer = index.checked_sub(1).and_then(|s| steps.get(usize::from(s))).map_or("input", |s| &s.name);
        let (head, ring) = (value.head != NONE, value.ring > 0);
        let [in_ring, in_head] = traffic::of_value(row, value.rows.into(), read, head, ring);
        let of = |kind, offset, rows: u32, traffic, live, steps| BufferReport {
            kind,
            writer: writer.into(),
            offset,
            bytes: row * rows as usize,
            rows: Some([rows, value.rows]),
            traffic_bytes: Some(traffic),
            live,
            steps,
        };
        let first = index.saturating_sub(1);
        if head {
            let reader = if value.wake == NONE_16 { first } else { index.min(last_step) };
            out.push(of(BufferKind::Head, value.head, 1, in_head, [value.first_segment; 2], [first, reader]));
        }
        if ring {
            let kind = if value.ring < value.rows { BufferKind::Ring } else { BufferKind::Tensor };
            let live = [value.first_segment, value.last_segment];
            out.push(of(kind, value.offset, value.ring, in_ring, live, [first, reader.unwrap_or(first)]));
        }
    }
    out.sort_by_key(|b| (b.kind, b.steps));
    out
}

/// Rows read of each value in one inference.
fn rows_read(plan: &Plan<'_>) -> Vec<u64> {
    let operators: Vec<_> = (0..plan.step_count()).filter_map(|s| Some((plan.step(s)?, plan.operator(s)?))).collect();
    let reads = operators.iter().map(|(step, operator)| Reads {
        geometry: operator.as_row_operator().geometry(),
        accumulates: operator.as_row_operator().sums() > 0,
        input: step.input.into(),
        second: (step.second != NONE_16).then_some(step.second.into()),
    });
    traffic::rows_read(plan.value_count().into(), reads)
}

/// Last step that reads each value.
fn last_readers(plan: &Plan<'_>) -> Vec<Option<u16>> {
    let mut readers = vec![None; plan.value_count().into()];
    for (index, step) in (0..plan.step_count()).filter_map(|index| Some((index, plan.step(index)?))) {
        for value in [step.input, step.second] {
            readers.get_mut(usize::from(value)).into_iter().for_each(|reader| *reader = Some(index));
        }
    }
    readers
}
