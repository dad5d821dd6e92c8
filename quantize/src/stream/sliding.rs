//! From a graph over one window of rows to a graph over any number of rows.

use super::{Reach, StreamError};
use crate::pack;
use crate::qgraph::{Endless, QGraph, QStep, QValue};
use crate::quantize::code;
use crate::schedule::{geometry, replay_is_settled};
use residua::operators::windows;

/// Rows of the input of an endless graph: at a hundred rows a second they last for 124 days.
const ENDLESS: u64 = 1 << 30;
/// Most rows that any value may have then.
const MOST_ROWS: u64 = 1 << 31;
/// Largest period in input rows.
const MAX_PERIOD: u64 = 1 << 16;

/// A quantized graph whose steps go on from row to row: reductions over all rows have become windows of as many rows that
/// move on by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sliding {
    /// The graph over one window. Row 0 of every value is what the whole-frame graph computes.
    window: QGraph,
    speeds: Vec<Speed>,
    period: u64,
}

/// How fast a value moves along the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Speed {
    /// Rows of the value for `inputs` rows of input, without a common divisor.
    rows: u64,
    inputs: u64,
    /// Whether a row stands for a whole window.
    reduced: bool,
}

impl Sliding {
    /// Turns a graph's reductions into windows.
    ///
    /// # Errors
    /// A node needs rows that a stream does not have yet.
    pub fn new(graph: &QGraph) -> Result<Self, StreamError> {
        let mut window = graph.clone();
        if window.values[window.input].shape[0] == 1 {
            return Err(StreamError::OneRow);
        }
        let mut speeds = vec![Speed { rows: 1, inputs: 1, reduced: false }; window.values.len()];
        let mut period = 1;
        for step in &mut window.steps {
            let speed = slide(step, &graph.values, &speeds)?;
            period = least_common_multiple(period, speed.inputs);
            if period > MAX_PERIOD {
                return Err(StreamError::Period { node: step.name.clone(), limit: MAX_PERIOD });
            }
            speeds[step.output] = speed;
        }
        Ok(Self { window, speeds, period })
    }

    /// The graph over a finite stream: the model's own rows and `periods` times as many rows more as repeat its strides.
    /// Padding below the last row is as it was.
    pub fn over(&self, periods: u64) -> QGraph {
        let mut graph = self.window.clone();
        for (value, speed) in graph.values.iter_mut().zip(&self.speeds) {
            value.shape[0] += (periods * self.period / speed.inputs * speed.rows) as usize;
        }
        graph
    }

    /// The graph over a stream that does not end.
    pub fn endless(&self) -> QGraph {
        let periods = self.window.values.iter().zip(&self.speeds).map(|(value, speed)| {
            let most = if speed.rows <= speed.inputs { ENDLESS } else { MOST_ROWS };
            (most - value.shape[0] as u64) / (self.period / speed.inputs * speed.rows)
        });
        let mut graph = self.over(periods.min().unwrap_or(0));
        let window_macs = graph.steps.iter_mut().zip(&self.window.steps);
        for (step, window) in window_macs {
            let (speed, rows) = (self.speeds[window.output], self.window.values[window.output].shape[0] as u64);
            step.macs = (window.macs * speed.rows).div_ceil(rows * speed.inputs);
        }
        // Everything repeats once all values have rows.
        let reach = Reach::new(&graph);
        let first = (0..graph.values.len()).map(|value| reach.of_value(value, 0).needed).max().unwrap_or(0);
        let mut replay = first + 2 * self.period as u32;
        loop {
            graph.endless = Some(Endless { replay });
            if replay >= 1 << 24 || replay_is_settled(&graph) {
                return graph;
            }
            replay *= 2;
        }
    }

    /// Rows of input after which everything repeats, and rows of the first output that they bring.
    pub fn period(&self) -> [u64; 2] {
        let speed = self.speeds[self.window.first_output()];
        [self.period, self.period / speed.inputs * speed.rows]
    }

    /// The graph over one window.
    pub fn window(&self) -> &QGraph {
        &self.window
    }
}

/// Makes a step go on from row to row; how fast its output moves.
fn slide(step: &mut QStep, values: &[QValue], speeds: &[Speed]) -> Result<Speed, StreamError> {
    let rows = |value: usize| values[value].shape[0];
    let (rows_in, rows_out, mut speed) = (rows(step.inputs[0]), rows(step.output), speeds[step.inputs[0]]);
    for &second in &step.inputs[1..] {
        if rows(second) != rows_in {
            return Err(StreamError::Spread { node: step.name.clone(), rows: rows_in });
        }
        let other = speeds[second];
        if (other.rows, other.inputs) != (speed.rows, speed.inputs) {
            let speeds = [speed.rows * other.inputs, other.rows * speed.inputs];
            return Err(StreamError::Speeds { node: step.name.clone(), speeds });
        }
        speed.reduced |= other.reduced;
    }
    let record = &mut step.record;
    let extent = (usize::from(record.kernel_rows) - 1) * usize::from(record.dilation_rows) + 1;
    if speed.reduced && (extent > 1 || record.upsampling > 1) {
        let what = match record.upsampling {
            1 => format!("a window of {} rows", record.kernel_rows),
            factor => format!("an upsampling by {factor}"),
        };
        return Err(StreamError::BehindReduction { node: step.name.clone(), what });
    }
    let reduces = rows_in > 1 && rows_out == 1 && extent >= rows_in && record.pad_top == 0;
    if reduces || rows_in == 1 && speed.reduced {
        record.stride_rows = 1;
        speed.reduced = true;
    }
    if step.sums > 0 && record.operator == code("Dense") {
        to_convolution(step, values);
    } else if step.sums > 0 && record.stride_rows < record.kernel_rows {
        record.operator = code("AveragePool");
        step.sums = 0;
    }
    let (rows, inputs) =
        (speed.rows * u64::from(step.record.upsampling), speed.inputs * u64::from(step.record.stride_rows));
    let common = greatest_common_divisor(rows, inputs);
    Ok(Speed { rows: rows / common, inputs: inputs / common, ..speed })
}

/// A dense layer over a whole tensor as a convolution whose window has as many rows and columns.
fn to_convolution(step: &mut QStep, values: &[QValue]) {
    let (input, outputs) = (&values[step.inputs[0]], values[step.output].shape[2]);
    step.constants.weights = pack::dense_rows_joined(&step.constants.weights, input.shape[0], input.row_len(), outputs);
    step.record.operator = code("Convolution");
    (step.record.groups, step.sums) = (1, 0);
    step.scratch_words = windows::scratch_words(&geometry(step, values), 1);
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    a / greatest_common_divisor(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{RowGraph, RowNode, RowOperator, RowValue};
    use crate::quantize::{Statistics, quantize};
    use crate::stream::Timing;
    use residua_models::graph::{ValueId, Window};

    const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

    fn tall(kernel: usize, stride: usize, pad: usize) -> Window {
        Window { kernel: [kernel, 1], strides: [stride, 1], pads: [pad, 0, pad, 0], ..POINT }
    }

    /// A graph of one column and two channels: operator, inputs, window and rows of the output of each step.
    fn graph(rows: usize, nodes: &[(RowOperator, &[usize], Window, usize)]) -> QGraph {
        let value = |(index, rows): (usize, usize)| RowValue {
            name: format!("v{index}"),
            shape: [rows, 1, 2],
            source: ValueId(index),
            strides: [0; 3],
            quantization: None,
        };
        let rows = [rows].into_iter().chain(nodes.iter().map(|node| node.3));
        let values: Vec<RowValue> = rows.enumerate().map(value).collect();
        let node = |(index, (operator, inputs, window, _)): (usize, &(RowOperator, &[usize], Window, usize))| RowNode {
            name: format!("n{index}"),
            operator: operator.clone(),
            inputs: inputs.to_vec(),
            output: index + 1,
            window: *window,
            clamp: [f32::NEG_INFINITY, f32::INFINITY],
            macs: 0,
        };
        let nodes: Vec<RowNode> = nodes.iter().enumerate().map(node).collect();
        let statistics: Vec<Statistics> = values.iter().map(|_| [-1.0, 1.0].into()).collect();
        let outputs = vec![nodes.len()];
        quantize(&RowGraph { values, nodes, outputs, ..RowGraph::default() }, &statistics).unwrap()
    }

    fn convolution(kernel: usize) -> RowOperator {
        RowOperator::Convolution { weights: vec![0.5; 4 * kernel], bias: vec![0.0; 2], groups: 1, pad_value: None }
    }

    const MEAN: RowOperator = RowOperator::AveragePool { count_include_pad: false };
    const ADD: RowOperator = RowOperator::Add { signs: [1.0, 1.0] };

    #[test]
    fn times_of_a_strided_network() {
        let graph = graph(
            20,
            &[
                (convolution(3), &[0], tall(3, 2, 1), 10),
                (convolution(5), &[1], tall(5, 1, 2), 10),
                (ADD, &[1, 2], POINT, 10),
                (MEAN, &[3], tall(10, 1, 0), 1),
            ],
        );
        let timing = Timing::of(&Sliding::new(&graph).unwrap());
        // Row 9 of the sum needs rows 0..12 of the first step, hence 24 rows, with the last of its window at row 23.
        let expected = Timing { window: 20, outputs: 1, exact: 0, delay: 4, first: 24, warm_up: 30, rows: 1, per: 2 };
        assert_eq!(timing, expected);
    }

    #[test]
    fn what_cannot_stream_is_named() {
        let mean = |rows| (MEAN, &[0][..], tall(rows, 1, 0), 1);
        let error = |rows, nodes: &[_]| Sliding::new(&graph(rows, nodes)).unwrap_err().to_string();
        let cases = [
            (error(1, &[(convolution(1), &[0], POINT, 1)]), "one row"),
            (error(9, &[mean(9), (RowOperator::Multiply, &[0, 1], POINT, 9)]), "`n1` spreads one row over 9"),
            (error(9, &[mean(9), (convolution(3), &[1], tall(3, 1, 1), 1)]), "`n1` has a window of 3 rows"),
            (
                error(
                    3,
                    &[
                        (convolution(2), &[0], tall(2, 4, 0), 1),
                        (convolution(1), &[0], tall(1, 3, 0), 1),
                        (ADD, &[1, 2], POINT, 1),
                    ],
                ),
                "`n2` takes 3 rows of one input for 4",
            ),
        ];
        for (error, wanted) in cases {
            assert!(error.contains(wanted), "{error}");
        }
    }
}
