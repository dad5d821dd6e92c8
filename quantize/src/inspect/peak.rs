//! What a plan's buffers add up to: the peak, the lower bound, the fast region.

use super::StepReport;
use super::memory::BufferReport;
use crate::compile::FAST_RAM_KEY;
use crate::ports::provenance;
use crate::schedule::{ALIGNMENT, ARENA_ALIGNMENT};
use residua::plan::Plan;
use serde::Serialize;
use std::fmt;

/// The moment at which most bytes are live.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeakReport {
    /// The step that runs then.
    pub step: String,
    /// Its place in the order of steps.
    pub index: u16,
    /// Its operator.
    pub operator: String,
    /// Its segment.
    pub segment: u16,
    /// Bytes live then.
    pub bytes: usize,
    /// The buffers live then, the largest first.
    pub buffers: Vec<BufferReport>,
}

impl fmt::Display for PeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, operator, segment, bytes, .. } = self;
        write!(f, "{bytes} bytes are live while `{step}` ({operator}, segment {segment}) runs:")?;
        for buffer in &self.buffers {
            write!(f, "\n  {buffer}")?;
        }
        Ok(())
    }
}

/// The part of the arena from its start that was meant for fast memory. No buffer lies across its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionReport {
    /// Its size in bytes; the arena may be smaller.
    pub bytes: usize,
    /// Share of the known traffic that goes to it.
    pub traffic_share: f64,
}

/// The fast region that the plan was compiled for.
pub(super) fn fast_region(plan: &Plan<'_>, buffers: &[BufferReport]) -> Option<RegionReport> {
    let bytes: usize = provenance(plan, FAST_RAM_KEY)?.parse().ok()?;
    let traffic = |inside: &dyn Fn(&&BufferReport) -> bool| {
        let traffic = buffers.iter().filter(inside).filter_map(|b| b.traffic_bytes);
        traffic.fold(0, u64::saturating_add) as f64
    };
    let [fast, all] = [traffic(&|b| (b.offset as usize) < bytes), traffic(&|_| true)];
    Some(RegionReport { bytes, traffic_share: if all > 0.0 { fast / all } else { 0.0 } })
}

/// The moment at which most bytes are live; among equals the first.
pub(super) fn peak(buffers: &[BufferReport], steps: &[StepReport]) -> PeakReport {
    let lasting = lasting(buffers);
    let mut bytes: Vec<usize> = steps.iter().map(|s| lasting.get(usize::from(s.segment)).map_or(0, |&b| b)).collect();
    for buffer in buffers.iter().filter(|b| b.kind.is_transient()) {
        let [first, last] = buffer.steps.map(usize::from);
        bytes.get_mut(first..=last).into_iter().flatten().for_each(|b| *b += buffer.bytes);
    }
    let most = (0..bytes.len()).rev().max_by_key(|&index| bytes[index]).unwrap_or(0);
    let (index, step) = (most as u16, steps.get(most));
    let segment = step.map_or(0, |s| s.segment);
    let mut live: Vec<BufferReport> = buffers.iter().filter(|b| b.is_live(index, segment)).cloned().collect();
    live.sort_by_key(|b| std::cmp::Reverse(b.bytes));
    PeakReport {
        step: step.map_or(String::new(), |s| s.name.clone()),
        index,
        operator: step.map_or(String::new(), |s| s.operator.clone()),
        segment,
        bytes: live.iter().map(|b| b.bytes).sum(),
        buffers: live,
    }
}

/// Bytes that the largest segment needs: no placement of a plan's segments is smaller.
pub(super) fn lower_bound(plan: &Plan<'_>, buffers: &[BufferReport]) -> usize {
    let bytes = lasting(buffers).into_iter().zip(0u16..);
    let bytes = bytes.map(|(bytes, segment)| bytes + plan.segment_buffers(segment).map_or(0, |(len, _)| len as usize));
    bytes.max().unwrap_or(0).next_multiple_of(ARENA_ALIGNMENT)
}

/// Bytes of each segment beside its transient ones.
fn lasting(buffers: &[BufferReport]) -> Vec<usize> {
    let mut segments = Vec::new();
    for buffer in buffers.iter().filter(|b| !b.kind.is_transient()) {
        let [first, last] = buffer.live.map(usize::from);
        segments.resize(segments.len().max(last + 1), 0);
        segments[first..=last].iter_mut().for_each(|b| *b += buffer.bytes.next_multiple_of(ALIGNMENT));
    }
    segments
}
