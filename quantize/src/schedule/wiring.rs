//! Who reads what: facts about a graph that every placement needs.

use super::traffic::Reads;
use crate::qgraph::{QGraph, QStep, QValue};
use residua::operators::geometry::Geometry;
use std::ops::Range;

/// A graph with readers and geometries worked out.
pub struct Wiring<'a> {
    /// The graph; value 0 is its input, value `i + 1` the output of step `i`.
    pub graph: &'a QGraph,
    /// Geometry of each step.
    pub geometries: Vec<Geometry>,
    /// Steps that read each value, in order.
    pub readers: Vec<Vec<usize>>,
}

impl<'a> Wiring<'a> {
    /// The wiring of a graph.
    pub fn new(graph: &'a QGraph) -> Self {
        let mut readers = vec![vec![]; graph.values.len()];
        for (index, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|&v| readers[v].push(index));
        }
        let geometries = graph.steps.iter().map(|s| geometry(s, &graph.values)).collect();
        Self { graph, geometries, readers }
    }

    /// Rows of a value.
    pub fn rows(&self, value: usize) -> u32 {
        self.graph.values[value].shape[0] as u32
    }

    /// Bytes of a row, aligned for a buffer.
    pub fn row_len(&self, value: usize) -> usize {
        self.graph.values[value].row_len().next_multiple_of(super::ALIGNMENT)
    }

    /// Bytes of a ring, aligned for a buffer.
    pub fn ring_len(&self, value: usize, rows: u32) -> usize {
        (self.graph.values[value].row_len() * rows as usize).next_multiple_of(super::ALIGNMENT)
    }

    /// Bytes of scratch of a step; none behind the last.
    pub fn scratch_len(&self, step: usize) -> usize {
        self.graph.steps.get(step).map_or(0, |s| s.scratch_words * 4)
    }

    /// Values written in a segment of steps; the input is written in the first.
    pub fn written(&self, steps: &Range<usize>) -> Range<usize> {
        let first = if steps.start == 0 { 0 } else { steps.start + 1 };
        first..steps.end + 1
    }

    /// Whether a value outlives a segment.
    pub fn outlives(&self, value: usize, steps: &Range<usize>) -> bool {
        self.readers[value].last().is_some_and(|&r| r >= steps.end)
    }

    /// Whether a value that is written in a segment can have a head: the step behind its writer reads it, or none does.
    pub fn can_have_head(&self, value: usize, steps: &Range<usize>) -> bool {
        let readers = &self.readers[value];
        let next = steps.contains(&value) && readers.contains(&value);
        !self.outlives(value, steps) && (readers.is_empty() || next)
    }

    /// What each step reads.
    pub fn reads(&self) -> impl Iterator<Item = Reads<'_>> {
        self.graph.steps.iter().zip(&self.geometries).map(|(step, geometry)| Reads {
            geometry,
            accumulates: step.sums > 0,
            input: step.inputs[0],
            second: step.inputs.get(1).copied(),
        })
    }

    /// Rows that the readers of a value need at once, each for itself.
    pub fn window_rows(&self, value: usize, steps: &Range<usize>) -> u32 {
        let readers = self.readers[value].iter().filter(|r| steps.contains(r));
        let window = |&r: &usize| {
            let step = &self.graph.steps[r];
            let span = if step.sums == 0 && step.inputs[0] == value { self.geometries[r].span() } else { 1 };
            span.min(self.rows(value).into()) as u32
        };
        readers.map(window).max().unwrap_or(0)
    }
}

/// The runtime's geometry of a step.
pub fn geometry(step: &QStep, values: &[QValue]) -> Geometry {
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
        upsampling: r.upsampling.into(),
        dilation: [r.dilation_rows.into(), r.dilation_columns.into()],
        pad: [r.pad_top.into(), r.pad_left.into()],
    }
}
