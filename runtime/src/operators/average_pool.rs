//! Average pooling over windows that overlap in rows.

use super::geometry::Geometry;
use super::mean::{Mean, columns_inside, rows_inside};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::kernels::add_up;
use crate::plan::PlanError;

/// Channels that are summed at once.
const BLOCK: usize = 16;

/// `out[y, x, c] = mean of in[row(y, ky), column(x, kx), c]`, computed from the rows of the window.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool<'p> {
    geometry: Geometry,
    mean: Mean<'p>,
}

impl<'p> AveragePool<'p> {
    /// Average pooling over the geometry's shapes; `None` where the channels differ.
    pub fn new(geometry: Geometry, mean: Mean<'p>) -> Option<Self> {
        (geometry.channels_in == geometry.channels_out).then_some(Self { geometry, mean })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        let mean = Mean::decode(context, &geometry)?;
        Self::new(geometry, mean).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for AveragePool<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let rows = rows_inside(g, window.row);
        for (x, pixel) in out.chunks_exact_mut(g.channels_out.max(1)).enumerate() {
            let columns = columns_inside(g, x);
            let count = columns.count.wrapping_mul(rows);
            for (block, out) in pixel.chunks_mut(BLOCK).enumerate() {
                let first = block.wrapping_mul(BLOCK);
                let mut sums = [0i32; BLOCK];
                for row in (0..g.kernel[0]).filter_map(|k| window.tap(k)) {
                    for column in columns.iter() {
                        let start = column.wrapping_mul(g.channels_in).wrapping_add(first);
                        let values = row.get(start..start.wrapping_add(out.len())).unwrap_or(&[]);
                        add_up(&mut sums, values);
                    }
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = self.mean.apply(sum, count);
                }
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        self.mean.reference(&self.geometry, input, output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{geometries, int8s, mean_numbers, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (mut geometry, _) in geometries(1..=9, false), seed in any::<u64>(), include_pad in any::<bool>(),
        ) {
            geometry.channels_out = geometry.channels_in;
            let taps = geometry.kernel[0] * geometry.kernel[1];
            let (multipliers, requantizer) = mean_numbers(taps, include_pad);
            let mean = Mean::new(&multipliers, taps, 5, requantizer).unwrap();
            rows_equal_reference(&AveragePool::new(geometry, mean).unwrap(), &mut int8s(seed), None)?;
        }
    }
}
