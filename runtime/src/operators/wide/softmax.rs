//! Softmax over the channels of each pixel, in integers.

use super::super::geometry::{Geometry, fits};
use super::super::rows::RowWindow;
use super::super::softmax::MAX_CHANNELS;
use super::super::{Context, RowOperator};
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// `e(d) ≈ 65535 · exp(−d · scale)` for distances `d ≥ 0`: a table of 513 numbers, that of every `2^step`-th distance,
/// interpolated linearly; beyond the table, its last number. In the constants: the step, then the table (u16).
#[derive(Clone, Copy, Debug)]
pub struct Exponentials<'p> {
    table: &'p [u16; 513],
    step: u8,
}

impl<'p> Exponentials<'p> {
    /// Largest step: 512 times as much is more than any distance of two int16.
    pub const MAX_STEP: u8 = 7;

    /// The function of a table; `None` where the step is above [`Exponentials::MAX_STEP`].
    pub fn new(table: &'p [u16; 513], step: u8) -> Option<Self> {
        (step <= Self::MAX_STEP).then_some(Self { table, step })
    }

    #[inline(never)]
    pub(super) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let numbers = context.constants.get(context.step.weights, 514).and_then(|numbers| numbers.split_first());
        let (&step, table) = numbers.ok_or(PlanError::Constants(context.index))?;
        let sound = table.first_chunk().and_then(|table| Self::new(table, u8::try_from(step).ok()?));
        sound.ok_or(PlanError::Constants(context.index))
    }

    /// `e(max − value)`, at most 65535.
    #[inline]
    pub(super) fn of(&self, max: i32, value: i32) -> u32 {
        let distance = max.wrapping_sub(value) as u32;
        let index = distance.wrapping_shr(self.step.into());
        let fraction = distance.wrapping_sub(index.wrapping_shl(self.step.into()));
        let entry = |index: u32| {
            let [.., last] = self.table;
            i32::from(self.table.get(index as usize).copied().unwrap_or(*last))
        };
        let own = entry(index);
        // The product has at most 16 and 7 bits.
        let change = entry(index.wrapping_add(1)).wrapping_sub(own).wrapping_mul(fraction as i32);
        own.wrapping_add(change >> (self.step & 31)) as u32
    }
}

/// `out[c] = min(2^n − 1, round_half_up(2^n · e(max − in[c]) / Σ e(max − in[i])))`, int16 of scale 2^−15 (`n = 15`), or int8
/// of scale 2^−8 and zero point −128 (`n = 8`). The logits' scale is in the table [`Exponentials`].
#[derive(Clone, Copy, Debug)]
pub struct WideSoftmax<'p> {
    geometry: Geometry,
    input: Element,
    exponentials: Exponentials<'p>,
    output: Element,
}

impl<'p> WideSoftmax<'p> {
    /// A softmax over the geometry's shapes; `None` unless it is elementwise with at most 2^14 channels.
    pub fn new(geometry: Geometry, input: Element, exponentials: Exponentials<'p>, output: Element) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_in == geometry.channels_out
            && geometry.channels_in <= MAX_CHANNELS;
        sound.then_some(Self { geometry, input, exponentials, output })
    }

    /// Bits of the fraction, and the zero point.
    fn scale(&self) -> (u32, i32) {
        match self.output {
            Element::Int8 => (8, -128),
            Element::Int16 => (15, 0),
        }
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let [input, output] = [context.input, context.output].map(|value| value.element_type());
        let exponentials = Exponentials::decode(context)?;
        let softmax = Self::new(context.elementwise()?, input, exponentials, output);
        let softmax = softmax.ok_or(PlanError::Geometry(context.index))?;
        fits(i32::from(context.output.zero_point) == softmax.scale().1, context.index)?;
        Ok(softmax)
    }
}

impl RowOperator for WideSoftmax<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out;
        let (bits, zero_point) = self.scale();
        let largest = 1u32.wrapping_shl(bits).wrapping_sub(1);
        let row = Elements::new(window.tap(0).unwrap_or(&[]), self.input);
        let mut out = ElementsMut::new(out, self.output);
        let mut first = 0usize;
        while let Some(pixel) = row.run(first, channels) {
            let max = pixel.iter().max().unwrap_or(0);
            let sum = pixel.iter().fold(0u32, |sum, value| sum.wrapping_add(self.exponentials.of(max, value)));
            for (c, value) in pixel.iter().enumerate() {
                // Below 2^31, and half of the sum below 2^29.
                let scaled = self.exponentials.of(max, value).wrapping_shl(bits).wrapping_add(sum >> 1);
                let share = scaled.checked_div(sum).unwrap_or(0).min(largest);
                out.set(first.wrapping_add(c), (share as i32).wrapping_add(zero_point));
            }
            first = first.wrapping_add(channels);
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let (bits, zero_point) = self.scale();
        let input = Elements::new(input, self.input);
        let mut out = ElementsMut::new(output, self.output);
        for index in 0..out.len() {
            let first = index.checked_div(channels).unwrap_or(0).wrapping_mul(channels);
            let pixel = || (first..first.wrapping_add(channels)).map(|i| input.get(i).unwrap_or(0));
            let max = pixel().fold(i32::MIN, i32::max);
            let sum: u64 = pixel().map(|value| u64::from(self.exponentials.of(max, value))).sum();
            let own = u64::from(self.exponentials.of(max, input.get(index).unwrap_or(0)));
            let doubled = own.wrapping_shl(bits).wrapping_mul(2).wrapping_add(sum);
            let share =
                doubled.checked_div(sum.wrapping_mul(2)).unwrap_or(0).min(1u64.wrapping_shl(bits).wrapping_sub(1));
            out.set(index, (share as i32).wrapping_add(zero_point));
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The table of a scale, and its step: distances up to twelve, beyond which nothing is left of 16 bits.
    pub fn exponentials(scale: f64) -> ([u16; 513], u8) {
        let step = (0..Exponentials::MAX_STEP).find(|&s| scale * f64::from(512 << s) > 12.0);
        let step = step.unwrap_or(Exponentials::MAX_STEP);
        let entry = |i: usize| (65535.0 * (-((i << step) as f64) * scale).exp()).round() as u16;
        (core::array::from_fn(entry), step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::elements;
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), seed in any::<u64>(), scale in 1e-5f64..1.0, types in [elements(), elements()],
        ) {
            let (table, step) = testing::exponentials(scale);
            let operator =
                WideSoftmax::new(geometry, types[0], Exponentials::new(&table, step).unwrap(), types[1]).unwrap();
            typed_rows_equal_reference(&operator, types, &mut int8s(seed), None)?;
        }

        #[test]
        fn close_to_the_real_function(values in proptest::collection::vec(any::<i16>(), 1..50), scale in 2e-5f64..2e-3) {
            let (table, step) = testing::exponentials(scale);
            let channels = values.len();
            let geometry = Geometry {
                rows_in: 1, columns_in: 1, channels_in: channels, rows_out: 1, columns_out: 1,
                channels_out: channels, kernel: [1, 1], stride: [1, 1], upsampling: 1, dilation: [1, 1], pad: [0, 0],
            };
            let exponentials = Exponentials::new(&table, step).unwrap();
            let operator = WideSoftmax::new(geometry, Element::Int16, exponentials, Element::Int16).unwrap();
            let input: Vec<i8> = values.iter().flat_map(|v| v.to_le_bytes()).map(|b| b as i8).collect();
            let mut out = std::vec![0i8; 2 * channels];
            operator.reference(&input, &[], &mut out);
            let max = values.iter().copied().max().map_or(0.0, f64::from);
            let exp = |v: i16| ((f64::from(v) - max) * scale).exp();
            let sum: f64 = values.iter().map(|&v| exp(v)).sum();
            for (out, &value) in Elements::new(&out, Element::Int16).iter().zip(&values) {
                let real = exp(value) / sum;
                prop_assert!((f64::from(out) / 32768.0 - real).abs() <= 5e-4 * real + 4e-5, "{} {}", out, real);
            }
        }
    }
}
