//! Where and when: segments, ring sizes and arena addresses.

mod memory;
mod rows;

use crate::qgraph::{QGraph, QStep, QValue};
use residua::operators::geometry::Geometry;

/// A quantized graph with every buffer placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Segment of each step.
    pub segments: Vec<u16>,
    /// Rows that each value's ring holds.
    pub rings: Vec<u32>,
    /// First and last segment in which each value is live.
    pub lifetimes: Vec<[u16; 2]>,
    /// Arena offset of each value's ring.
    pub offsets: Vec<u32>,
    /// Arena offset of each step's sums; `None` for steps without.
    pub scratch: Vec<Option<u32>>,
    /// Bytes of scratch that the steps share.
    pub scratch_len: u32,
    /// Arena size in bytes.
    pub arena_len: u32,
}

impl Schedule {
    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.last().map_or(0, |&s| usize::from(s) + 1)
    }
}

/// Schedules a graph: the split into segments, of those considered, with the smallest arena.
pub fn schedule(graph: &QGraph) -> Schedule {
    let one = vec![0; graph.steps.len()];
    let each: Vec<u16> = (0..graph.steps.len() as u16).collect();
    let mut best = place(graph, one);
    for candidate in [each].into_iter().chain((1..graph.steps.len()).map(|cut| two_segments(graph, cut))) {
        let candidate = place(graph, candidate);
        if candidate.arena_len < best.arena_len {
            best = candidate;
        }
    }
    best
}

fn two_segments(graph: &QGraph, cut: usize) -> Vec<u16> {
    (0..graph.steps.len()).map(|s| u16::from(s >= cut)).collect()
}

/// Sizes and places all buffers for a split into segments.
pub fn place(graph: &QGraph, segments: Vec<u16>) -> Schedule {
    let rings = rows::ring_sizes(graph, &segments);
    let lifetimes = lifetimes(graph, &segments);
    let state = residua::plan::state_len(graph.values.len(), graph.steps.len());
    let scratch_len = graph.steps.iter().map(|s| s.scratch_words * 4).max().unwrap_or(0).next_multiple_of(16);
    let (offsets, scratch, arena_len) = memory::assign(graph, &segments, &rings, &lifetimes, state + scratch_len);
    Schedule { segments, rings, lifetimes, offsets, scratch, scratch_len: scratch_len as u32, arena_len }
}

/// First and last segment in which each value is written or read. The input is written from the start.
fn lifetimes(graph: &QGraph, segments: &[u16]) -> Vec<[u16; 2]> {
    let mut out = vec![[0, 0]; graph.values.len()];
    for (step, &segment) in graph.steps.iter().zip(segments) {
        out[step.output] = [segment, segment];
        for &input in &step.inputs {
            out[input][1] = out[input][1].max(segment);
        }
    }
    out
}

/// The runtime's geometry of a step.
pub(crate) fn geometry(step: &QStep, values: &[QValue]) -> Geometry {
    let (input, output) = (&values[step.inputs[0]], &values[step.output]);
    let r = &step.record;
    Geometry {
        rows_in: input.shape[0] as u32,
        columns_in: input.shape[1] as u32,
        channels_in: input.shape[2],
        rows_out: output.shape[0] as u32,
        columns_out: output.shape[1] as u32,
        channels_out: output.shape[2],
        kernel: [r.kernel_rows.into(), r.kernel_columns.into()],
        stride: [r.stride_rows.into(), r.stride_columns.into()],
        dilation: [r.dilation_rows.into(), r.dilation_columns.into()],
        pad: [r.pad_top.into(), r.pad_left.into()],
    }
}
