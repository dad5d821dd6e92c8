//! Recurrence from row to row.

use super::super::geometry::Geometry;
use super::super::{Context, RowOperator};
use super::layer::{Cell, Layer};
use crate::plan::{Elements, PlanError};

/// Each column is a sequence of its own, whose steps are the rows from the first to the last. The output has a row for each
/// step, or, where the window is the whole input, one row: what is given after the last step.
///
/// The first of a sequence's words is zero before its first step.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentRows<'p> {
    geometry: Geometry,
    layer: Layer<'p>,
}

impl<'p> RecurrentRows<'p> {
    /// A layer over the geometry's shapes; `None` where rows or columns do not match, or steps go from the last to the first.
    pub fn new(geometry: Geometry, layer: Layer<'p>) -> Option<Self> {
        let whole = Geometry { rows_in: 1, kernel: [1, 1], ..geometry };
        let last = geometry.kernel == [geometry.rows_in as usize, 1] && whole.is_elementwise();
        let sound = geometry.is_elementwise() || last;
        (sound && !layer.form.reverse).then_some(Self { geometry, layer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        Self::new(geometry, Layer::decode(context)?).ok_or(PlanError::Geometry(context.index))
    }

    /// Sums that are carried for each column.
    pub const fn sums_of_column(cell: Cell, units: usize) -> usize {
        cell.state_words(units).wrapping_add(1)
    }

    fn words(&self) -> usize {
        Self::sums_of_column(self.layer.form.cell, self.layer.units)
    }
}

impl RowOperator for RecurrentRows<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn sums(&self) -> usize {
        self.words().wrapping_mul(self.geometry.columns_in as usize)
    }

    fn carries(&self) -> bool {
        true
    }

    fn accumulate(&self, _tap: usize, row: &[i8], sums: &mut [i32]) {
        let row = Elements::new(row, self.layer.input_element());
        let width = self.layer.width();
        for (column, words) in sums.chunks_exact_mut(self.words()).enumerate() {
            let Some((begun, words)) = words.split_first_mut() else { continue };
            let Some(mut state) = self.layer.state(words) else { continue };
            if *begun == 0 {
                self.layer.begin(&mut state);
                *begun = 1;
            }
            if let Some(step) = row.run(column.wrapping_mul(width), width) {
                self.layer.step(&mut state, step);
            }
        }
    }

    fn finish(&self, _y: u32, sums: &[i32], out: &mut [i8]) {
        for (column, words) in sums.chunks_exact(self.words()).enumerate() {
            if let Some((_, words)) = words.split_first() {
                self.layer.give(words, column, out);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let mut out = self.layer.output(output);
        let columns = g.columns_in as usize;
        for column in 0..columns {
            let pixel = |row: usize| row.wrapping_mul(columns).wrapping_add(column);
            let first = |row: usize| pixel(row).wrapping_mul(g.channels_in);
            let input = Elements::new(input, self.layer.input_element());
            self.layer.reference(g.rows_in as usize, input, first, |row, unit, value| {
                // What is given after the last step comes last.
                let row = if g.rows_out == 1 { 0 } else { row };
                out.set(pixel(row).wrapping_mul(g.channels_out).wrapping_add(unit), value);
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
            layer in layers(), rows in 1u32..9, columns in 1u32..4, last in any::<bool>(), seed in any::<u64>(),
        ) {
            let mut geometry = layer.geometry([rows, columns], [rows, columns]);
            if last {
                (geometry.rows_out, geometry.kernel) = (1, [rows as usize, 1]);
            }
            let operator = RecurrentRows::new(geometry, layer.layer(false)).unwrap();
            typed_rows_equal_reference(&operator, layer.types(), &mut int8s(seed), None)?;
            prop_assert!(RecurrentRows::new(geometry, layer.layer(true)).is_none());
        }
    }
}
