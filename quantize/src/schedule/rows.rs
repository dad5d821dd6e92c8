//! Ring sizes: replays the engine's order of rows, counts only, and takes the largest number of rows of each value that
//! are still wanted when a new one is written.

use super::wiring::Wiring;
use std::ops::Range;

/// Rows that the ring of each value written in a segment of steps must hold, in the order of
/// [`Wiring::written`]. `heads` tells which values have a head. Values that outlive the segment are held whole.
pub fn ring_sizes(wiring: &Wiring<'_>, steps: &Range<usize>, heads: &[bool]) -> Vec<u32> {
    let written = wiring.written(steps);
    let mut replay = Replay::new(wiring, steps, heads);
    if steps.start == 0 {
        for _ in 0..wiring.graph.replay_rows() {
            replay.produced[0] += 1;
            let candidate = replay.settle(0, None);
            replay.cascade(candidate);
        }
    } else {
        replay.cascade(steps.end.checked_sub(1));
    }
    let size = |v: usize| {
        let rows = wiring.rows(v);
        if wiring.outlives(v, steps) {
            return rows;
        }
        let head = u32::from(heads[v]);
        replay.held[v].max(wiring.window_rows(v, steps).saturating_sub(head)).clamp(1 - head, rows)
    };
    written.map(size).collect()
}

struct Replay<'a> {
    wiring: &'a Wiring<'a>,
    steps: &'a Range<usize>,
    heads: &'a [bool],
    produced: Vec<u32>,
    consumed: Vec<u32>,
    held: Vec<u32>,
}

impl<'a> Replay<'a> {
    fn new(wiring: &'a Wiring<'a>, steps: &'a Range<usize>, heads: &'a [bool]) -> Self {
        let count = wiring.graph.values.len();
        let complete = |v: usize| steps.start > 0 && v <= steps.start;
        let produced = (0..count).map(|v| if complete(v) { wiring.rows(v) } else { 0 }).collect();
        Self { wiring, steps, heads, produced, consumed: vec![0; count], held: vec![0; count] }
    }

    /// Runs steps until none can go on, as the engine does.
    fn cascade(&mut self, mut candidate: Option<usize>) {
        while let Some(step) = candidate.filter(|&s| s >= self.steps.start) {
            if !self.is_ready(step) {
                candidate = step.checked_sub(1);
            } else if self.run(step) {
                candidate = self.settle(step + 1, candidate);
            }
        }
    }

    /// A row of a value has been written: the step behind reads it from the head, and so on; the last step that may be
    /// ready then.
    fn settle(&mut self, mut value: usize, mut candidate: Option<usize>) -> Option<usize> {
        loop {
            let end = self.produced[value];
            let wake = self.wiring.readers[value].iter().rev().find(|r| self.steps.contains(r));
            candidate = candidate.max(wake.copied());
            if !self.heads[value] {
                self.hold(value, end, 1);
                return candidate;
            }
            self.hold(value, end - 1, 0);
            let emitted = self.is_ready(value) && self.run(value);
            self.hold(value, end, 0);
            if !emitted {
                return candidate;
            }
            value += 1;
        }
    }

    /// The ring must hold all rows before `end` that a reader still wants.
    fn hold(&mut self, value: usize, end: u32, least: u32) {
        let readers = self.wiring.readers[value].iter().filter(|r| self.steps.contains(r));
        let wanted = readers.filter_map(|&s| self.first_wanted(s, value)).min().unwrap_or(end);
        self.held[value] = self.held[value].max(end.saturating_sub(wanted).max(least));
    }

    /// First row of a value that a step has still to read; `None` if it is done.
    fn first_wanted(&self, step: usize, value: usize) -> Option<u32> {
        let s = &self.wiring.graph.steps[step];
        let y = self.produced[step + 1];
        if y >= self.wiring.rows(step + 1) {
            return None;
        }
        let as_window = (s.inputs[0] == value).then(|| {
            if s.sums > 0 { self.consumed[step] } else { self.wiring.geometries[step].first_row(y).max(0) as u32 }
        });
        let as_second = s.inputs[1..].contains(&value).then(|| y.min(self.wiring.rows(value) - 1));
        as_window.into_iter().chain(as_second).min()
    }

    fn is_ready(&self, step: usize) -> bool {
        if !self.steps.contains(&step) {
            return false;
        }
        let s = &self.wiring.graph.steps[step];
        let y = self.produced[step + 1];
        if y >= self.wiring.rows(step + 1) {
            return false;
        }
        let available = self.produced[s.inputs[0]];
        if s.sums > 0 {
            return available > self.consumed[step];
        }
        self.wiring.geometries[step].last_row(y).is_none_or(|last| available > last)
            && s.inputs[1..].iter().all(|&v| self.produced[v] > y.min(self.wiring.rows(v) - 1))
    }

    /// Computes a row or takes one into the sums; whether a row was emitted.
    fn run(&mut self, step: usize) -> bool {
        let mut emitted = true;
        if self.wiring.graph.steps[step].sums > 0 {
            let row = self.consumed[step];
            self.consumed[step] += 1;
            emitted = self.wiring.geometries[step].last_row(self.produced[step + 1]) == Some(row);
        }
        self.produced[step + 1] += u32::from(emitted);
        emitted
    }
}
