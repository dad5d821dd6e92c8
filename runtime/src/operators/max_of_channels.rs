//! The largest of some channels of each pixel.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::format::ValueRecord;
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// `out[y, x, c] = max(in[y, x, c + k · C])` over all `k`, with `C` output channels. Elements may be of either type; input and
/// output have one scale and zero point.
#[derive(Clone, Copy, Debug)]
pub struct MaxOfChannels {
    geometry: Geometry,
    element: Element,
}

impl MaxOfChannels {
    /// Over the geometry's shapes; `None` unless pixels map one to one and the output's channels divide the input's.
    pub fn new(geometry: Geometry, element: Element) -> Option<Self> {
        let rest = geometry.channels_in.checked_rem(geometry.channels_out);
        (geometry.is_elementwise() && rest == Some(0)).then_some(Self { geometry, element })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let number = |value: &ValueRecord| (value.element, value.zero_point);
        fits(number(context.input) == number(context.output), context.index)?;
        Self::new(context.geometry(), context.input.element_type()).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for MaxOfChannels {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let (from, to) = (self.geometry.channels_in, self.geometry.channels_out);
        let input = Elements::new(window.tap(0).unwrap_or(&[]), self.element);
        let mut out = ElementsMut::new(out, self.element);
        let pixels = self.geometry.columns_out as usize;
        let mut index = 0usize;
        for x in 0..pixels {
            let pixel = input.run(x.wrapping_mul(from), from).unwrap_or(Elements::new(&[], self.element));
            for c in 0..to {
                let values = (c..from).step_by(to.max(1)).filter_map(|c| pixel.get(c));
                out.set(index, values.max().unwrap_or(0));
                index = index.wrapping_add(1);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let input = Elements::new(input, self.element);
        let mut out = ElementsMut::new(output, self.element);
        for index in 0..out.len() {
            let (y, x, first) = g.output_place(index);
            let mut largest = None;
            for c in 0..g.channels_in {
                if c.checked_rem(g.channels_out) == Some(first) {
                    largest = largest.max(g.place(y.into(), x as i32, c).and_then(|place| input.get(place)));
                }
            }
            out.set(index, largest.unwrap_or(0));
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
        fn rows_equal_the_reference(shapes in elementwise(), parts in 1usize..5, seed in any::<u64>(), wide in any::<bool>()) {
            let geometry = Geometry { channels_in: shapes.channels_out * parts, ..shapes };
            let element = if wide { Element::Int16 } else { Element::Int8 };
            let operator = MaxOfChannels::new(geometry, element).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
        }
    }
}
