//! From a graph over one window of rows to a graph over any number of rows.

use super::step::{Speed, greatest_common_divisor, meet, name, slide};
use super::{Obstacle, Reach, StreamError};
use crate::fuse::fuse;
use crate::qgraph::{Endless, QGraph};
use crate::schedule::replay_is_settled;

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

impl Sliding {
    /// Turns a graph's reductions into windows.
    ///
    /// # Errors
    /// Nodes that need rows which a stream does not have yet: all of them.
    pub fn new(graph: &QGraph) -> Result<Self, Vec<StreamError>> {
        let mut window = graph.clone();
        let input = &graph.values[graph.input];
        let mut errors = vec![];
        if input.shape[0] == 1 {
            let (node, shape) = (input.name.clone(), input.shape);
            errors.push(StreamError { node, operator: "input", shape, obstacle: Obstacle::OneRow });
        }
        let mut speeds = vec![Speed { rows: 1, inputs: 1, reduced: false }; window.values.len()];
        let mut period = 1;
        for (step, before) in window.steps.iter_mut().zip(&graph.steps) {
            let mut obstacle = meet(step, &graph.values, &speeds).err();
            let speed = slide(step, &graph.values, &speeds);
            speeds[step.output] = speed;
            let longer = least_common_multiple(period, speed.inputs);
            if longer <= MAX_PERIOD {
                period = longer;
            } else {
                obstacle = obstacle.or(Some(Obstacle::Period { limit: MAX_PERIOD }));
            }
            errors.extend(obstacle.map(|obstacle| StreamError {
                node: step.name.clone(),
                operator: name(before.record.operator),
                shape: graph.values[step.output].shape,
                obstacle,
            }));
        }
        if errors.is_empty() { Ok(Self { window, speeds, period }) } else { Err(errors) }
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

    /// The graph over a stream that does not end, its residual adds fused.
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
        let mut graph = fuse(graph);
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
        let error = |rows, nodes: &[_]| {
            Sliding::new(&graph(rows, nodes)).unwrap_err().iter().map(ToString::to_string).collect::<String>()
        };
        let cases = [
            (error(1, &[(convolution(1), &[0], POINT, 1)]), "no axis"),
            (
                error(9, &[mean(9), (RowOperator::Multiply, &[0, 1], POINT, 9)]),
                "`n1` (Multiply, rows, columns and channels [9, 1, 2]): one row is spread over 9",
            ),
            (error(9, &[mean(9), (convolution(3), &[1], tall(3, 1, 1), 1)]), "[1, 1, 2]): a window of 3 rows"),
            (
                error(
                    3,
                    &[
                        (convolution(2), &[0], tall(2, 4, 0), 1),
                        (convolution(1), &[0], tall(1, 3, 0), 1),
                        (ADD, &[1, 2], POINT, 1),
                    ],
                ),
                "3 rows of one input come for 4",
            ),
        ];
        for (error, wanted) in cases {
            assert!(error.contains(wanted), "{error}");
        }
    }
}
