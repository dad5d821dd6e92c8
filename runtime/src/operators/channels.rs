//! A run of channels, with zeros where it reaches beyond them.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::format::ValueRecord;
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// `out[y, x, c] = in[y, x, c + start]`, or the zero point outside the input's channels. Splits, slices, and the channel
/// padding of parameter-free shortcuts. Elements may be of either type: it moves their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    geometry: Geometry,
    start: i32,
    element: Element,
    zero_point: i8,
}

impl Channels {
    /// Channels from `start` on, over the geometry's shapes; `None` unless pixels map one to one.
    pub fn new(geometry: Geometry, start: i32, element: Element, zero_point: i8) -> Option<Self> {
        geometry.is_elementwise().then_some(Self { geometry, start, element, zero_point })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let number = |value: &ValueRecord| (value.element, value.zero_point);
        fits(number(context.input) == number(context.output), context.index)?;
        // That of int16 is 0, in either byte.
        let zero_point = context.input.zero_point as i8;
        Self::new(context.geometry(), context.step.first_parameter, context.input.element_type(), zero_point)
            .ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Channels {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let row = window.tap(0).unwrap_or(&[]);
        let size = self.element.size();
        // Bytes of the output before the first that the input has, and of the input before that one.
        let skipped = usize::try_from(self.start.saturating_neg()).unwrap_or(0).wrapping_mul(size);
        let first = usize::try_from(self.start).unwrap_or(0).wrapping_mul(size);
        let pixels = row.chunks_exact(self.geometry.channels_in.wrapping_mul(size).max(1));
        for (out, pixel) in out.chunks_exact_mut(self.geometry.channels_out.wrapping_mul(size).max(1)).zip(pixels) {
            out.fill(self.zero_point);
            for (out, &value) in out.iter_mut().skip(skipped).zip(pixel.iter().skip(first)) {
                *out = value;
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let (from, to) = (self.geometry.channels_in, self.geometry.channels_out);
        let input = Elements::new(input, self.element);
        let mut out = ElementsMut::new(output, self.element);
        for index in 0..out.len() {
            let pixel = index.checked_div(to).unwrap_or(0);
            let c = index.wrapping_sub(pixel.wrapping_mul(to)) as i64;
            let source = usize::try_from(c.wrapping_add(self.start.into())).ok().filter(|&c| c < from);
            let value = source.and_then(|c| input.get(pixel.wrapping_mul(from).wrapping_add(c)));
            out.set(index, value.unwrap_or(self.zero_point.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), channels_out in 1usize..60, start in -50i32..50, zero in any::<i8>(), seed in any::<u64>(),
            wide in any::<bool>(),
        ) {
            let geometry = Geometry { channels_out, ..shapes };
            let (element, zero) = if wide { (Element::Int16, 0) } else { (Element::Int8, zero) };
            let operator = Channels::new(geometry, start, element, zero).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
        }
    }
}
