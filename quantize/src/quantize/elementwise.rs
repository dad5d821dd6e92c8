//! Operators without weights.

use super::{Form, MAX_FAN_IN, QuantizeError, Quantizer};
use crate::qgraph::Constants;
use residua::operators::{PLACE_FRACTION, PLACE_OF_PADDING};
use residua_models::graph::PixelSource;

impl Quantizer<'_> {
    /// Both inputs brought to the output's scale.
    pub(super) fn combine(
        &self,
        operator: &'static str,
        signs: [f32; 2],
        limit: i32,
        most: u8,
    ) -> Result<Form, QuantizeError> {
        let values = [self.input(), &self.values[self.node.inputs[1]]];
        let out = f64::from(self.output().scale);
        let factor = |i: usize| f64::from(signs[i]) * f64::from(values[i].scale) / out;
        let (parameters, shift) = self.small_multipliers(&[factor(0), factor(1)], limit.into(), most, &[], 0.0)?;
        let parameters = [parameters[0], parameters[1]];
        Ok(Form { shift, parameters, ..self.bare(operator, Constants::default()) })
    }

    pub(super) fn multiply(&self, operator: &'static str, limit: i32, most: u8) -> Result<Form, QuantizeError> {
        let scales = f64::from(self.input().scale) * f64::from(self.values[self.node.inputs[1]].scale);
        let (multipliers, shift) = self.multipliers(&[scales / f64::from(self.output().scale)], limit, most)?;
        Ok(Form { shift, parameters: [multipliers[0], 0], ..self.bare(operator, Constants::default()) })
    }

    /// More rows and columns; interpolation by an operator whose multiplier has these limits.
    pub(super) fn upsample(
        &self,
        factor: usize,
        source: PixelSource,
        (bilinear, limit, most): (&'static str, i32, u8),
    ) -> Result<Form, QuantizeError> {
        let upsampling = factor;
        let code = match source {
            PixelSource::Nearest => 0,
            PixelSource::DepthFirst => 1,
            PixelSource::ColumnFirst => 2,
            PixelSource::Bilinear => {
                let weights = (4 * factor * factor) as f64;
                let (multipliers, shift) = self.multipliers(&[1.0 / weights], limit, most)?;
                let parameters = [multipliers[0], 0];
                return Ok(Form { shift, parameters, upsampling, ..self.bare(bilinear, Constants::default()) });
            }
        };
        Ok(Form { parameters: [code, 0], upsampling, ..self.bare("Upsample", Constants::default()) })
    }

    /// One of several inputs.
    pub(super) fn part(&self, start: usize) -> Result<Form, QuantizeError> {
        let first = i32::try_from(start).map_err(|_| self.scale_error("it begins beyond what a plan holds"))?;
        let upsampling = self.output().shape[0];
        Ok(Form { parameters: [first, 0], upsampling, ..self.bare("Part", Constants::default()) })
    }

    /// Places of rows, then of columns, in units of the operator's fraction.
    pub(super) fn resample(&self, rows: &[f32], columns: &[f32], upsampling: usize) -> Form {
        let unit = f64::from(1u32 << PLACE_FRACTION);
        let place =
            |&place: &f32| if place < 0.0 { PLACE_OF_PADDING } else { (f64::from(place) * unit).round() as u32 };
        let weights = rows.iter().chain(columns).flat_map(|p| place(p).to_le_bytes()).collect();
        Form { upsampling, ..self.bare("Resample", Constants { weights, ..Constants::default() }) }
    }

    /// A function of one element, bounds included.
    pub(super) fn table(&self, function: impl Fn(f32) -> f32) -> Form {
        let entry = |q| self.output().quantize(self.clamped(function(self.input().dequantize(q))));
        let weights = (-128..=127).map(|q| entry(q) as u8).collect();
        self.bare("Table", Constants { weights, ..Constants::default() })
    }

    /// `e^−d` for each distance from the largest input.
    pub(super) fn exponentials(&self) -> Constants {
        let scale = f64::from(self.input().scale);
        let exponential = |d: i32| (65535.0 * (-f64::from(d) * scale).exp()).round() as u16;
        Constants { weights: (0..256).flat_map(|d| exponential(d).to_le_bytes()).collect(), ..Constants::default() }
    }

    pub(super) fn log_softmax(&self) -> Result<Form, QuantizeError> {
        let out = f64::from(self.output().scale);
        // The logarithm's multiplier may be eight times as large as that of the distance.
        let factors = [f64::from(self.input().scale) / out, 1.0 / out / 8.0];
        let (_, shift) = self.small_multipliers(&factors, f64::from(1 << 22), 30, &[], 0.0)?;
        let unit = f64::from(shift).exp2();
        let parameters = [factors[0], factors[1] * 8.0].map(|f| (f * unit).round() as i32);
        Ok(Form { shift, parameters, ..self.bare("LogSoftmax", self.exponentials()) })
    }

    pub(super) fn affine(&self, scale: &[f32], offset: &[f32]) -> Result<Form, QuantizeError> {
        let (input, output) = (self.input(), self.output());
        let out = f64::from(output.scale);
        let factors: Vec<f64> = scale.iter().map(|&s| f64::from(s) * f64::from(input.scale) / out).collect();
        let zero = f64::from(input.zero_point);
        let offsets: Vec<f64> = offset.iter().zip(&factors).map(|(&o, f)| f64::from(o) / out - zero * f).collect();
        // Rounding may move numbers by one half beyond the limits that are checked here, hence the margins.
        let limits = [(1 << 22) - 1, (1 << 29) - (1 << 10)].map(f64::from);
        let (multipliers, shift) = self.small_multipliers(&factors, limits[0], 30, &offsets, limits[1])?;
        let unit = f64::from(shift).exp2();
        let exact = multipliers
            .iter()
            .zip(offset)
            .map(|(&m, &o)| (f64::from(o) / out * unit).round() as i32 - i32::from(input.zero_point) * m);
        let numbers = exact.chain(multipliers.iter().copied()).collect();
        let constants = Constants { channel_parameters: numbers, ..Constants::default() };
        Ok(Form { operator: "Affine", shift, parameters: [0; 2], constants, sums: 0, groups: 0, upsampling: 1 })
    }

    /// A mean by one of two operators, whose windows overlap in rows or do not.
    pub(super) fn average_pool(
        &self,
        count_include_pad: bool,
        [overlapping, apart]: [&'static str; 2],
        most: u8,
    ) -> Result<Form, QuantizeError> {
        let (input, output, window) = (self.input(), self.output(), &self.node.window);
        let taps = window.kernel[0] * window.kernel[1];
        if taps > MAX_FAN_IN {
            let node = self.node.name.clone();
            return Err(QuantizeError::Accumulator { node, fan_in: taps, limit: MAX_FAN_IN });
        }
        let factor = f64::from(input.scale) / f64::from(output.scale);
        let counts = if count_include_pad || !window.is_padded() { taps..=taps } else { 1..=taps };
        let (multipliers, shift) =
            self.multipliers(&counts.map(|n| factor / n as f64).collect::<Vec<_>>(), i32::MAX, most)?;
        let is_apart = output.shape[0] == 1 || window.strides[0] >= window.kernel[0];
        let sums = if is_apart { output.shape[1] * output.shape[2] } else { 0 };
        Ok(Form {
            operator: if is_apart { apart } else { overlapping },
            shift,
            parameters: [multipliers.len() as i32, 0],
            constants: Constants { channel_parameters: multipliers, ..Constants::default() },
            sums,
            groups: 0,
            upsampling: 1,
        })
    }
}
