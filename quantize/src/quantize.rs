//! From float rows and ranges to integers.

use crate::lower::{RowGraph, RowNode, RowOperator};
use crate::pack::{self, Channels};
use crate::qgraph::{Constants, QGraph, QStep, QValue};
use crate::schedule::geometry;
use residua::operators::geometry::Geometry;
use residua::operators::{Depthwise3, OPERATORS, depthwise_scratch_words, windows};
use residua::plan::format::{NONE, NONE_16, StepRecord};
use residua::requantize::HIGH_WORD_SHIFT;
use residua_models::graph::PixelSource;

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
/// Largest magnitude of a bias before the zero point is folded in: a quarter of an accumulator of 24 bits.
const MAX_BIAS: f64 = (1 << 21) as f64;

/// What calibration says of a row value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Smallest and largest element that int8 has to hold.
    pub range: [f32; 2],
    /// Mean of each channel; empty where it is not known.
    pub means: Vec<f32>,
}

impl From<[f32; 2]> for Statistics {
    fn from(range: [f32; 2]) -> Self {
        Self { range, means: vec![] }
    }
}

/// Quantizes a model: int8 activations (asymmetric, per tensor), int8 weights (symmetric, per output channel). `statistics`
/// has an entry for each row value.
///
/// # Errors
/// The first layer that has no integer form.
pub fn quantize(rows: &RowGraph, statistics: &[Statistics]) -> Result<QGraph, QuantizeError> {
    let mut graph = QGraph { input: rows.input, outputs: rows.outputs.clone(), ..QGraph::default() };
    graph.values = activations(rows, statistics);
    for node in &rows.nodes {
        let means = statistics.get(node.inputs[0]).map_or(&[][..], |s| &s.means);
        let step = Quantizer { node, values: &graph.values, means }.step()?;
        graph.steps.push(step);
    }
    Ok(graph)
}

/// Scale and zero point of each value.
fn activations(rows: &RowGraph, statistics: &[Statistics]) -> Vec<QValue> {
    let mut values: Vec<QValue> = rows
        .values
        .iter()
        .zip(statistics)
        .map(|(value, seen)| {
            let (scale, zero_point) = value.quantization.unwrap_or_else(|| asymmetric(seen.range));
            QValue { name: value.name.clone(), shape: value.shape, scale, zero_point }
        })
        .collect();
    for node in &rows.nodes {
        match &node.operator {
            RowOperator::Softmax => (values[node.output].scale, values[node.output].zero_point) = (1.0 / 256.0, -128),
            // These move elements and leave them as they are.
            RowOperator::MaxPool | RowOperator::Channels { .. } | RowOperator::Upsample { .. } => {
                let input = values[node.inputs[0]].clone();
                (values[node.output].scale, values[node.output].zero_point) = (input.scale, input.zero_point);
            }
            _ => {}
        }
    }
    for node in rows.nodes.iter().rev().filter(|n| n.operator == RowOperator::Concat) {
        let (part, whole) = (node.inputs[0], node.output);
        if rows.values[part].source == rows.values[whole].source {
            (values[part].scale, values[part].zero_point) = (values[whole].scale, values[whole].zero_point);
        }
    }
    values
}

/// int8 scale and zero point for a range; zero is exact.
pub fn asymmetric([min, max]: [f32; 2]) -> (f32, i8) {
    let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
    let scale = ((max - min) / 255.0) as f32;
    // A value that is always zero keeps a harmless scale.
    if scale < f32::MIN_POSITIVE {
        return (1.0, 0);
    }
    let zero_point = (-128.0 - min / f64::from(scale)).round().clamp(-128.0, 127.0);
    (scale, zero_point as i8)
}

/// The scale of weights that are whole multiples of one number already, as those of a quantized model are.
fn exact_scale(kernel: &[f32], largest: f32) -> Option<f64> {
    // Few weights would be multiples of something by chance, which does no harm.
    let is_whole = |scale: f64| {
        kernel.iter().all(|&w| {
            let q = f64::from(w) / scale;
            (q - q.round()).abs() < 1e-3
        })
    };
    (largest > 0.0).then(|| (1..=127).rev().map(|q| f64::from(largest) / f64::from(q)).find(|&s| is_whole(s)))?
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
            RowOperator::Add { signs } => self.combine("Add", *signs, 1 << 21)?,
            RowOperator::Concat => self.combine("Concat", [1.0, 1.0], 1 << 22)?,
            RowOperator::Multiply => self.multiply()?,
            RowOperator::Channels { start } => {
                Form { parameters: [*start, 0], ..self.bare("Channels", Constants::default()) }
            }
            RowOperator::Upsample { factor, source } => self.upsample(*factor, *source)?,
            RowOperator::Function(function) => self.table(|x| function.apply(x)),
            RowOperator::MaxPool => self.bare("MaxPool", Constants::default()),
            RowOperator::AveragePool { count_include_pad } => self.average_pool(*count_include_pad)?,
            RowOperator::Affine { scale, offset } => self.affine(scale, offset)?,
            RowOperator::Clamp => self.table(|x| x),
            RowOperator::Softmax => self.bare("Softmax", self.exponentials()),
            RowOperator::LogSoftmax => self.log_softmax()?,
        };
        let [min, max] = node.clamp.map(|bound| i16::from(self.output().quantize(bound)));
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

    fn convolution(
        &self,
        weights: &[f32],
        bias: &[f32],
        groups: usize,
        pad_value: Option<&[f32]>,
    ) -> Result<Form, QuantizeError> {
        let window = &self.node.window;
        let channels_in = self.input().shape[2];
        let channels = self.channels(weights, bias, groups)?;
        let padding: Vec<i8> = match pad_value {
            Some(pad) if window.is_padded() => pad.iter().map(|&p| self.input().quantize(p)).collect(),
            _ => vec![],
        };
        let point = window.kernel == [1, 1] && !window.is_padded();
        if groups > 1 && groups == channels_in && bias.len() == channels_in {
            let nine = Depthwise3::fits(&self.window_geometry());
            let constants = if nine {
                let uniform = vec![self.input().zero_point; channels_in];
                let weights = pack::nines(&channels, if padding.is_empty() { &uniform } else { &padding });
                Constants { weights, ..Constants::default() }
            } else {
                Constants { weights: pack::taps(&channels), padding, ..Constants::default() }
            };
            return Ok(Form {
                operator: if nine { "Depthwise3" } else { "Depthwise" },
                shift: HIGH_WORD_SHIFT,
                parameters: [0; 2],
                constants,
                sums: 0,
                groups: 0,
                upsampling: 1,
            });
        }
        let (operator, groups) = if groups == 1 && point { ("Pointwise", 0) } else { ("Convolution", groups) };
        let constants = Constants { weights: pack::groups(&channels, groups.max(1)), padding, ..Constants::default() };
        Ok(Form { operator, shift: HIGH_WORD_SHIFT, parameters: [0; 2], constants, sums: 0, groups, upsampling: 1 })
    }

    /// Integers of each output channel, for weights whose output channel is outermost and whose input channel is innermost.
    fn channels(&self, weights: &[f32], bias: &[f32], groups: usize) -> Result<Channels, QuantizeError> {
        let (input, output) = (self.input(), self.output());
        let fan_in = weights.len() / bias.len().max(1);
        if fan_in == 0 || fan_in > MAX_FAN_IN {
            return Err(QuantizeError::Accumulator { node: self.node.name.clone(), fan_in, limit: MAX_FAN_IN });
        }
        let input_scale = f64::from(input.scale);
        let mut channels = Channels::default();
        let outputs_of_group = (bias.len() / groups.max(1)).max(1);
        let inputs_of_group = (input.shape[2] / groups.max(1)).max(1);
        let shares = self.tap_shares();
        for (output_channel, (kernel, &bias)) in weights.chunks_exact(fan_in).zip(bias).enumerate() {
            let means = self.means.get(output_channel / outputs_of_group * inputs_of_group..).unwrap_or(&[]);
            let largest = kernel.iter().fold(0f32, |m, w| m.max(w.abs()));
            // A channel with tiny weights and a large bias gives up weight precision, which it does not need.
            let least = (f64::from(bias.abs()) / (input_scale * MAX_BIAS)).max(1e-30);
            let mut scale = exact_scale(kernel, largest).unwrap_or(f64::from(largest) / 127.0).max(least);
            let (q, folded) = loop {
                let q: Vec<i8> =
                    kernel.iter().map(|&w| (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i8).collect();
                let sum: i64 = q.iter().map(|&w| i64::from(w)).sum();
                // What rounding the weights adds to the sum on average is taken from the bias (Nagel et al., 2019).
                let errors = kernel.iter().zip(&q).map(|(&w, &q)| f64::from(q) * scale - f64::from(w));
                let means = means.iter().take(inputs_of_group);
                let taps = shares.iter().flat_map(|&share| means.clone().map(move |&mean| f64::from(mean) * share));
                let shift: f64 = errors.zip(taps).map(|(error, mean)| error * mean).sum();
                let bias = (f64::from(bias) - shift) / (input_scale * scale);
                let folded = bias.round() as i64 - i64::from(input.zero_point) * sum;
                if pack::fits(&q, folded) {
                    break (q, folded);
                }
                // So does one whose sum could leave the accumulator.
                scale *= 1.25;
            };
            channels.biases.push(folded as i32);
            channels.factors.push(input_scale * scale / f64::from(output.scale));
            channels.weights.extend(q);
        }
        let largest = channels.factors.iter().copied().fold(0.0, f64::max);
        if largest * f64::from(HIGH_WORD_SHIFT).exp2() > f64::from(i32::MAX) {
            return Err(self.scale_error(format!("the scales of input and output differ by a factor of {largest:e}")));
        }
        Ok(channels)
    }

    /// For each tap, row by row, the share of output pixels for which it lies inside the input.
    fn tap_shares(&self) -> Vec<f64> {
        let window = &self.node.window;
        let along = |axis: usize| -> Vec<f64> {
            let (size, outputs) = (self.input().shape[axis], self.output().shape[axis].max(1));
            let inside = |tap: usize| {
                let at =
                    |y: usize| (y * window.strides[axis] + tap * window.dilations[axis]).checked_sub(window.pads[axis]);
                (0..outputs).filter(|&y| at(y).is_some_and(|row| row < size)).count()
            };
            (0..window.kernel[axis]).map(|tap| inside(tap) as f64 / outputs as f64).collect()
        };
        let (rows, columns) = (along(0), along(1));
        rows.iter().flat_map(|row| columns.iter().map(move |column| row * column)).collect()
    }

    /// Integers `m` and one shift `s` with `m / 2^s ≈ factor`.
    ///
    /// A shift of 32 is preferred: a core with a most-significant-word multiply needs nothing more.
    fn multipliers(&self, factors: &[f64]) -> Result<(Vec<i32>, u8), QuantizeError> {
        let largest = factors.iter().copied().fold(0.0, f64::max);
        let limit = f64::from(i32::MAX);
        let shift = (1..=32u8).rev().find(|&s| (largest * (s as f64).exp2()).round() <= limit);
        let Some(shift) = shift.filter(|_| largest.is_finite()) else {
            return Err(self.scale_error(format!("the scales of input and output differ by a factor of {largest:e}")));
        };
        let scale = f64::from(shift).exp2();
        Ok((factors.iter().map(|f| (f * scale).round().max(1.0) as i32).collect(), shift))
    }

    /// Both inputs brought to the output's scale.
    fn combine(&self, operator: &'static str, signs: [f32; 2], limit: i32) -> Result<Form, QuantizeError> {
        let values = [self.input(), &self.values[self.node.inputs[1]]];
        let out = f64::from(self.output().scale);
        let factor = |i: usize| f64::from(signs[i]) * f64::from(values[i].scale) / out;
        let (parameters, shift) = self.small_multipliers(&[factor(0), factor(1)], limit.into(), &[], 0.0)?;
        let parameters = [parameters[0], parameters[1]];
        Ok(Form { shift, parameters, ..self.bare(operator, Constants::default()) })
    }

    fn multiply(&self) -> Result<Form, QuantizeError> {
        let scales = f64::from(self.input().scale) * f64::from(self.values[self.node.inputs[1]].scale);
        let (multipliers, shift) = self.multipliers(&[scales / f64::from(self.output().scale)])?;
        Ok(Form { shift, parameters: [multipliers[0], 0], ..self.bare("Multiply", Constants::default()) })
    }

    fn upsample(&self, factor: usize, source: PixelSource) -> Result<Form, QuantizeError> {
        let upsampling = factor;
        let code = match source {
            PixelSource::Nearest => 0,
            PixelSource::DepthFirst => 1,
            PixelSource::ColumnFirst => 2,
            PixelSource::Bilinear => {
                let weights = (4 * factor * factor) as f64;
                let (multipliers, shift) = self.multipliers(&[1.0 / weights])?;
                let parameters = [multipliers[0], 0];
                return Ok(Form { shift, parameters, upsampling, ..self.bare("Bilinear", Constants::default()) });
            }
        };
        Ok(Form { parameters: [code, 0], upsampling, ..self.bare("Upsample", Constants::default()) })
    }

    /// A function of one element, bounds included.
    fn table(&self, function: impl Fn(f32) -> f32) -> Form {
        let entry = |q: i8| self.output().quantize(self.clamped(function(self.input().dequantize(q))));
        let weights = (-128..=127).map(|q| entry(q) as u8).collect();
        self.bare("Table", Constants { weights, ..Constants::default() })
    }

    /// `e^−d` for each distance from the largest input.
    fn exponentials(&self) -> Constants {
        let scale = f64::from(self.input().scale);
        let exponential = |d: i32| (65535.0 * (-f64::from(d) * scale).exp()).round() as u16;
        Constants { weights: (0..256).flat_map(|d| exponential(d).to_le_bytes()).collect(), ..Constants::default() }
    }

    fn log_softmax(&self) -> Result<Form, QuantizeError> {
        let out = f64::from(self.output().scale);
        // The logarithm's multiplier may be eight times as large as that of the distance.
        let factors = [f64::from(self.input().scale) / out, 1.0 / out / 8.0];
        let (_, shift) = self.small_multipliers(&factors, f64::from(1 << 22), &[], 0.0)?;
        let unit = f64::from(shift).exp2();
        let parameters = [factors[0], factors[1] * 8.0].map(|f| (f * unit).round() as i32);
        Ok(Form { shift, parameters, ..self.bare("LogSoftmax", self.exponentials()) })
    }

    /// Integers for factors and offsets at the largest shift (up to 30) for which they stay within the limits.
    fn small_multipliers(
        &self,
        factors: &[f64],
        limit: f64,
        offsets: &[f64],
        offset_limit: f64,
    ) -> Result<(Vec<i32>, u8), QuantizeError> {
        let largest = |values: &[f64]| values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let fits = |s: u8| {
            let unit = f64::from(s).exp2();
            largest(factors) * unit <= limit && (offsets.is_empty() || largest(offsets) * unit <= offset_limit)
        };
        let Some(shift) = (1..=30u8).rev().find(|&s| fits(s)) else {
            return Err(self.scale_error("the scales of input and output are too far apart"));
        };
        let unit = f64::from(shift).exp2();
        Ok((factors.iter().map(|f| (f * unit).round() as i32).collect(), shift))
    }

    fn affine(&self, scale: &[f32], offset: &[f32]) -> Result<Form, QuantizeError> {
        let (input, output) = (self.input(), self.output());
        let out = f64::from(output.scale);
        let factors: Vec<f64> = scale.iter().map(|&s| f64::from(s) * f64::from(input.scale) / out).collect();
        let zero = f64::from(input.zero_point);
        let offsets: Vec<f64> = offset.iter().zip(&factors).map(|(&o, f)| f64::from(o) / out - zero * f).collect();
        // Rounding may move numbers by one half beyond the limits that are checked here, hence the margins.
        let (multipliers, shift) =
            self.small_multipliers(&factors, f64::from((1 << 22) - 1), &offsets, f64::from((1 << 29) - (1 << 10)))?;
        let unit = f64::from(shift).exp2();
        let exact = multipliers
            .iter()
            .zip(offset)
            .map(|(&m, &o)| (f64::from(o) / out * unit).round() as i32 - i32::from(input.zero_point) * m);
        let numbers = exact.chain(multipliers.iter().copied()).collect();
        let constants = Constants { channel_parameters: numbers, ..Constants::default() };
        Ok(Form { operator: "Affine", shift, parameters: [0; 2], constants, sums: 0, groups: 0, upsampling: 1 })
    }

    fn average_pool(&self, count_include_pad: bool) -> Result<Form, QuantizeError> {
        let (input, output, window) = (self.input(), self.output(), &self.node.window);
        let taps = window.kernel[0] * window.kernel[1];
        if taps > MAX_FAN_IN {
            let node = self.node.name.clone();
            return Err(QuantizeError::Accumulator { node, fan_in: taps, limit: MAX_FAN_IN });
        }
        let factor = f64::from(input.scale) / f64::from(output.scale);
        let counts = if count_include_pad || !window.is_padded() { taps..=taps } else { 1..=taps };
        let (multipliers, shift) = self.multipliers(&counts.map(|n| factor / n as f64).collect::<Vec<_>>())?;
        let apart = output.shape[0] == 1 || window.strides[0] >= window.kernel[0];
        let sums = if apart { output.row_len() } else { 0 };
        Ok(Form {
            operator: if apart { "MeanPool" } else { "AveragePool" },
            shift,
            parameters: [multipliers.len() as i32, 0],
            constants: Constants { channel_parameters: multipliers, ..Constants::default() },
            sums,
            groups: 0,
            upsampling: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zero_is_exact_and_the_range_is_covered(min in -1e4f32..0.0, max in 0.0f32..1e4) {
            prop_assume!(max - min > 1e-3);
            let (scale, zero_point) = asymmetric([min, max]);
            let value = QValue { name: String::new(), shape: [1; 3], scale, zero_point };
            prop_assert_eq!(value.dequantize(value.quantize(0.0)), 0.0);
            for real in [min, max, (min + max) / 2.0] {
                prop_assert!((value.dequantize(value.quantize(real)) - real).abs() <= scale * 1.01);
            }
        }
    }

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
            "LogSoftmax",
        ] {
            assert!(code(name) > 0, "{name}");
        }
    }
}
