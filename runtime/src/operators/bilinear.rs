//! Bilinear upsampling by an integer factor.

use super::geometry::Geometry;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Largest factor, so that a weighted sum stays below 2^24.
const MAX_FACTOR: u32 = 128;

/// Bilinear interpolation between pixel centres (ONNX Resize: `linear`, `half_pixel`); edge pixels continue outwards.
///
/// Output row `y` lies between input row `⌊y / f⌋` and its neighbour above or below, at a distance of
/// `|2 · (y mod f) + 1 − f| / 2f` from the former; columns likewise.
#[derive(Clone, Copy, Debug)]
pub struct Bilinear {
    geometry: Geometry,
    zero_point: i32,
    multiplier: i32,
    requantizer: Requantizer,
}

/// Distance of the neighbour (−1 or 1) and the weights of own pixel and neighbour, in units of `1 / 2f`.
pub(super) fn weights(place: u32, factor: u32) -> (i32, i32, i32) {
    let offset = (place.wrapping_mul(2).wrapping_add(1) as i32).wrapping_sub(factor as i32);
    let neighbour = offset.wrapping_abs();
    let own = (factor.wrapping_mul(2) as i32).wrapping_sub(neighbour);
    (if offset < 0 { -1 } else { 1 }, own, neighbour)
}

/// Whether the shapes are those of an interpolation.
pub(super) fn interpolates(g: &Geometry) -> bool {
    let factor = g.upsampling;
    g.kernel == [3, 3]
        && g.stride == [1, 1]
        && g.dilation == [1, 1]
        && g.pad == [1, 1]
        && factor <= MAX_FACTOR
        && g.rows_in.checked_mul(factor) == Some(g.rows_out)
        && g.columns_in.checked_mul(factor) == Some(g.columns_out)
        && g.channels_out == g.channels_in
}

/// Column of the neighbour of column `x` in a direction, within the row.
pub(super) fn beside(g: &Geometry, x: u32, direction: i32) -> usize {
    let last = (g.columns_in as i32).wrapping_sub(1);
    (x as i32).wrapping_add(direction).clamp(0, last.max(0)) as usize
}

impl Bilinear {
    /// An interpolation over the geometry's shapes: kernel 3×3, padding 1, upsampling by the factor. `None` where the shapes
    /// do not fit, or the multiplier is not positive.
    pub fn new(geometry: Geometry, zero_point: i32, multiplier: i32, requantizer: Requantizer) -> Option<Self> {
        (interpolates(&geometry) && multiplier > 0).then_some(Self { geometry, zero_point, multiplier, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let geometry = context.geometry();
        let (zero_point, multiplier) = (context.input.zero_point.into(), context.step.first_parameter);
        Self::new(geometry, zero_point, multiplier, context.requantizer()?).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Bilinear {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let factor = g.upsampling;
        let (direction, own_row, next_row) = weights(window.row.checked_rem(factor).unwrap_or(0), factor);
        let own = window.tap(1).unwrap_or(&[]);
        let next = window.tap(if direction < 0 { 0 } else { 2 }).unwrap_or(own);
        let channels = g.channels_out;
        let offset =
            i32::from(self.zero_point as i16).wrapping_mul((factor.wrapping_mul(factor) as i32).wrapping_mul(4));
        for (x, out) in out.chunks_exact_mut(channels.max(1)).enumerate() {
            let x = x as u32;
            let column = x.checked_div(factor).unwrap_or(0);
            let (direction, own_column, next_column) = weights(x.checked_rem(factor).unwrap_or(0), factor);
            let beside = beside(g, column, direction);
            let pixel = |row: &'_ [i8], x: usize, c: usize| {
                i32::from(row.get(x.wrapping_mul(channels).wrapping_add(c)).copied().unwrap_or(0))
            };
            for (c, out) in out.iter_mut().enumerate() {
                let along = |row| {
                    let own = pixel(row, column as usize, c).wrapping_mul(own_column);
                    own.wrapping_add(pixel(row, beside, c).wrapping_mul(next_column))
                };
                let sum = along(own).wrapping_mul(own_row).wrapping_add(along(next).wrapping_mul(next_row));
                *out = self.requantizer.apply(sum.wrapping_sub(offset), self.multiplier);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let (factor, width, channels) = (g.upsampling, g.columns_out as usize, g.channels_out);
        let last = [i64::from(g.rows_in).wrapping_sub(1), i64::from(g.columns_in).wrapping_sub(1)];
        for (index, out) in output.iter_mut().enumerate() {
            let pixel = index.checked_div(channels).unwrap_or(0);
            let c = index.wrapping_sub(pixel.wrapping_mul(channels));
            let place = [pixel.checked_div(width), pixel.checked_rem(width)].map(|v| v.unwrap_or(0) as u32);
            let own = place.map(|v| i64::from(v.checked_div(factor).unwrap_or(0)));
            let [rows, columns] = place.map(|v| weights(v.checked_rem(factor).unwrap_or(0), factor));
            let mut sum = 0i64;
            for (y, row_weight) in [(0, rows.1), (rows.0, rows.2)] {
                for (x, column_weight) in [(0, columns.1), (columns.0, columns.2)] {
                    let [own_y, own_x] = own;
                    let [last_y, last_x] = last;
                    let y = own_y.wrapping_add(y.into()).clamp(0, last_y);
                    let x = own_x.wrapping_add(x.into()).clamp(0, last_x) as i32;
                    let value = i64::from(g.element(input, y, x, c).unwrap_or(0)).wrapping_sub(self.zero_point.into());
                    let weight = i64::from(row_weight).wrapping_mul(column_weight.into());
                    sum = sum.wrapping_add(value.wrapping_mul(weight));
                }
            }
            *out = self.requantizer.apply(sum as i32, self.multiplier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, rows_equal_reference};
    use proptest::prelude::*;

    fn upsampled(shapes: Geometry, factor: u32) -> Geometry {
        Geometry {
            rows_out: shapes.rows_in * factor,
            columns_out: shapes.columns_in * factor,
            upsampling: factor,
            kernel: [3, 3],
            pad: [1, 1],
            ..shapes
        }
    }

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), factor in 1u32..5, seed in any::<u64>(), multiplier in 1i32..1 << 24, zero in any::<i8>(),
        ) {
            let requantizer = Requantizer::new(28, 3, -128, 127).unwrap();
            let operator = Bilinear::new(upsampled(shapes, factor), zero.into(), multiplier, requantizer).unwrap();
            rows_equal_reference(&operator, &mut int8s(seed), None)?;
        }
    }

    #[test]
    fn interpolates_between_centres() {
        let shapes = Geometry {
            rows_in: 1,
            columns_in: 2,
            channels_in: 1,
            rows_out: 2,
            columns_out: 4,
            channels_out: 1,
            kernel: [3, 3],
            stride: [1, 1],
            upsampling: 2,
            dilation: [1, 1],
            pad: [1, 1],
        };
        let requantizer = Requantizer::new(24, 0, -128, 127).unwrap();
        let operator = Bilinear::new(shapes, 0, 1 << 20, requantizer).unwrap();
        let mut out = [0; 8];
        operator.reference(&[0, 100], &[], &mut out);
        assert_eq!(out, [0, 25, 75, 100, 0, 25, 75, 100]);
    }
}
