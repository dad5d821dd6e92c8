//! Two tensors side by side along the channels.

use super::super::geometry::{Geometry, fits};
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::{Input, WideRequantizer};
use crate::plan::{Elements, PlanError};

/// Largest multiplier, so that products stay below 2^47.
const MAX_MULTIPLIER: i32 = 1 << 30;

/// `out[y, x, c] = clamp(zero_point + round_half_up((v − z) · m / 2^shift))`, where `v` is `a[y, x, c]` for the channels of the
/// first input and `b[y, x, c − channels of a]` for the others; each input has its own zero point and multiplier.
#[derive(Clone, Copy, Debug)]
pub struct WideConcat {
    geometry: Geometry,
    inputs: [Input; 2],
    multipliers: [i32; 2],
    requantizer: WideRequantizer,
}

impl WideConcat {
    /// A concatenation over the geometry's shapes, of which the output has more channels than the (first) input; `None`
    /// unless pixels map one to one and both multipliers lie in `0..=2^30`.
    pub fn new(
        geometry: Geometry,
        inputs: [Input; 2],
        multipliers: [i32; 2],
        requantizer: WideRequantizer,
    ) -> Option<Self> {
        let sound = geometry.is_elementwise()
            && geometry.channels_out > geometry.channels_in
            && multipliers.iter().all(|m| (0..=MAX_MULTIPLIER).contains(m));
        sound.then_some(Self { geometry, inputs, multipliers, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let (geometry, inputs) = (context.geometry(), context.wide_pair()?);
        let beside = context.second.filter(|s| (s.rows, s.columns) == (context.input.rows, context.input.columns));
        let channels = beside.and_then(|s| usize::from(s.channels).checked_add(geometry.channels_in));
        fits(channels == Some(geometry.channels_out), context.index)?;
        context.unpadded()?;
        let multipliers = [context.step.first_parameter, context.step.second_parameter];
        Self::new(geometry, inputs, multipliers, context.wide_requantizer()?)
            .ok_or(PlanError::Requantization(context.index))
    }

    fn element(&self, value: i32, input: Input, multiplier: i32) -> i32 {
        self.requantizer.apply(value.wrapping_sub(input.zero_point).into(), multiplier)
    }
}

impl RowOperator for WideConcat {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let ([a, b], [ma, mb]) = (self.inputs, self.multipliers);
        let others = g.channels_out.saturating_sub(g.channels_in);
        let parts = [(window.tap(0).unwrap_or(&[]), a, ma, g.channels_in), (window.second(), b, mb, others)];
        let mut out = self.requantizer.output(out);
        let mut index = 0usize;
        for x in 0..g.columns_out as usize {
            for (row, input, multiplier, channels) in parts {
                let pixel = Elements::new(row, input.element).run(x.wrapping_mul(channels), channels);
                for value in pixel.into_iter().flat_map(Elements::iter) {
                    out.set(index, self.element(value, input, multiplier));
                    index = index.wrapping_add(1);
                }
            }
        }
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let ([a, b], [ma, mb]) = (self.inputs, self.multipliers);
        let others = g.channels_out.wrapping_sub(g.channels_in);
        let mut out = self.requantizer.output(output);
        for index in 0..out.len() {
            let pixel = index.checked_div(g.channels_out).unwrap_or(0);
            let c = index.wrapping_sub(pixel.wrapping_mul(g.channels_out));
            let (tensor, from, multiplier, channels, c) = match c.checked_sub(g.channels_in) {
                None => (input, a, ma, g.channels_in, c),
                Some(c) => (second, b, mb, others, c),
            };
            let value = Elements::new(tensor, from.element).get(pixel.wrapping_mul(channels).wrapping_add(c));
            out.set(index, self.element(value.unwrap_or(0), from, multiplier));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{inputs, requantizers};
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), others in 1usize..20, seed in any::<u64>(), pair in [inputs(), inputs()],
            multipliers in [0..=MAX_MULTIPLIER, 0..=MAX_MULTIPLIER], requantizer in requantizers(46),
        ) {
            let geometry = Geometry { channels_out: shapes.channels_in + others, ..shapes };
            let operator = WideConcat::new(geometry, pair, multipliers, requantizer).unwrap();
            let mut bytes = int8s(seed);
            let row = geometry.columns_in as usize * others * pair[1].element.size();
            let second = bytes(geometry.rows_in as usize * row);
            let types = [pair[0].element, requantizer.element()];
            typed_rows_equal_reference(&operator, types, &mut bytes, Some((&second, row)))?;
        }
    }
}
