//! Logarithm of the softmax over the channels of each pixel.

use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::softmax::MAX_CHANNELS;
use super::super::{Context, RowOperator};
use super::{Exponentials, WideRequantizer};
use crate::frontend::ln;
use crate::plan::{Element, Elements, PlanError};

/// The table's value for a distance of 0 is e^0.
const ONE: u64 = 65535;
/// Largest multiplier; products with a distance or a logarithm stay below 2^47.
const MAX_MULTIPLIER: i32 = 1 << 30;

/// `out = clamp(zero_point + round_half_up(((v − max) · m − L · n / 2^16) / 2^shift))`, where `L = ln(Σ exp(v − max))` as Q16 and
/// the exponentials come from the table [`Exponentials`].
#[derive(Clone, Copy, Debug)]
pub struct WideLogSoftmax<'p> {
    geometry: Geometry,
    input: Element,
    exponentials: Exponentials<'p>,
    multipliers: [i32; 2],
    requantizer: WideRequantizer,
}

impl<'p> WideLogSoftmax<'p> {
    /// A log-softmax over the geometry's shapes; `None` unless it is elementwise with at most 2^14 channels and both multipliers
    /// lie in `0..=2^30`.
    pub fn new(
        geometry: Geometry,
        input: Element,
        exponentials: Exponentials<'p>,
        multipliers: [i32; 2],
        requantizer: WideRequantizer,
    ) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_in == geometry.channels_out
            && geometry.channels_in <= MAX_CHANNELS
            && multipliers.iter().all(|m| (0..=MAX_MULTIPLIER).contains(m));
        sound.then_some(Self { geometry, input, exponentials, multipliers, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let exponentials = Exponentials::decode(context)?;
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        let (input, requantizer) = (context.input.element_type(), context.wide_requantizer()?);
        Self::new(context.elementwise()?, input, exponentials, multipliers, requantizer)
            .ok_or(PlanError::Requantization(context.index))
    }

    /// `L · n / 2^16`, rounded.
    fn logarithm(&self, sum: u64) -> i64 {
        let [_, n] = self.multipliers;
        let l = i64::from(ln(sum.max(ONE), 0)).wrapping_sub(ln(ONE, 0).into());
        l.wrapping_mul(n.into()).wrapping_add(1 << 15) >> 16
    }

    fn element(&self, value: i32, max: i32, logarithm: i64) -> i32 {
        let [m, _] = self.multipliers;
        let distance = i64::from(value).wrapping_sub(max.into()).wrapping_mul(m.into());
        self.requantizer.apply(distance.wrapping_sub(logarithm), 1)
    }
}

impl RowOperator for WideLogSoftmax<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out;
        let row = Elements::new(window.tap(0).unwrap_or(&[]), self.input);
        let mut out = self.requantizer.output(out);
        let mut first = 0usize;
        while let Some(pixel) = row.run(first, channels) {
            let max = pixel.iter().max().unwrap_or(0);
            let sum = pixel.iter().fold(0u32, |sum, value| sum.wrapping_add(self.exponentials.of(max, value)));
            let logarithm = self.logarithm(sum.into());
            for (c, value) in pixel.iter().enumerate() {
                out.set(first.wrapping_add(c), self.element(value, max, logarithm));
            }
            first = first.wrapping_add(channels);
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let channels = self.geometry.channels_out.max(1);
        let input = Elements::new(input, self.input);
        let mut out = self.requantizer.output(output);
        for index in 0..out.len() {
            let first = index.checked_div(channels).unwrap_or(0).wrapping_mul(channels);
            let pixel = || (first..first.wrapping_add(channels)).map(|i| input.get(i).unwrap_or(0));
            let max = pixel().fold(i32::MIN, i32::max);
            let sum: u64 = pixel().map(|value| u64::from(self.exponentials.of(max, value))).sum();
            out.set(index, self.element(input.get(index).unwrap_or(0), max, self.logarithm(sum)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::softmax::testing::exponentials;
    use super::super::testing::{elements, requantizers};
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), seed in any::<u64>(), scale in 1e-5f64..1.0, input in elements(),
            multipliers in [0..=MAX_MULTIPLIER, 0..=MAX_MULTIPLIER], requantizer in requantizers(46),
        ) {
            let (table, step) = exponentials(scale);
            let table = Exponentials::new(&table, step).unwrap();
            let operator = WideLogSoftmax::new(geometry, input, table, multipliers, requantizer).unwrap();
            typed_rows_equal_reference(&operator, [input, requantizer.element()], &mut int8s(seed), None)?;
        }
    }
}
