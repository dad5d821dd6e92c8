//! Average pooling over windows that do not overlap in rows; with the kernel of the whole input it is global pooling.

use super::geometry::Geometry;
use super::mean::{Mean, columns_inside, rows_inside};
use super::{Context, RowOperator};
use crate::kernels::add_up;
use crate::plan::PlanError;

/// `out[y, x, c] = mean of in[row(y, ky), column(x, kx), c]`, with one sum per output element carried from row to row, so
/// that no input row is kept.
#[derive(Clone, Copy, Debug)]
pub struct MeanPool<'p> {
    geometry: Geometry,
    mean: Mean<'p>,
}

impl<'p> MeanPool<'p> {
    /// Pooling over the geometry's shapes; `None` where channels differ or windows overlap in rows.
    #[inline(always)]
    pub fn new(geometry: Geometry, mean: Mean<'p>) -> Option<Self> {
        let apart = geometry.rows_out == 1 || u64::from(geometry.stride[0]) >= geometry.span();
        let sound = geometry.channels_in == geometry.channels_out && apart && geometry.dilation == [1, 1];
        sound.then_some(Self { geometry, mean })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        let mean = Mean::decode(context, &geometry)?;
        Self::new(geometry, mean).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for MeanPool<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn sums(&self) -> usize {
        self.geometry.row_out()
    }

    fn accumulate(&self, _tap: usize, row: &[i8], sums: &mut [i32]) {
        let g = &self.geometry;
        for (x, sums) in sums.chunks_exact_mut(g.channels_out.max(1)).enumerate() {
            let columns = columns_inside(g, x);
            let start = columns.first.wrapping_mul(g.channels_in);
            let len = columns.count.wrapping_mul(g.channels_in);
            add_up(sums, row.get(start..start.wrapping_add(len)).unwrap_or(&[]));
        }
    }

    fn finish(&self, y: u32, sums: &[i32], out: &mut [i8]) {
        let g = &self.geometry;
        let rows = rows_inside(g, y);
        let channels = g.channels_out.max(1);
        for (x, (out, sums)) in out.chunks_exact_mut(channels).zip(sums.chunks_exact(channels)).enumerate() {
            let count = columns_inside(g, x).count.wrapping_mul(rows);
            for (out, &sum) in out.iter_mut().zip(sums) {
                *out = self.mean.apply(sum, count);
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
            geometry.dilation = [1, 1];
            geometry.stride[0] = geometry.stride[0].max(geometry.kernel[0] as u32);
            geometry.rows_out = 1 + (geometry.rows_in.saturating_sub(geometry.kernel[0] as u32)) / geometry.stride[0];
            let taps = geometry.kernel[0] * geometry.kernel[1];
            let (multipliers, requantizer) = mean_numbers(taps, include_pad);
            let mean = Mean::new(&multipliers, taps, -7, requantizer).unwrap();
            rows_equal_reference(&MeanPool::new(geometry, mean).unwrap(), &mut int8s(seed), None)?;
        }
    }

    #[test]
    fn overlapping_windows_are_refused() {
        let geometry = Geometry {
            rows_in: 5,
            columns_in: 1,
            channels_in: 1,
            rows_out: 3,
            columns_out: 1,
            channels_out: 1,
            kernel: [3, 1],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [0, 0],
        };
        let (multipliers, requantizer) = mean_numbers(3, true);
        let mean = Mean::new(&multipliers, 3, 0, requantizer).unwrap();
        assert!(MeanPool::new(geometry, mean).is_none());
        assert!(MeanPool::new(Geometry { stride: [3, 1], rows_out: 1, ..geometry }, mean).is_some());
    }
}
