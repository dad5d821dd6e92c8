//! One step of a graph, going on from row to row.

use super::Obstacle;
use crate::pack;
use crate::qgraph::{QStep, QValue};
use crate::quantize::code;
use crate::schedule::geometry;
use residua::operators::{OPERATORS, windows};

/// How fast a value moves along the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speed {
    /// Rows of the value for `inputs` rows of input, without a common divisor.
    pub rows: u64,
    pub inputs: u64,
    /// Whether a row stands for a whole window.
    pub reduced: bool,
}

/// Checks that a step's inputs go along together, and that it keeps to one row where a row stands for a window.
pub(super) fn meet(step: &QStep, values: &[QValue], speeds: &[Speed]) -> Result<(), Obstacle> {
    let rows = values[step.inputs[0]].shape[0];
    if step.record.operator == code("Resample") {
        return Err(Obstacle::Places);
    }
    let recurrent = ["RecurrentRows", "RecurrentColumns"].contains(&name(step.record.operator));
    if recurrent && step.record.kernel_rows > 1 {
        return Err(Obstacle::WholeRecurrence { rows });
    }
    let mut speed = speeds[step.inputs[0]];
    for &second in &step.inputs[1..] {
        if values[second].shape[0] != rows {
            return Err(Obstacle::Spread { rows });
        }
        let other = speeds[second];
        if (other.rows, other.inputs) != (speed.rows, speed.inputs) {
            return Err(Obstacle::Speeds { speeds: [speed.rows * other.inputs, other.rows * speed.inputs] });
        }
        speed.reduced |= other.reduced;
    }
    let what = match (step.record.upsampling, extent(step)) {
        _ if !speed.reduced => return Ok(()),
        (1, 1) => return Ok(()),
        (1, _) => format!("a window of {} rows", step.record.kernel_rows),
        (factor, _) => format!("an upsampling by {factor}"),
    };
    Err(Obstacle::BehindReduction { what })
}

/// Rows from the first tap of a step's window to the last.
fn extent(step: &QStep) -> usize {
    (usize::from(step.record.kernel_rows) - 1) * usize::from(step.record.dilation_rows) + 1
}

/// Makes a step go on from row to row; how fast its output moves.
pub(super) fn slide(step: &mut QStep, values: &[QValue], speeds: &[Speed]) -> Speed {
    let rows = |value: usize| values[value].shape[0];
    let (rows_in, rows_out, mut speed) = (rows(step.inputs[0]), rows(step.output), speeds[step.inputs[0]]);
    speed.reduced |= step.inputs[1..].iter().any(|&second| speeds[second].reduced && rows(second) == rows_in);
    let extent = extent(step);
    let record = &mut step.record;
    let reduces = rows_in > 1 && rows_out == 1 && extent >= rows_in && record.pad_top == 0;
    if reduces || rows_in == 1 && speed.reduced {
        record.stride_rows = 1;
        speed.reduced = true;
    }
    if step.sums > 0 && record.operator == code("Dense") {
        to_convolution(step, values);
    } else if step.sums > 0 && record.stride_rows < record.kernel_rows {
        record.operator = code(if record.operator == code("MeanPool") { "AveragePool" } else { "WideAveragePool" });
        step.sums = 0;
    }
    let (rows, inputs) =
        (speed.rows * u64::from(step.record.upsampling), speed.inputs * u64::from(step.record.stride_rows));
    let common = greatest_common_divisor(rows, inputs);
    Speed { rows: rows / common, inputs: inputs / common, ..speed }
}

/// The name of an operator's code.
pub(super) fn name(code: u8) -> &'static str {
    OPERATORS.iter().find(|(c, _)| *c == code).map_or("", |(_, name)| name)
}

/// A dense layer over a whole tensor as a convolution whose window has as many rows and columns.
fn to_convolution(step: &mut QStep, values: &[QValue]) {
    let (input, outputs) = (&values[step.inputs[0]], values[step.output].shape[2]);
    step.constants.weights = pack::dense_rows_joined(&step.constants.weights, input.shape[0], input.row_len(), outputs);
    step.record.operator = code("Convolution");
    (step.record.groups, step.sums) = (1, 0);
    step.scratch_words = windows::scratch_words(&geometry(step, values), 1);
}

pub(super) fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
