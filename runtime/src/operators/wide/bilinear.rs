//! Bilinear upsampling by an integer factor.

use super::super::bilinear::{beside, interpolates, weights};
use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::{Input, WideRequantizer};
use crate::plan::{Elements, PlanError};

/// Bound of the multiplier: a weighted sum, below 2^34, times it stays below 2^58.
const MAX_MULTIPLIER: i32 = 1 << 24;

/// Bilinear interpolation between pixel centres, see [`Bilinear`](crate::operators::Bilinear):
/// `out = clamp(zero_point + round_half_up(Σ weight · (in − z) · m / 2^shift))` with weights in units of `1 / 4f²`.
#[derive(Clone, Copy, Debug)]
pub struct WideBilinear {
    geometry: Geometry,
    input: Input,
    multiplier: i32,
    requantizer: WideRequantizer,
}

impl WideBilinear {
    /// An interpolation over the geometry's shapes: kernel 3×3, padding 1, upsampling by the factor. `None` where the shapes
    /// do not fit, or the multiplier lies outside `1..=2^24`.
    pub fn new(geometry: Geometry, input: Input, multiplier: i32, requantizer: WideRequantizer) -> Option<Self> {
        let sound = interpolates(&geometry) && (1..=MAX_MULTIPLIER).contains(&multiplier);
        sound.then_some(Self { geometry, input, multiplier, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let (input, multiplier) = (context.input.into(), context.step.first_parameter);
        Self::new(context.geometry(), input, multiplier, context.wide_requantizer()?)
            .ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for WideBilinear {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let factor = g.upsampling;
        let (direction, own_row, next_row) = weights(window.row.checked_rem(factor).unwrap_or(0), factor);
        let own = window.tap(1).unwrap_or(&[]);
        let next = window.tap(if direction < 0 { 0 } else { 2 }).unwrap_or(own);
        let rows = [(own, own_row), (next, next_row)].map(|(row, w)| (Elements::new(row, self.input.element), w));
        let mut out = self.requantizer.output(out);
        let mut index = 0usize;
        for x in 0..g.columns_out {
            let column = x.checked_div(factor).unwrap_or(0);
            let (direction, own_column, next_column) = weights(x.checked_rem(factor).unwrap_or(0), factor);
            let columns = [(column as usize, own_column), (beside(g, column, direction), next_column)];
            for c in 0..g.channels_out {
                let mut sum = 0i64;
                for (row, row_weight) in rows {
                    for (column, column_weight) in columns {
                        let at = column.wrapping_mul(g.channels_in).wrapping_add(c);
                        let value = row.get(at).unwrap_or(0).wrapping_sub(self.input.zero_point);
                        let weight = row_weight.wrapping_mul(column_weight);
                        sum = sum.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                    }
                }
                out.set(index, self.requantizer.apply(sum, self.multiplier));
                index = index.wrapping_add(1);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let factor = i64::from(g.upsampling);
        let input = Elements::new(input, self.input.element);
        let mut out = self.requantizer.output(output);
        for index in 0..out.len() {
            let (y, x, c) = g.output_place(index);
            let mut sum = 0i64;
            // Each input pixel counts by its distance from the output pixel, both in units of 1 / 2f and between centres; those
            // beyond the edges are those at the edges.
            let weights = |place: i64| {
                let centre = place.wrapping_mul(2).wrapping_add(1);
                (-1i64..).map_while(move |pixel| {
                    let distance = pixel.wrapping_mul(2).wrapping_add(1).wrapping_mul(factor).wrapping_sub(centre);
                    let span = factor.wrapping_mul(2);
                    (distance < span).then(|| (pixel, span.wrapping_sub(distance.wrapping_abs()).max(0)))
                })
            };
            for (row, row_weight) in weights(y.into()) {
                for (column, column_weight) in weights(x as i64) {
                    let row = row.clamp(0, i64::from(g.rows_in).wrapping_sub(1));
                    let column = column.clamp(0, i64::from(g.columns_in).wrapping_sub(1));
                    let value = g.place(row, column as i32, c).and_then(|place| input.get(place)).unwrap_or(0);
                    let value = i64::from(value).wrapping_sub(self.input.zero_point.into());
                    sum = sum.wrapping_add(value.wrapping_mul(row_weight).wrapping_mul(column_weight));
                }
            }
            out.set(index, self.requantizer.apply(sum, self.multiplier));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{inputs, requantizers};
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), factor in 1u32..5, seed in any::<u64>(), multiplier in 1..=MAX_MULTIPLIER,
            input in inputs(), requantizer in requantizers(45),
        ) {
            let geometry = Geometry {
                rows_out: shapes.rows_in * factor, columns_out: shapes.columns_in * factor, upsampling: factor,
                kernel: [3, 3], pad: [1, 1], ..shapes
            };
            let operator = WideBilinear::new(geometry, input, multiplier, requantizer).unwrap();
            typed_rows_equal_reference(&operator, [input.element, requantizer.element()], &mut int8s(seed), None)?;
        }
    }
}
