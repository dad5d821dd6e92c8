//! Max pooling.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;

/// `out[y, x, c] = max in[row(y, ky), column(x, kx), c]` over the taps inside the input; input and output share one
/// scale and zero point.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    geometry: Geometry,
}

impl MaxPool {
    /// Max pooling over the geometry's shapes; `None` where the channels differ.
    pub fn new(geometry: Geometry) -> Option<Self> {
        (geometry.channels_in == geometry.channels_out).then_some(Self { geometry })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        context.single()?;
        let same = context.input.scale == context.output.scale && context.input.zero_point == context.output.zero_point;
        fits(same, context.index)?;
        Self::new(geometry).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for MaxPool {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        out.fill(i8::MIN);
        for row in (0..g.kernel[0]).filter_map(|k| window.tap(k)) {
            for (x, pixel) in out.chunks_exact_mut(g.channels_out.max(1)).enumerate() {
                for k in 0..g.kernel[1] {
                    let Ok(column) = usize::try_from(g.column(x, k)) else { continue };
                    let values = row.get(column.wrapping_mul(g.channels_in)..).unwrap_or(&[]);
                    for (out, &value) in pixel.iter_mut().zip(values) {
                        *out = value.max(*out);
                    }
                }
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let mut outputs = output.iter_mut();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for c in 0..g.channels_out {
                    let mut max = i8::MIN;
                    for ky in 0..g.kernel[0] {
                        for kx in 0..g.kernel[1] {
                            max = max.max(g.element(input, g.row(y, ky), g.column(x, kx), c).unwrap_or(i8::MIN));
                        }
                    }
                    if let Some(out) = outputs.next() {
                        *out = max;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{geometries, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference((mut geometry, _) in geometries(1..=9, false), seed in any::<u64>()) {
            geometry.channels_out = geometry.channels_in;
            rows_equal_reference(&MaxPool::new(geometry).unwrap(), &mut int8s(seed), None)?;
        }
    }
}
