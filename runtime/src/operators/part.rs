//! A run of elements of a flat input as rows: one of several inputs that come together.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::{Element, PlanError};

/// `out[y, x, c] = in[start + (y · columns + x) · channels + c]`, elements of either type, moved as they are: scale and zero
/// point of the output are its own.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    geometry: Geometry,
    start: usize,
    element: Element,
}

impl Part {
    /// Elements from `start` on of an input of one pixel; `None` where it has not as many.
    pub fn new(geometry: Geometry, start: usize, element: Element) -> Option<Self> {
        let len = geometry.row_out().checked_mul(geometry.rows_out as usize)?;
        let sound = [geometry.rows_in, geometry.columns_in] == [1, 1]
            && start.checked_add(len)? <= geometry.channels_in
            && geometry.first_row(geometry.rows_out.checked_sub(1)?) == 0;
        sound.then_some(Self { geometry, start, element })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        fits(context.input.element == context.output.element, context.index)?;
        let start = usize::try_from(context.step.first_parameter).ok();
        start
            .and_then(|start| Self::new(context.geometry(), start, context.input.element_type()))
            .ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Part {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let before = (window.row as usize).wrapping_mul(self.geometry.row_out());
        let start = self.start.wrapping_add(before).wrapping_mul(self.element.size());
        let from = window.input.get(0).and_then(|row| row.get(start..)).unwrap_or(&[]);
        out.iter_mut().zip(from).for_each(|(out, &byte)| *out = byte);
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let start = self.start.wrapping_mul(self.element.size());
        for (index, out) in output.iter_mut().enumerate() {
            *out = input.get(start.wrapping_add(index)).copied().unwrap_or(0);
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
            shapes in elementwise(), start in 0usize..20, more in 0usize..20, seed in any::<u64>(), wide in any::<bool>(),
        ) {
            let len = shapes.row_out() * shapes.rows_out as usize;
            let geometry = Geometry {
                rows_in: 1, columns_in: 1, channels_in: start + len + more, upsampling: shapes.rows_out, ..shapes
            };
            let element = if wide { Element::Int16 } else { Element::Int8 };
            let operator = Part::new(geometry, start, element).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
            prop_assert!(Part::new(geometry, start + more + 1, element).is_none());
        }
    }
}
