//! Average pooling over windows that overlap in rows.

use super::super::geometry::Geometry;
use super::super::mean::{columns_inside, rows_inside};
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::mean::WideMean;
use crate::plan::{Elements, PlanError};

/// `out[y, x, c] = mean of in[row(y, ky), column(x, kx), c]`, computed from the rows of the window.
#[derive(Clone, Copy, Debug)]
pub struct WideAveragePool<'p> {
    mean: WideMean<'p>,
}

impl<'p> From<WideMean<'p>> for WideAveragePool<'p> {
    fn from(mean: WideMean<'p>) -> Self {
        Self { mean }
    }
}

impl<'p> WideAveragePool<'p> {
    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        WideMean::decode(context).map(Self::from)
    }
}

impl RowOperator for WideAveragePool<'_> {
    fn geometry(&self) -> &Geometry {
        &self.mean.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.mean.geometry;
        let rows = rows_inside(g, window.row);
        let mut out = self.mean.requantizer.output(out);
        let mut index = 0usize;
        for x in 0..g.columns_out as usize {
            let columns = columns_inside(g, x);
            for c in 0..g.channels_out {
                let mut sum = 0i32;
                for row in (0..g.kernel[0]).filter_map(|k| window.tap(k)) {
                    let row = Elements::new(row, self.mean.input.element);
                    for column in columns.iter() {
                        let value = row.get(column.wrapping_mul(g.channels_in).wrapping_add(c));
                        sum = sum.wrapping_add(value.unwrap_or(0));
                    }
                }
                out.set(index, self.mean.apply(sum, columns.count.wrapping_mul(rows)));
                index = index.wrapping_add(1);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        self.mean.reference(input, output);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{inputs, requantizers};
    use super::*;
    use crate::operators::testing::{geometries, int8s, mean_numbers, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (mut geometry, _) in geometries(1..=9, false), seed in any::<u64>(), include_pad in any::<bool>(),
            input in inputs(), requantizer in requantizers(46),
        ) {
            geometry.channels_out = geometry.channels_in;
            let (multipliers, _) = mean_numbers(geometry.kernel[0] * geometry.kernel[1], include_pad);
            let mean = WideMean::new(geometry, input, &multipliers, requantizer).unwrap();
            let types = [input.element, requantizer.element()];
            typed_rows_equal_reference(&WideAveragePool::from(mean), types, &mut int8s(seed), None)?;
        }
    }
}
