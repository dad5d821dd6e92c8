//! The quantized graph: integers only, nothing placed in memory yet.

use crate::lower::{RowGraph, RowOperator};
use residua::plan::format::StepRecord;
use residua::plan::{Element, Elements};

/// A quantized tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct QValue {
    /// Name in the model.
    pub name: String,
    /// Rows, columns, channels.
    pub shape: [usize; 3],
    /// Type of the elements.
    pub element: Element,
    /// real = scale · (q − zero point).
    pub scale: f32,
    /// Zero point; 0 for int16.
    pub zero_point: i8,
}

impl QValue {
    /// Bytes of a row.
    pub fn row_len(&self) -> usize {
        self.shape[1] * self.shape[2] * self.element.size()
    }

    /// The nearest element to a real number.
    pub fn quantize(&self, real: f32) -> i32 {
        let [min, max] = self.element.bounds().map(f64::from);
        let q = (f64::from(real) / f64::from(self.scale)).round() + f64::from(self.zero_point);
        q.clamp(min, max) as i32
    }

    /// The real number behind an element.
    pub fn dequantize(&self, q: i32) -> f32 {
        self.scale * (q - i32::from(self.zero_point)) as f32
    }

    /// The bytes of rows of real numbers.
    pub fn encode(&self, reals: impl IntoIterator<Item = f32>) -> Vec<i8> {
        // The bytes of an int8 are the low one alone.
        let bytes = |q: i32| q.to_le_bytes().into_iter().take(self.element.size()).map(|byte| byte as i8);
        reals.into_iter().flat_map(|real| bytes(self.quantize(real))).collect()
    }

    /// The real numbers behind the bytes of rows.
    pub fn decode(&self, bytes: &[i8]) -> Vec<f32> {
        Elements::new(bytes, self.element).iter().map(|q| self.dequantize(q)).collect()
    }
}

/// Constants of a step, to be placed by the writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constants {
    /// Weights or table, as bytes.
    pub weights: Vec<u8>,
    /// Per-channel numbers.
    pub channel_parameters: Vec<i32>,
    /// Padding pixel, as bytes of the input's elements.
    pub padding: Vec<i8>,
}

/// A step with its integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QStep {
    /// Name of the graph node.
    pub name: String,
    /// The plan record, except for addresses, segment and constants' offsets.
    pub record: StepRecord,
    /// Values read.
    pub inputs: Vec<usize>,
    /// Value written.
    pub output: usize,
    /// Constants.
    pub constants: Constants,
    /// Sums (i32) carried from row to row; 0 for steps that read windows.
    pub sums: usize,
    /// Words of scratch while a row is computed.
    pub scratch_words: usize,
    /// Multiply-accumulate operations.
    pub macs: u64,
}

/// A quantized model, steps in topological order: value 0 is the input, value `i + 1` the output of step `i`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QGraph {
    /// Values.
    pub values: Vec<QValue>,
    /// Steps.
    pub steps: Vec<QStep>,
    /// The input's value.
    pub input: usize,
    /// The outputs' values.
    pub outputs: Vec<usize>,
    /// Set where the input has no end in practice; everything then runs in one segment.
    pub endless: Option<Endless>,
}

impl QGraph {
    /// The bytes of the input's rows for elements in the order of the model that the graph was quantized from.
    pub fn encode_input(&self, rows: &RowGraph, elements: &[f32]) -> Vec<i8> {
        let input = &self.values[self.input];
        let size = input.element.size();
        let mut bytes = vec![];
        for node in &rows.nodes {
            let RowOperator::Part { start } = node.operator else { continue };
            bytes.resize(elements.len() * size, 0);
            let part = self.values[node.output].encode(rows.values[node.output].to_rows(&elements[start..]));
            bytes[start * size..][..part.len()].copy_from_slice(&part);
        }
        if bytes.is_empty() { input.encode(rows.values[self.input].to_rows(elements)) } else { bytes }
    }

    /// The output that the model names first; the input where there is none.
    pub fn first_output(&self) -> usize {
        self.outputs.first().copied().unwrap_or(self.input)
    }

    /// Whether one step reads a value, once, and the model does not hand it out.
    pub fn is_read_once(&self, value: usize) -> bool {
        let readers = self.steps.iter().flat_map(|s| &s.inputs).filter(|&&v| v == value);
        readers.count() == 1 && !self.outputs.contains(&value)
    }

    /// Input rows after which the order of row computations is known: all of them, or those of [`Endless::replay`].
    pub fn replay_rows(&self) -> u32 {
        let rows = self.values[self.input].shape[0] as u32;
        self.endless.map_or(rows, |endless| endless.replay.min(rows))
    }
}

/// A graph over a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endless {
    /// Input rows after which row computations repeat.
    pub replay: u32,
}
