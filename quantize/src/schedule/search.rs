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
    // For each end: the cost of the best split before it, and the last segment of that split.
    let mut best: Vec<Option<(Cost, Segment)>> = vec![None; count + 1];
    for start in 0..count {
        let before = match &best[start] {
            Some((cost, _)) => *cost,
            None if start == 0 => Cost { beyond: enough, ..Cost::default() },
            None => continue,
        };
        let from = From::new(wiring, start);
        // A second segment would wait for the last row of the first.
        let allowed = |end: usize| wiring.graph.endless.is_none() || end == count;
        for (end, best) in best.iter_mut().enumerate().skip(start + 1).filter(|&(end, _)| allowed(end)) {
            for heads in [Heads::Passing, Heads::All].into_iter().filter(|&h| h <= most) {
                let (bytes, moved, heads) = from.segment(end, heads);
                let cost = Cost {
                    beyond: before.beyond.max(bytes),
                    segments: before.segments + 1,
                    bytes: before.bytes.max(bytes),
                    moved: before.moved + moved,
                };
                if best.as_ref().is_none_or(|(b, _)| cost < *b) {
                    *best = Some((cost, Segment { steps: start..end, heads }));
                }
            }
        }
    }
    let mut segments = Vec::new();
    let mut end = count;
    while let Some((_, segment)) = best[end].take() {
        end = segment.steps.start;
        segments.push(segment);
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

    /// Bytes beside the engine's counters, bytes moved from heads to rings, and the heads of the segment up to `end`.
    fn segment(&self, end: usize, most: Heads) -> (usize, usize, Vec<usize>) {
        let steps = self.start..end;
        let first = self.wiring.written(&self.all).start;
        let mut flags = vec![false; self.wiring.graph.values.len()];
        let (mut bytes, mut moved) = (0, 0);
        for v in self.wiring.written(&steps) {
            let [with, without] = [self.rings[0][v - first], self.rings[1][v - first]];
            let mut rows = without;
            if self.wiring.outlives(v, &steps) {
                rows = self.wiring.rows(v);
            } else if self.wiring.can_have_head(v, &steps) && (most == Heads::All || with == 0) {
                flags[v] = true;
                rows = with;
                moved += if with > 0 { self.wiring.row_len(v) * self.wiring.rows(v) as usize } else { 0 };
            }
            bytes += self.wiring.ring_len(v, rows);
        }
        bytes += crossing(self.wiring, &steps).map(|v| self.wiring.ring_len(v, self.wiring.rows(v))).sum::<usize>();
        bytes += steps.clone().map(|s| self.wiring.graph.steps[s].sums * 4).sum::<usize>();
        bytes += transient::place(self.wiring, &steps, &flags).1;
        (bytes, moved, (0..flags.len()).filter(|&v| flags[v]).collect())
    }
}

/// Values written before a segment that are read in it or after it.
pub fn crossing<'a>(wiring: &'a Wiring<'_>, steps: &Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
    let start = steps.start;
    (0..start + 1).filter(move |&v| start > 0 && wiring.readers[v].last().is_some_and(|&r| r >= start))
}
