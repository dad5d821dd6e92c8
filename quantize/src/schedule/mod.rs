//! Where and when: segments, ring sizes and arena addresses.

mod memory;
mod objective;
mod rows;
mod search;
pub(crate) mod traffic;
mod transient;
mod wiring;

pub use objective::{Memory, Objective, ScheduleError, schedule, schedule_within};
pub use search::{Heads, Segment};

use crate::qgraph::{Endless, QGraph};
use memory::Buffer;
use wiring::Wiring;
pub(crate) use wiring::geometry;

/// Alignment of buffers in the arena.
pub(crate) const ALIGNMENT: usize = 4;
/// Alignment of the arena's size.
pub(crate) const ARENA_ALIGNMENT: usize = 16;

/// A quantized graph with every buffer placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Segment of each step.
    pub segments: Vec<u16>,
    /// Rows that each value's ring holds; 0 where the head is enough.
    pub rings: Vec<u32>,
    /// Arena offset of each value's head; `None` for values without.
    pub heads: Vec<Option<u32>>,
    /// First and last segment in which each value is live.
    pub lifetimes: Vec<[u16; 2]>,
    /// Arena offset of each value's ring.
    pub offsets: Vec<u32>,
    /// Arena offset of each step's sums; `None` for steps without.
    pub sums: Vec<Option<u32>>,
    /// Transient bytes of each segment: scratch and heads.
    pub transient: Vec<u32>,
    /// Last step of the writer's segment that reads each value.
    pub wakes: Vec<Option<u16>>,
    /// Arena size in bytes.
    pub arena_len: u32,
    /// Bytes that the largest segment needs: no placement of these segments is smaller.
    pub lower_bound: u32,
    /// Size of the fast region at the arena's start; 0 for none.
    pub fast: u32,
}

impl Schedule {
    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.transient.len()
    }

    /// Arena bytes above the fast region.
    pub fn slow_len(&self) -> u32 {
        self.arena_len.saturating_sub(self.fast)
    }
}

/// Sizes and places all buffers for a split into segments (the segment of each step, from 0 without gaps).
pub fn place(graph: &QGraph, segments: &[u16], heads: Heads) -> Schedule {
    let wiring = Wiring::new(graph);
    let mut cuts: Vec<Segment> = Vec::new();
    for (index, step) in segments
        .chunk_by(|a, b| a == b)
        .scan(0, |start, chunk| {
            *start += chunk.len();
            Some(*start - chunk.len()..*start)
        })
        .enumerate()
    {
        debug_assert_eq!(segments[step.start] as usize, index);
        let mut flags = vec![false; graph.values.len()];
        let can = |v: &usize| wiring.can_have_head(*v, &step);
        wiring.written(&step).filter(can).for_each(|v| flags[v] = true);
        let rings = rows::ring_sizes(&wiring, &step, &flags);
        let kept = wiring.written(&step).zip(rings).filter(|&(v, ring)| flags[v] && (heads == Heads::All || ring == 0));
        cuts.push(Segment { heads: kept.map(|(v, _)| v).collect(), steps: step });
    }
    place_segments(&wiring, &cuts, 0)
}

/// Whether ring sizes stay the same when twice as many input rows are replayed.
pub(crate) fn replay_is_settled(graph: &QGraph) -> bool {
    let rings = |graph: &QGraph| {
        let wiring = Wiring::new(graph);
        let all = 0..graph.steps.len();
        let heads = (0..graph.values.len()).map(|v| wiring.can_have_head(v, &all)).collect::<Vec<_>>();
        [rows::ring_sizes(&wiring, &all, &heads), rows::ring_sizes(&wiring, &all, &vec![false; heads.len()])]
    };
    let twice = graph.endless.map(|Endless { replay }| Endless { replay: replay.saturating_mul(2) });
    rings(graph) == rings(&QGraph { endless: twice, ..graph.clone() })
}

fn place_segments(wiring: &Wiring<'_>, segments: &[Segment], fast: u32) -> Schedule {
    let graph = wiring.graph;
    let state = state_len(graph);
    let mut out = Schedule {
        segments: vec![0; graph.steps.len()],
        rings: vec![1; graph.values.len()],
        heads: vec![None; graph.values.len()],
        lifetimes: vec![[0, 0]; graph.values.len()],
        offsets: vec![],
        sums: vec![],
        transient: vec![],
        wakes: vec![None; graph.values.len()],
        arena_len: 0,
        lower_bound: 0,
        fast,
    };
    for (index, segment) in segments.iter().enumerate() {
        out.segments[segment.steps.clone()].fill(index as u16);
        let mut flags = vec![false; graph.values.len()];
        segment.heads.iter().for_each(|&v| flags[v] = true);
        let written = wiring.written(&segment.steps);
        for (v, ring) in written.clone().zip(rows::ring_sizes(wiring, &segment.steps, &flags)) {
            out.rings[v] = ring;
            let wake = wiring.readers[v].iter().rev().find(|r| segment.steps.contains(r));
            out.wakes[v] = wake.map(|&r| r as u16);
        }
        let (heads, len) = transient::place(wiring, &segment.steps, &flags);
        heads.iter().for_each(|&(v, offset)| out.heads[v] = Some((state + offset) as u32));
        out.transient.push(len as u32);
        written.for_each(|v| out.lifetimes[v] = [index as u16; 2]);
    }
    for (step, &segment) in graph.steps.iter().zip(&out.segments) {
        for &input in &step.inputs {
            out.lifetimes[input][1] = out.lifetimes[input][1].max(segment);
        }
    }
    let buffers = buffers(wiring, &out, state);
    let bound = (0..segments.len() as u16).map(|s| segment_len(&buffers, &out, state, s)).max().unwrap_or(state);
    let (offsets, end) =
        if fast > 0 { memory::assign_hot(&buffers, fast as usize) } else { memory::assign(&buffers, bound) };
    let (values, sums) = offsets.split_at(graph.values.len());
    // A value that is kept in its head alone has no ring; its offset only has to be valid.
    let offset = |(v, &offset): (usize, &usize)| if out.rings[v] == 0 { state as u32 } else { offset as u32 };
    out.offsets = values.iter().enumerate().map(offset).collect();
    let used = |(&offset, step): (&usize, &crate::qgraph::QStep)| (step.sums > 0).then_some(offset as u32);
    out.sums = sums.iter().zip(&graph.steps).map(used).collect();
    out.arena_len = end.next_multiple_of(ARENA_ALIGNMENT) as u32;
    out.lower_bound = bound.next_multiple_of(ARENA_ALIGNMENT) as u32;
    out
}

/// Rings of all values, then sums of all steps.
fn buffers(wiring: &Wiring<'_>, schedule: &Schedule, state: usize) -> Vec<Buffer> {
    let floor = |[first, last]: [u16; 2]| {
        let transient = &schedule.transient[first.into()..=last.into()];
        state + transient.iter().max().map_or(0, |&len| len as usize)
    };
    let reads = traffic::rows_read(wiring.graph.values.len(), wiring.reads());
    let rings = (0..schedule.rings.len()).map(|v| {
        let (ring, lifetime) = (schedule.rings[v], schedule.lifetimes[v]);
        let row_len = wiring.graph.values[v].row_len();
        let head = schedule.heads[v].is_some();
        let [traffic, _] = traffic::of_value(row_len, wiring.rows(v).into(), reads[v], head, ring > 0);
        Buffer { len: wiring.ring_len(v, ring), lifetime, floor: floor(lifetime), traffic }
    });
    let sums = wiring.graph.steps.iter().zip(&wiring.geometries).zip(&schedule.segments);
    let sums = sums.map(|((step, geometry), &s)| {
        let len = step.sums * 4;
        Buffer { len, lifetime: [s, s], floor: floor([s, s]), traffic: traffic::of_sums(len, geometry.rows_in) }
    });
    rings.chain(sums).collect()
}

/// Bytes that are live in a segment.
fn segment_len(buffers: &[Buffer], schedule: &Schedule, state: usize, segment: u16) -> usize {
    let live = buffers.iter().filter(|b| (b.lifetime[0]..=b.lifetime[1]).contains(&segment));
    state + schedule.transient[usize::from(segment)] as usize + live.map(|b| b.len).sum::<usize>()
}

/// Bytes of the engine's counters.
fn state_len(graph: &QGraph) -> usize {
    residua::plan::state_len(graph.values.len(), graph.steps.len())
}
