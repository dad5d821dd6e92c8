//! Average pooling over windows that do not overlap in rows; with the kernel of the whole input it is global pooling.

use super::super::geometry::Geometry;
use super::super::mean::{columns_inside, rows_inside};
use super::super::{Context, RowOperator};
use super::mean::WideMean;
use crate::plan::{Elements, PlanError};

/// `out[y, x, c] = mean of in[row(y, ky), column(x, kx), c]`, with one sum per output element carried from row to row, so
/// that no input row is kept.
#[derive(Clone, Copy, Debug)]
pub struct WideMeanPool<'p> {
    mean: WideMean<'p>,
}

impl<'p> WideMeanPool<'p> {
    /// The pool of a mean; `None` where windows overlap in rows.
    pub fn new(mean: WideMean<'p>) -> Option<Self> {
        let g = &mean.geometry;
        let apart = g.rows_out == 1 || u64::from(g.stride[0]) >= g.span();
        (apart && g.dilation == [1, 1]).then_some(Self { mean })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        Self::new(WideMean::decode(context)?).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for WideMeanPool<'_> {
    fn geometry(&self) -> &Geometry {
        &self.mean.geometry
    }

    fn sums(&self) -> usize {
        self.mean.geometry.row_out()
    }

    fn accumulate(&self, _tap: usize, row: &[i8], sums: &mut [i32]) {
        let g = &self.mean.geometry;
        let row = Elements::new(row, self.mean.input.element);
        for (x, sums) in sums.chunks_exact_mut(g.channels_out.max(1)).enumerate() {
            for column in columns_inside(g, x).iter() {
                let first = column.wrapping_mul(g.channels_in);
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.wrapping_add(row.get(first.wrapping_add(c)).unwrap_or(0));
                }
            }
        }
    }

    fn finish(&self, y: u32, sums: &[i32], out: &mut [i8]) {
        let g = &self.mean.geometry;
        let rows = rows_inside(g, y);
        let mut out = self.mean.requantizer.output(out);
        let mut index = 0usize;
        for (x, sums) in sums.chunks_exact(g.channels_out.max(1)).enumerate() {
            let count = columns_inside(g, x).count.wrapping_mul(rows);
            for &sum in sums {
                out.set(index, self.mean.apply(sum, count));
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
            geometry.dilation = [1, 1];
            geometry.stride[0] = geometry.stride[0].max(geometry.kernel[0] as u32);
            geometry.rows_out = 1 + (geometry.rows_in.saturating_sub(geometry.kernel[0] as u32)) / geometry.stride[0];
            let (multipliers, _) = mean_numbers(geometry.kernel[0] * geometry.kernel[1], include_pad);
            let mean = WideMean::new(geometry, input, &multipliers, requantizer).unwrap();
            let types = [input.element, requantizer.element()];
            typed_rows_equal_reference(&WideMeanPool::new(mean).unwrap(), types, &mut int8s(seed), None)?;
            geometry.kernel[0] += 1 + geometry.stride[0] as usize;
            geometry.rows_out = 2;
            let (multipliers, _) = mean_numbers(1, true);
            prop_assert!(WideMeanPool::new(WideMean::new(geometry, input, &multipliers, requantizer).unwrap()).is_none());
        }
    }
}
