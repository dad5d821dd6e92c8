//! Max pooling.

use super::super::geometry::{Geometry, fits};
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// `out[y, x, c] = max in[row(y, ky), column(x, kx), c]` over the taps inside the input; input and output share type, scale
/// and zero point.
#[derive(Clone, Copy, Debug)]
pub struct WideMaxPool {
    geometry: Geometry,
    element: Element,
}

impl WideMaxPool {
    /// Max pooling over the geometry's shapes; `None` where the channels differ.
    pub fn new(geometry: Geometry, element: Element) -> Option<Self> {
        (geometry.channels_in == geometry.channels_out).then_some(Self { geometry, element })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let number = |value: &crate::plan::format::ValueRecord| (value.element, value.scale, value.zero_point);
        fits(number(context.input) == number(context.output), context.index)?;
        Self::new(context.geometry(), context.input.element_type()).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for WideMaxPool {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let [least, _] = self.element.bounds();
        let mut out = ElementsMut::new(out, self.element);
        let mut index = 0usize;
        for x in 0..g.columns_out as usize {
            for c in 0..g.channels_out {
                let mut max = least;
                for row in (0..g.kernel[0]).filter_map(|k| window.tap(k)) {
                    let row = Elements::new(row, self.element);
                    for column in (0..g.kernel[1]).filter_map(|k| usize::try_from(g.column(x, k)).ok()) {
                        let at = column.wrapping_mul(g.channels_in).wrapping_add(c);
                        max = max.max(row.get(at).unwrap_or(least));
                    }
                }
                out.set(index, max);
                index = index.wrapping_add(1);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let [least, _] = self.element.bounds();
        let input = Elements::new(input, self.element);
        let mut out = ElementsMut::new(output, self.element);
        for index in 0..out.len() {
            let (y, x, c) = g.output_place(index);
            let taps = (0..g.kernel[0]).flat_map(|ky| (0..g.kernel[1]).map(move |kx| (ky, kx)));
            let places = taps.filter_map(|(ky, kx)| g.place(g.row(y, ky), g.column(x, kx), c));
            out.set(index, places.filter_map(|place| input.get(place)).fold(least, i32::max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::elements;
    use super::*;
    use crate::operators::testing::{geometries, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (mut geometry, _) in geometries(1..=9, false), seed in any::<u64>(), element in elements(),
        ) {
            geometry.channels_out = geometry.channels_in;
            let operator = WideMaxPool::new(geometry, element).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
        }
    }
}
