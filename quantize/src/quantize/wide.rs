//! Operators that read or write int16.

use super::{Form, QuantizeError, Quantizer};
use crate::lower::RowOperator;
use crate::qgraph::{Constants, QValue};
use residua::operators::wide::{Exponentials, WideTable};
use residua::plan::Element;

/// Largest shift of a requantization.
const MAX_SHIFT: u8 = 62;
/// Largest multiplier of 64-bit sums.
const MAX_MULTIPLIER: i32 = (1 << 24) - 1;
/// Largest multiplier of single elements.
const MAX_ELEMENT_MULTIPLIER: i32 = 1 << 30;

impl Quantizer<'_> {
    /// Whether a value of the node is int16.
    pub(super) fn is_wide(&self) -> bool {
        let mut values = self.node.inputs.iter().chain([&self.node.output]);
        values.any(|&value| self.values[value].element == Element::Int16)
    }

    /// The form of a node that [is wide](Self::is_wide).
    pub(super) fn wide(&self) -> Result<Form, QuantizeError> {
        Ok(match &self.node.operator {
            RowOperator::Convolution { weights, bias, groups, pad_value } => {
                let padding = pad_value.iter().filter(|_| self.node.window.is_padded()).flatten().copied();
                self.wide_convolution(weights, bias, *groups, self.input().encode(padding))?
            }
            RowOperator::Dense { weights, bias } => self.wide_convolution(weights, bias, 1, vec![])?,
            RowOperator::Affine { scale, offset } => self.wide_convolution(scale, offset, scale.len(), vec![])?,
            RowOperator::Add { signs } => self.combine("WideAdd", *signs, MAX_ELEMENT_MULTIPLIER, MAX_SHIFT)?,
            RowOperator::Concat => self.combine("WideConcat", [1.0, 1.0], MAX_ELEMENT_MULTIPLIER, MAX_SHIFT)?,
            RowOperator::Multiply => self.multiply("WideMultiply", MAX_MULTIPLIER, MAX_SHIFT)?,
            RowOperator::Channels { start } => {
                Form { parameters: [*start, 0], ..self.bare("Channels", Constants::default()) }
            }
            RowOperator::Upsample { factor, source } => {
                self.upsample(*factor, *source, ("WideBilinear", MAX_MULTIPLIER, MAX_SHIFT))?
            }
            RowOperator::MaxOfChannels => self.bare("MaxOfChannels", Constants::default()),
            RowOperator::Part { start } => self.part(*start)?,
            RowOperator::Resample { rows, columns, upsampling } => self.resample(rows, columns, *upsampling),
            RowOperator::Function(function) => self.wide_table(|x| function.apply(x)),
            RowOperator::Clamp => self.wide_table(|x| x),
            RowOperator::MaxPool => self.bare("WideMaxPool", Constants::default()),
            RowOperator::AveragePool { count_include_pad } => {
                self.average_pool(*count_include_pad, ["WideAveragePool", "WideMeanPool"], MAX_SHIFT)?
            }
            RowOperator::Recurrence { recurrence, carried } => self.recurrence(recurrence, *carried)?,
            RowOperator::Softmax => self.bare("WideSoftmax", self.wide_exponentials()),
            RowOperator::LogSoftmax => {
                let out = f64::from(self.output().scale);
                let factors = [f64::from(self.input().scale) / out, 1.0 / out];
                let limit = f64::from(MAX_ELEMENT_MULTIPLIER);
                let (multipliers, shift) = self.small_multipliers(&factors, limit, MAX_SHIFT, &[], 0.0)?;
                let parameters = [multipliers[0], multipliers[1]];
                Form { shift, parameters, ..self.bare("WideLogSoftmax", self.wide_exponentials()) }
            }
        })
    }

    /// Any layer with weights; `padding` is a pixel, or empty.
    fn wide_convolution(
        &self,
        weights: &[f32],
        bias: &[f32],
        groups: usize,
        padding: Vec<i8>,
    ) -> Result<Form, QuantizeError> {
        let channels = self.channels(weights, bias, groups)?;
        let (multipliers, shift) = self.multipliers(&channels.factors, MAX_MULTIPLIER, MAX_SHIFT)?;
        let constants = Constants {
            weights: channels.weights.iter().map(|&w| w as u8).collect(),
            channel_parameters: [channels.biases, multipliers].concat(),
            padding,
        };
        Ok(Form { shift, groups, ..self.bare("WideConvolution", constants) })
    }

    /// A function of one element; the step's bounds cut it off.
    fn wide_table(&self, function: impl Fn(f32) -> f32) -> Form {
        let [least, _] = self.input().element.bounds();
        let distance = match self.input().element {
            Element::Int8 => 1,
            Element::Int16 => 128,
        };
        // int8 outputs are interpolated to 7 bits more.
        let (fraction, unit) = match self.output().element {
            Element::Int8 => (7, self.output().scale / 128.0),
            Element::Int16 => (0, self.output().scale),
        };
        let fine = QValue { element: Element::Int16, scale: unit, zero_point: 0, ..self.output().clone() };
        let entry = |i: usize| fine.quantize(function(self.input().dequantize(least + distance * i as i32))) as i16;
        let weights = (0..WideTable::len(self.input().element)).flat_map(|i| entry(i).to_le_bytes()).collect();
        Form { shift: 7 + fraction, ..self.bare("WideTable", Constants { weights, ..Constants::default() }) }
    }

    /// The step of the table, then `e^−d` for each distance in steps.
    fn wide_exponentials(&self) -> Constants {
        let scale = f64::from(self.input().scale);
        // Nothing is left of 16 bits beyond e^−12.
        let step = (0..Exponentials::MAX_STEP).find(|&s| scale * f64::from(512 << s) > 12.0);
        let step = step.unwrap_or(Exponentials::MAX_STEP);
        let entry = |i: u32| (65535.0 * (-f64::from(i << step) * scale).exp()).round() as u16;
        let numbers = [step.into()].into_iter().chain((0..=512).map(entry));
        Constants { weights: numbers.flat_map(u16::to_le_bytes).collect(), ..Constants::default() }
    }
}
