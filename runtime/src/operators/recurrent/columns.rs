//! Recurrence over steps that are all there.

use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::layer::Layer;
use crate::plan::{Elements, PlanError};

/// The pixels of a window are a sequence, from its first row and column to its last, or the other way: the columns of a row,
/// or all rows of an input of one column, which become the columns of one row. The output has a column for each step, or a
/// single one: what is given after the step that is taken last. Columns that come from rows are an upsampling to as many.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentColumns<'p> {
    geometry: Geometry,
    layer: Layer<'p>,
}

impl<'p> RecurrentColumns<'p> {
    /// A layer over the geometry's shapes; `None` where they do not match.
    pub fn new(geometry: Geometry, layer: Layer<'p>) -> Option<Self> {
        let g = &geometry;
        let turned = g.kernel == [g.rows_in as usize, 1] && g.columns_in == 1 && g.rows_out == 1;
        let along = g.kernel == [1, 1] && g.rows_in == g.rows_out && g.upsampling == 1;
        let sound = (along || turned && g.upsampling == g.columns_out)
            && [g.stride, g.dilation] == [[1, 1]; 2]
            && g.pad == [0, 0]
            && (g.columns_out as usize == Self::steps_of(g) || g.columns_out == 1);
        sound.then_some(Self { geometry, layer })
    }

    /// Pixels of a window.
    fn steps_of(g: &Geometry) -> usize {
        g.kernel[0].wrapping_mul(g.columns_in as usize)
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        Self::new(context.geometry(), Layer::decode(context)?).ok_or(PlanError::Geometry(context.index))
    }

    /// Runs from 0 to `count`, or the other way.
    fn order(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let reverse = self.layer.form.reverse;
        (0..count).map(move |index| if reverse { count.wrapping_sub(1).wrapping_sub(index) } else { index })
    }
}

impl RowOperator for RecurrentColumns<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn scratch_words(&self) -> usize {
        self.layer.state_words()
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let words: &mut [i32] = bytemuck::must_cast_slice_mut(scratch);
        if let Some(mut state) = self.layer.state(words) {
            self.layer.begin(&mut state);
        }
        let (columns, width) = (self.geometry.columns_in as usize, self.layer.width());
        for tap in self.order(self.geometry.kernel[0]) {
            let row = Elements::new(window.tap(tap).unwrap_or(&[]), self.layer.input_element());
            for column in self.order(columns) {
                let step = row.run(column.wrapping_mul(width), width);
                if let Some((mut state, step)) = self.layer.state(words).zip(step) {
                    self.layer.step(&mut state, step);
                }
                if self.geometry.columns_out > 1 {
                    self.layer.give(words, tap.wrapping_mul(columns).wrapping_add(column), out);
                }
            }
        }
        if self.geometry.columns_out == 1 {
            self.layer.give(words, 0, out);
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let mut out = self.layer.output(output);
        let steps = Self::steps_of(g);
        for y in 0..g.rows_out as usize {
            let first = |step: usize| y.wrapping_mul(steps).wrapping_add(step).wrapping_mul(g.channels_in);
            let input = Elements::new(input, self.layer.input_element());
            self.layer.reference(steps, input, first, |step, unit, value| {
                // What is given after the last step comes last.
                let column = if g.columns_out == 1 { 0 } else { step };
                let pixel = y.wrapping_mul(g.columns_out as usize).wrapping_add(column);
                out.set(pixel.wrapping_mul(g.channels_out).wrapping_add(unit), value);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::layers;
    use super::*;
    use crate::operators::testing::{int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            layer in layers(), reverse in any::<bool>(), rows in 1u32..4, columns in 1u32..9, last in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let outputs = if last { 1 } else { columns };
            let along = layer.geometry([rows, columns], [rows, outputs]);
            let (kernel, upsampling) = ([columns as usize, 1], outputs);
            let turned = Geometry { kernel, upsampling, ..layer.geometry([columns, 1], [1, outputs]) };
            for geometry in [along, turned] {
                let operator = RecurrentColumns::new(geometry, layer.layer(reverse)).unwrap();
                typed_rows_equal_reference(&operator, layer.types(), &mut int8s(seed), None)?;
            }
            let padded = Geometry { pad: [0, 1], ..along };
            prop_assert!(RecurrentColumns::new(padded, layer.layer(reverse)).is_none());
        }
    }
}
