//! Ring sizes: replays the engine's order of rows, counts only, and takes the largest number of rows of each value that
//! are still wanted when a new one is written.

use super::geometry;
use crate::qgraph::QGraph;
use residua::operators::geometry::Geometry;

/// Rows that each value's ring must hold. Values that live on after their segment are held whole.
pub fn ring_sizes(graph: &QGraph, segments: &[u16]) -> Vec<u32> {
    let mut replay = Replay::new(graph, segments);
    let input_rows = graph.values[graph.input].shape[0] as u32;
    for _ in 0..input_rows {
        replay.write(graph.input);
        replay.cascade();
    }
    let rows = |v: usize| graph.values[v].shape[0] as u32;
    let mut rings: Vec<u32> = (0..graph.values.len()).map(|v| replay.rings[v].clamp(1, rows(v).max(1))).collect();
    for (step, &segment) in graph.steps.iter().zip(segments) {
        for &input in &step.inputs {
            let written = graph.steps.iter().position(|s| s.output == input).map_or(0, |w| segments[w]);
            if written != segment {
                rings[input] = rows(input);
            }
        }
    }
    rings
}

struct Replay<'a> {
    graph: &'a QGraph,
    segments: &'a [u16],
    geometries: Vec<Geometry>,
    /// Steps that read each value.
    readers: Vec<Vec<usize>>,
    produced: Vec<u32>,
    consumed: Vec<u32>,
    rings: Vec<u32>,
    segment: u16,
}

impl<'a> Replay<'a> {
    fn new(graph: &'a QGraph, segments: &'a [u16]) -> Self {
        let mut readers = vec![vec![]; graph.values.len()];
        for (index, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|&v| readers[v].push(index));
        }
        Self {
            graph,
            segments,
            geometries: graph.steps.iter().map(|s| geometry(s, &graph.values)).collect(),
            readers,
            produced: vec![0; graph.values.len()],
            consumed: vec![0; graph.steps.len()],
            rings: vec![1; graph.values.len()],
            segment: 0,
        }
    }

    fn rows(&self, value: usize) -> u32 {
        self.graph.values[value].shape[0] as u32
    }

    /// Writes the next row of a value: the ring must hold it and all rows that a reader still wants.
    fn write(&mut self, value: usize) {
        let row = self.produced[value];
        let wanted = self.readers[value].iter().filter_map(|&s| self.first_wanted(s, value)).min();
        let held = wanted.map_or(1, |w| (row + 1).saturating_sub(w).max(1));
        self.rings[value] = self.rings[value].max(held);
        self.produced[value] += 1;
    }

    /// First row of a value that a step has still to read; `None` if it is done.
    fn first_wanted(&self, step: usize, value: usize) -> Option<u32> {
        let s = &self.graph.steps[step];
        let y = self.produced[s.output];
        if y >= self.rows(s.output) {
            return None;
        }
        let as_window = (s.inputs[0] == value)
            .then(|| if s.sums > 0 { self.consumed[step] } else { self.geometries[step].first_row(y).max(0) as u32 });
        let as_second = s.inputs[1..].contains(&value).then_some(y);
        as_window.into_iter().chain(as_second).min()
    }

    fn cascade(&mut self) {
        loop {
            let steps = (0..self.graph.steps.len()).rev();
            if let Some(step) = steps.into_iter().find(|&s| self.segments[s] == self.segment && self.is_ready(s)) {
                self.run(step);
            } else if self.segment_is_complete() {
                self.segment += 1;
            } else {
                return;
            }
        }
    }

    fn segment_is_complete(&self) -> bool {
        let done = |s: usize| {
            let output = self.graph.steps[s].output;
            self.produced[output] >= self.rows(output)
        };
        let steps = 0..self.graph.steps.len();
        steps.clone().filter(|&s| self.segments[s] <= self.segment).all(done)
            && steps.into_iter().any(|s| self.segments[s] > self.segment)
    }

    fn is_ready(&self, step: usize) -> bool {
        let s = &self.graph.steps[step];
        let y = self.produced[s.output];
        if y >= self.rows(s.output) {
            return false;
        }
        let available = self.produced[s.inputs[0]];
        if s.sums > 0 {
            return available > self.consumed[step];
        }
        self.geometries[step].last_row(y).is_none_or(|last| available > last)
            && s.inputs[1..].iter().all(|&v| self.produced[v] > y)
    }

    fn run(&mut self, step: usize) {
        let output = self.graph.steps[step].output;
        if self.graph.steps[step].sums > 0 {
            let row = self.consumed[step];
            self.consumed[step] += 1;
            if self.geometries[step].last_row(self.produced[output]) != Some(row) {
                return;
            }
        }
        self.write(output);
    }
}
