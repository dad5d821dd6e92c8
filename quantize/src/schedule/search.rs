//! Where to cut: the segments whose largest is smallest.

use super::rows::ring_sizes;
use super::transient;
use super::wiring::Wiring;
use std::ops::Range;

/// How far heads are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heads {
    /// Only where nothing but the newest row is ever needed: such a row is never moved.
    Passing,
    /// Wherever possible: rings are one row shorter, and each row is moved once.
    All,
}

/// A segment with the values that have heads.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its steps.
    pub steps: Range<usize>,
    /// Values with heads.
    pub heads: Vec<usize>,
}

/// The split into segments whose largest segment needs the fewest bytes; among equals, that with the fewest segments, then
/// with the fewest rows moved. Exact for the order of steps given: a segment's bytes do not depend on other cuts, so that
/// dynamic programming over the cuts sees every split. Where segments of up to `enough` bytes do, the fewest segments come
/// first, then the fewest bytes.
pub fn best_cuts(wiring: &Wiring<'_>, most: Heads, enough: usize) -> Vec<Segment> {
    let count = wiring.graph.steps.len();
    // For each end: the cost of the best split before it, and start and heads of its last segment.
    let mut best: Vec<Option<(Cost, usize, Heads)>> = vec![None; count + 1];
    for start in 0..count {
        let before = match &best[start] {
            Some((cost, ..)) => *cost,
            None if start == 0 => Cost { beyond: enough, ..Cost::default() },
            None => continue,
        };
        let from = From::new(wiring, start);
        // A second segment would wait for the last row of the first.
        let allowed = |end: usize| wiring.graph.endless.is_none() || end == count;
        let modes = [Heads::Passing, Heads::All].into_iter().filter(|&h| h <= most);
        let mut growing: Vec<Growing<'_>> = modes.map(|heads| Growing::new(&from, heads)).collect();
        for (end, best) in best.iter_mut().enumerate().skip(start + 1) {
            for growing in &mut growing {
                growing.grow();
                let cost = Cost {
                    beyond: before.beyond.max(growing.bytes()),
                    segments: before.segments + 1,
                    bytes: before.bytes.max(growing.bytes()),
                    moved: before.moved + growing.moved,
                };
                if allowed(end) && best.as_ref().is_none_or(|(b, ..)| cost < *b) {
                    *best = Some((cost, start, growing.most));
                }
            }
        }
    }
    let mut segments = Vec::new();
    let mut end = count;
    while let Some((_, start, most)) = best[end] {
        let heads = From::new(wiring, start).heads(end, most);
        segments.push(Segment { steps: start..end, heads });
        end = start;
    }
    segments.reverse();
    segments
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Bytes of the largest segment, or what is enough.
    beyond: usize,
    segments: usize,
    bytes: usize,
    moved: usize,
}

/// All segments that start at one step. Their rings come from one replay: a step's rows do not depend on later steps.
struct From<'a> {
    wiring: &'a Wiring<'a>,
    start: usize,
    all: Range<usize>,
    /// Rings with every possible head, and with none.
    rings: [Vec<u32>; 2],
}

impl<'a> From<'a> {
    fn new(wiring: &'a Wiring<'a>, start: usize) -> Self {
        let all = start..wiring.graph.steps.len();
        let mut heads = vec![false; wiring.graph.values.len()];
        let without = ring_sizes(wiring, &all, &heads);
        for v in wiring.written(&all) {
            heads[v] = wiring.can_have_head(v, &all);
        }
        let with = ring_sizes(wiring, &all, &heads);
        Self { wiring, start, all, rings: [with, without] }
    }

    /// Rows of a value's ring in a segment that reads all of it, and whether it has a head there.
    fn ring(&self, v: usize, steps: &Range<usize>, most: Heads) -> (u32, bool) {
        let first = self.wiring.written(&self.all).start;
        let [with, without] = [self.rings[0][v - first], self.rings[1][v - first]];
        let head = self.wiring.can_have_head(v, steps) && (most == Heads::All || with == 0);
        (if head { with } else { without }, head)
    }

    /// The values that have heads in the segment up to `end`.
    fn heads(&self, end: usize, most: Heads) -> Vec<usize> {
        let steps = self.start..end;
        let written = self.wiring.written(&steps);
        written.filter(|&v| !self.wiring.outlives(v, &steps) && self.ring(v, &steps, most).1).collect()
    }
}

/// A segment that grows by one step at a time: what it needs changes by what that step writes and is the last to read.
struct Growing<'a> {
    from: &'a From<'a>,
    most: Heads,
    end: usize,
    /// Whether each value has a head.
    heads: Vec<bool>,
    /// Bytes of rings, sums and values from before.
    kept: usize,
    /// Bytes of scratch and heads.
    transient: usize,
    /// Bytes moved from heads to rings.
    moved: usize,
}

impl<'a> Growing<'a> {
    fn new(from: &'a From<'a>, most: Heads) -> Self {
        let (wiring, start) = (from.wiring, from.start);
        let steps = start..start;
        let whole = |v: usize| wiring.ring_len(v, wiring.rows(v));
        let kept = crossing(wiring, &steps).map(whole).sum();
        let heads = vec![false; wiring.graph.values.len()];
        let mut segment = Self { from, most, end: start, heads, kept, transient: 0, moved: 0 };
        if start == 0 {
            segment.kept += whole(0);
            segment.settle(0);
        }
        segment
    }

    /// Bytes beside the engine's counters.
    fn bytes(&self) -> usize {
        self.kept + self.transient
    }

    /// Takes in the next step.
    fn grow(&mut self) {
        let wiring = self.from.wiring;
        let (step, output) = (self.end, self.end + 1);
        self.end += 1;
        self.kept += wiring.ring_len(output, wiring.rows(output)) + wiring.graph.steps[step].sums * 4;
        self.transient = self.transient.max(wiring.scratch_len(step));
        let first = wiring.written(&(self.from.start..self.end)).start;
        let inputs = &wiring.graph.steps[step].inputs;
        for (index, &input) in inputs.iter().enumerate() {
            let done = wiring.readers[input].last() == Some(&step) && !inputs[..index].contains(&input);
            if done && input >= first {
                self.settle(input);
            }
        }
        self.settle(output);
    }

    /// A value is held whole until the segment has its last reader; from then on it has the ring that its readers need.
    fn settle(&mut self, v: usize) {
        let wiring = self.from.wiring;
        let steps = self.from.start..self.end;
        if wiring.outlives(v, &steps) {
            return;
        }
        let (rows, head) = self.from.ring(v, &steps, self.most);
        self.kept -= wiring.ring_len(v, wiring.rows(v)) - wiring.ring_len(v, rows);
        if !head {
            return;
        }
        self.moved += if rows > 0 { wiring.row_len(v) * wiring.rows(v) as usize } else { 0 };
        self.heads[v] = true;
        let around = [v.checked_sub(1), Some(v)].into_iter().flatten();
        for first in around {
            self.transient = self.transient.max(transient::heads_len(wiring, first, &self.heads));
        }
    }
}

/// Values written before a segment that are read in it or after it.
pub fn crossing<'a>(wiring: &'a Wiring<'_>, steps: &Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
    let start = steps.start;
    (0..start + 1).filter(move |&v| start > 0 && wiring.readers[v].last().is_some_and(|&r| r >= start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{RowGraph, RowNode, RowOperator, RowValue};
    use crate::qgraph::QGraph;
    use crate::quantize::{Statistics, quantize};
    use proptest::prelude::*;
    use residua_models::graph::{ValueId, Window};

    /// What a segment needs, worked out at once: bytes, and bytes moved.
    fn whole(from: &From<'_>, end: usize, most: Heads) -> (usize, usize) {
        let (wiring, steps) = (from.wiring, from.start..end);
        let mut flags = vec![false; wiring.graph.values.len()];
        let (mut bytes, mut moved) = (0, 0);
        for v in wiring.written(&steps) {
            let (mut rows, mut head) = from.ring(v, &steps, most);
            if wiring.outlives(v, &steps) {
                (rows, head) = (wiring.rows(v), false);
            }
            flags[v] = head;
            moved += if head && rows > 0 { wiring.row_len(v) * wiring.rows(v) as usize } else { 0 };
            bytes += wiring.ring_len(v, rows);
        }
        bytes += crossing(wiring, &steps).map(|v| wiring.ring_len(v, wiring.rows(v))).sum::<usize>();
        bytes += steps.clone().map(|s| wiring.graph.steps[s].sums * 4).sum::<usize>();
        (bytes + transient::place(wiring, &steps, &flags).1, moved)
    }

    /// Convolutions over columns of rows, and sums with earlier values.
    fn graph(rows: usize, nodes: &[(usize, bool)]) -> QGraph {
        let value = |index: usize| RowValue {
            name: format!("v{index}"),
            shape: [rows, 1, 2],
            source: ValueId(index),
            strides: [0; 3],
            quantization: None,
        };
        let node = |(index, &(kernel, sum)): (usize, &(usize, bool))| {
            let point = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
            let tall = Window { kernel: [2 * kernel + 1, 1], pads: [kernel, 0, kernel, 0], ..point };
            let weights = vec![0.5; 4 * (2 * kernel + 1)];
            let convolution = RowOperator::Convolution { weights, bias: vec![0.0; 2], groups: 1, pad_value: None };
            let add = RowOperator::Add { signs: [1.0, 1.0] };
            let earlier = index.saturating_sub(kernel);
            RowNode {
                name: format!("n{index}"),
                operator: if sum { add } else { convolution },
                inputs: if sum { vec![index, earlier] } else { vec![index] },
                output: index + 1,
                window: if sum { point } else { tall },
                clamp: [f32::NEG_INFINITY, f32::INFINITY],
                macs: 0,
            }
        };
        let values: Vec<RowValue> = (0..=nodes.len()).map(value).collect();
        let nodes: Vec<RowNode> = nodes.iter().enumerate().map(node).collect();
        let statistics: Vec<Statistics> = values.iter().map(|_| [-1.0, 1.0].into()).collect();
        let outputs = vec![nodes.len(), nodes.len() / 2];
        quantize(&RowGraph { values, nodes, outputs, ..RowGraph::default() }, &statistics).unwrap()
    }

    proptest! {
        #[test]
        fn growing_segments_need_what_whole_ones_do(
            rows in 1usize..9, nodes in proptest::collection::vec((0usize..4, any::<bool>()), 1..12),
        ) {
            let graph = graph(rows, &nodes);
            let wiring = Wiring::new(&graph);
            for start in 0..nodes.len() {
                let from = From::new(&wiring, start);
                for most in [Heads::Passing, Heads::All] {
                    let mut growing = Growing::new(&from, most);
                    for end in start + 1..=nodes.len() {
                        growing.grow();
                        prop_assert_eq!((growing.bytes(), growing.moved), whole(&from, end, most), "{}..{}", start, end);
                    }
                }
            }
        }
    }
}
