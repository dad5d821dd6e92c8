//! The quantized graph: integers only, nothing placed in memory yet.

use residua::plan::format::StepRecord;

/// A quantized tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct QValue {
    /// Name in the model.
    pub name: String,
    /// Rows, columns, channels.
    pub shape: [usize; 3],
    /// real = scale · (q − zero point).
    pub scale: f32,
    /// Zero point.
    pub zero_point: i8,
}

impl QValue {
    /// Bytes of a row.
    pub fn row_len(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// The nearest int8 to a real number.
    pub fn quantize(&self, real: f32) -> i8 {
        ((f64::from(real) / f64::from(self.scale)).round() + f64::from(self.zero_point)).clamp(-128.0, 127.0) as i8
    }

    /// The real number behind an int8.
    pub fn dequantize(&self, q: i8) -> f32 {
        self.scale * (f32::from(q) - f32::from(self.zero_point))
    }
}

/// Constants of a step, to be placed by the writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constants {
    /// Weights or table, as bytes.
    pub weights: Vec<u8>,
    /// Per-channel numbers.
    pub channel_parameters: Vec<i32>,
    /// Padding pixel.
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
    /// The output that comes first in a plan; the input where there is none.
    pub fn first_output(&self) -> usize {
        self.outputs.iter().copied().min().unwrap_or(self.input)
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
