//! A run of channels, with zeros where it reaches beyond them.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;

/// `out[y, x, c] = in[y, x, c + start]`, or the zero point outside the input's channels. Splits, slices, and the channel
/// padding of parameter-free shortcuts.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    geometry: Geometry,
    start: i32,
    zero_point: i8,
}

impl Channels {
    /// Channels from `start` on, over the geometry's shapes; `None` unless pixels map one to one.
    pub fn new(geometry: Geometry, start: i32, zero_point: i8) -> Option<Self> {
        geometry.is_elementwise().then_some(Self { geometry, start, zero_point })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_, '_>) -> Result<Self, PlanError> {
        context.single()?;
        fits(context.input.zero_point == context.output.zero_point, context.index)?;
        let zero_point = context.input.zero_point as i8;
        Self::new(context.geometry(), context.step.first_parameter, zero_point)
            .ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Channels {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let row = window.tap(0).unwrap_or(&[]);
        // Elements of the output before the first that the input has, and of the input before that one.
        let skipped = usize::try_from(self.start.saturating_neg()).unwrap_or(0);
        let first = usize::try_from(self.start).unwrap_or(0);
        let pixels = row.chunks_exact(self.geometry.channels_in.max(1));
        for (out, pixel) in out.chunks_exact_mut(self.geometry.channels_out.max(1)).zip(pixels) {
            out.fill(self.zero_point);
            for (out, &value) in out.iter_mut().skip(skipped).zip(pixel.iter().skip(first)) {
                *out = value;
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let (from, to) = (self.geometry.channels_in, self.geometry.channels_out);
        for (index, out) in output.iter_mut().enumerate() {
            let pixel = index.checked_div(to).unwrap_or(0);
            let c = index.wrapping_sub(pixel.wrapping_mul(to)) as i64;
            let source = usize::try_from(c.wrapping_add(self.start.into())).ok().filter(|&c| c < from);
            let value = source.and_then(|c| input.get(pixel.wrapping_mul(from).wrapping_add(c)));
            *out = value.copied().unwrap_or(self.zero_point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), channels_out in 1usize..60, start in -50i32..50, zero in any::<i8>(), seed in any::<u64>(),
        ) {
            let geometry = Geometry { channels_out, ..shapes };
            let operator = Channels::new(geometry, start, zero).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }
    }
}
