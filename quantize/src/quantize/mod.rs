//! From float rows and ranges to integers.

mod elementwise;
mod layers;
mod multipliers;
mod recurrent;
mod scales;
mod wide;

pub(crate) use layers::weight_scale;
pub(crate) use scales::activations;
pub use scales::{asymmetric, symmetric};

use crate::lower::{RowGraph, RowNode, RowOperator};
use crate::pack;
use crate::qgraph::{Constants, QGraph, QStep, QValue};
use crate::schedule::geometry;
use residua::operators::geometry::Geometry;
use residua::operators::{OPERATORS, depthwise_scratch_words, windows};
use residua::plan::Element;
use residua::plan::format::{NONE, NONE_16, StepRecord};
use residua::requantize::HIGH_WORD_SHIFT;

/// A layer that has no integer form.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// A window, stride or channel count does not fit in the plan's fields.
    #[error("node `{node}`: {what} {size} is larger than {limit}")]
    TooLarge {
        /// The node.
        node: String,
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The largest accepted.
        limit: usize,
    },
    /// The accumulator of a layer could overflow 32 bits.
    #[error("node `{node}` sums {fan_in} products, which can overflow a 32-bit accumulator; at most {limit} are safe")]
    Accumulator {
        /// The node.
        node: String,
        /// Products summed.
        fan_in: usize,
        /// The largest accepted.
        limit: usize,
    },
    /// A scale cannot be expressed.
    #[error("node `{node}`: {reason}")]
    Scale {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
}

/// Largest number of products in one accumulator.
const MAX_FAN_IN: usize = 1 << 16;

/// What calibration says of a row value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Type of the elements; that of a value whose elements come from another one unchanged is that one's.
    pub element: Element,
    /// Smallest and largest element that int8 has to hold.
    pub range: [f32; 2],
    /// Smallest and largest element seen.
    pub extremes: [f32; 2],
    /// Mean of each channel; empty where it is not known.
    pub means: Vec<f32>,
}

impl From<[f32; 2]> for Statistics {
    fn from(range: [f32; 2]) -> Self {
        Self { range, extremes: range, ..Self::default() }
    }
}

/// Quantizes a model: activations of the types that `statistics` say (int8, asymmetric, or int16, symmetric; per tensor), int8
/// weights (symmetric, per output channel). `statistics` has an entry for each row value.
///
/// # Errors
/// The first layer that has no integer form.
pub fn quantize(rows: &RowGraph, statistics: &[Statistics]) -> Result<QGraph, QuantizeError> {
    let mut graph = QGraph { input: rows.input, outputs: rows.outputs.clone(), ..QGraph::default() };
    graph.values = scales::activations(rows, statistics);
    for node in &rows.nodes {
        let means = statistics.get(node.inputs[0]).map_or(&[][..], |s| &s.means);
        let step = Quantizer { node, values: &graph.values, means }.step()?;
        graph.steps.push(step);
    }
    Ok(graph)
}

/// The code of an operator, by its name in the runtime's table.
pub(crate) fn code(name: &str) -> u8 {
    OPERATORS.iter().find(|(_, n)| *n == name).map_or(0, |(code, _)| *code)
}

struct Quantizer<'a> {
    node: &'a RowNode,
    values: &'a [QValue],
    /// Means of the input's channels, if they are known.
    means: &'a [f32],
}

/// Integers of an operator.
struct Form {
    operator: &'static str,
    shift: u8,
    parameters: [i32; 2],
    constants: Constants,
    sums: usize,
    groups: usize,
    upsampling: usize,
}

impl Quantizer<'_> {
    fn input(&self) -> &QValue {
        &self.values[self.node.inputs[0]]
    }

    fn output(&self) -> &QValue {
        &self.values[self.node.output]
    }

    /// Shapes and window of a node that does not upsample.
    fn window_geometry(&self) -> Geometry {
        let ([rows_in, columns_in, channels_in], [rows_out, columns_out, channels_out]) =
            (self.input().shape, self.output().shape);
        let window = &self.node.window;
        let pair = |[rows, columns]: [usize; 2]| [rows as u32, columns as u32];
        Geometry {
            rows_in: rows_in as u32,
            columns_in: columns_in as u32,
            channels_in,
            rows_out: rows_out as u32,
            columns_out: columns_out as u32,
            channels_out,
            kernel: window.kernel,
            stride: pair(window.strides),
            upsampling: 1,
            dilation: pair(window.dilations),
            pad: pair([window.pads[0], window.pads[1]]),
        }
    }

    fn scale_error(&self, reason: impl Into<String>) -> QuantizeError {
        QuantizeError::Scale { node: self.node.name.clone(), reason: reason.into() }
    }

    fn step(&self) -> Result<QStep, QuantizeError> {
        let node = self.node;
        let form = match &node.operator {
            _ if self.is_wide() => self.wide()?,
            RowOperator::Convolution { weights, bias, groups, pad_value } => {
                self.convolution(weights, bias, *groups, pad_value.as_deref())?
            }
            RowOperator::Dense { weights, bias } => {
                let channels = self.channels(weights, bias, 1)?;
                let weights = pack::dense(&channels, self.input().row_len());
                let constants = Constants { weights, ..Constants::default() };
                let sums = bias.len();
                Form {
                    operator: "Dense",
                    shift: HIGH_WORD_SHIFT,
                    parameters: [0; 2],
                    constants,
                    sums,
                    groups: 0,
                    upsampling: 1,
                }
            }
            RowOperator::Add { signs } => self.combine("Add", *signs, 1 << 21, 30)?,
            RowOperator::Concat => self.combine("Concat", [1.0, 1.0], 1 << 22, 30)?,
            RowOperator::Multiply => self.multiply("Multiply", i32::MAX, 32)?,
            RowOperator::Channels { start } => {
                Form { parameters: [*start, 0], ..self.bare("Channels", Constants::default()) }
            }
            RowOperator::Upsample { factor, source } => self.upsample(*factor, *source, ("Bilinear", i32::MAX, 32))?,
            RowOperator::MaxOfChannels => self.bare("MaxOfChannels", Constants::default()),
            RowOperator::Part { start } => self.part(*start)?,
            RowOperator::Resample { rows, columns, upsampling } => self.resample(rows, columns, *upsampling),
            RowOperator::Function(function) => self.table(|x| function.apply(x)),
            RowOperator::MaxPool => self.bare("MaxPool", Constants::default()),
            RowOperator::AveragePool { count_include_pad } => {
                self.average_pool(*count_include_pad, ["AveragePool", "MeanPool"], 32)?
            }
            RowOperator::Affine { scale, offset } => self.affine(scale, offset)?,
            RowOperator::Clamp => self.table(|x| x),
            RowOperator::Softmax => self.bare("Softmax", self.exponentials()),
            RowOperator::LogSoftmax => self.log_softmax()?,
            RowOperator::Recurrence { recurrence, carried } => self.recurrence(recurrence, *carried)?,
        };
        let [min, max] = node.clamp.map(|bound| self.output().quantize(bound) as i16);
        let window = &node.window;
        let small = |what, size: usize| {
            u16::try_from(size).map_err(|_| QuantizeError::TooLarge {
                node: node.name.clone(),
                what,
                size,
                limit: u16::MAX.into(),
            })
        };
        for &value in node.inputs.iter().chain([&node.output]) {
            small("width", self.values[value].shape[1])?;
            small("channels", self.values[value].shape[2])?;
        }
        let record = StepRecord {
            operator: code(form.operator),
            shift: form.shift,
            segment: 0,
            input: 0,
            second: NONE_16,
            output: 0,
            groups: small("groups", form.groups)?,
            kernel_rows: small("kernel height", window.kernel[0])?,
            kernel_columns: small("kernel width", window.kernel[1])?,
            stride_rows: small("stride", window.strides[0])?,
            stride_columns: small("stride", window.strides[1])?,
            upsampling: small("factor", form.upsampling)?,
            dilation_rows: small("dilation", window.dilations[0])?,
            dilation_columns: small("dilation", window.dilations[1])?,
            pad_top: small("padding", window.pads[0])?,
            pad_left: small("padding", window.pads[1])?,
            min,
            max,
            residual_shift: 0,
            residual_zero_point: 0,
            first_parameter: form.parameters[0],
            second_parameter: form.parameters[1],
            weights: NONE,
            channel_parameters: NONE,
            padding: NONE,
            scratch: NONE,
        };
        let mut step = QStep {
            name: node.name.clone(),
            record,
            inputs: node.inputs.clone(),
            output: node.output,
            constants: form.constants,
            sums: form.sums,
            scratch_words: 0,
            macs: node.macs,
        };
        let geometry = geometry(&step, self.values);
        step.scratch_words = match form.operator {
            "RecurrentColumns" => recurrent::scratch_words(form.parameters[0], geometry.channels_out),
            "Pointwise" => windows::scratch_words(&geometry, 1),
            "Convolution" => windows::scratch_words(&geometry, form.groups),
            "Depthwise" => depthwise_scratch_words(&geometry),
            _ => 0,
        };
        Ok(step)
    }

    fn clamped(&self, real: f32) -> f32 {
        real.max(self.node.clamp[0]).min(self.node.clamp[1])
    }

    fn bare(&self, operator: &'static str, constants: Constants) -> Form {
        Form { operator, shift: 1, parameters: [0; 2], constants, sums: 0, groups: 0, upsampling: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_that_is_emitted_has_a_code() {
        for name in [
            "Convolution",
            "Depthwise",
            "Depthwise3",
            "Pointwise",
            "Dense",
            "Add",
            "MaxPool",
            "AveragePool",
            "MeanPool",
            "Affine",
            "Table",
            "Softmax",
            "Multiply",
            "Concat",
            "Channels",
            "Upsample",
            "Bilinear",
            "Resample",
            "Part",
            "MaxOfChannels",
            "LogSoftmax",
            "RecurrentRows",
            "RecurrentColumns",
            "WideConvolution",
            "WideAdd",
            "WideMultiply",
            "WideMaxPool",
            "WideAveragePool",
            "WideMeanPool",
            "WideTable",
            "WideSoftmax",
            "WideLogSoftmax",
            "WideConcat",
            "WideBilinear",
        ] {
            assert!(code(name) > 0, "{name}");
        }
    }
}
