//! Layers with weights: int8, symmetric, per output channel.

use super::{Form, MAX_FAN_IN, QuantizeError, Quantizer};
use crate::pack::{self, Channels};
use crate::qgraph::Constants;
use residua::operators::Depthwise3;
use residua::requantize::HIGH_WORD_SHIFT;

/// Largest magnitude of a bias before the zero point is folded in: a quarter of an accumulator of 24 bits.
const MAX_BIAS: f64 = (1 << 21) as f64;
/// The same for an operator on int16 values, whose biases have 32 bits.
const MAX_WIDE_BIAS: f64 = (1 << 29) as f64;

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

/// The scale of a kernel's weights, at an input of some scale; `wide` where that or the output is int16.
pub(crate) fn weight_scale(kernel: &[f32], bias: f32, input_scale: f64, wide: bool) -> f64 {
    let largest = kernel.iter().fold(0f32, |m, w| m.max(w.abs()));
    // A channel with tiny weights and a large bias gives up weight precision, which it does not need.
    let most = if wide { MAX_WIDE_BIAS } else { MAX_BIAS };
    let least = (f64::from(bias.abs()) / (input_scale * most)).max(1e-30);
    exact_scale(kernel, largest).unwrap_or(f64::from(largest) / 127.0).max(least)
}

impl Quantizer<'_> {
    pub(super) fn convolution(
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
            Some(pad) if window.is_padded() => self.input().encode(pad.iter().copied()),
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
    pub(super) fn channels(&self, weights: &[f32], bias: &[f32], groups: usize) -> Result<Channels, QuantizeError> {
        let (input, output) = (self.input(), self.output());
        let fan_in = weights.len() / bias.len().max(1);
        if fan_in == 0 || fan_in > MAX_FAN_IN {
            return Err(QuantizeError::Accumulator { node: self.node.name.clone(), fan_in, limit: MAX_FAN_IN });
        }
        let input_scale = f64::from(input.scale);
        let mut channels = Channels::default();
        let outputs_of_group = (bias.len() / groups.max(1)).max(1);
        let inputs_of_group = (input.shape[2] / groups.max(1)).max(1);
        let shares = self.node.tap_shares([input.shape, output.shape]);
        for (output_channel, (kernel, &bias)) in weights.chunks_exact(fan_in).zip(bias).enumerate() {
            let means = self.means.get(output_channel / outputs_of_group * inputs_of_group..).unwrap_or(&[]);
            let mut scale = weight_scale(kernel, bias, input_scale, self.is_wide());
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
                let fits = if self.is_wide() { i32::try_from(folded).is_ok() } else { pack::fits(&q, folded) };
                if fits {
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
        if !self.is_wide() && largest * f64::from(HIGH_WORD_SHIFT).exp2() > f64::from(i32::MAX) {
            return Err(self.scale_error(format!("the scales of input and output differ by a factor of {largest:e}")));
        }
        Ok(channels)
    }
}
