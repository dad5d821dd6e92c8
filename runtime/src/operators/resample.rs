//! Rows and columns from any places of the input: resizing by any factor, padding that repeats pixels, parts of an image.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::format::ValueRecord;
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// Bits of a place behind the point.
pub const FRACTION: u32 = 12;
const UNIT: i32 = 1 << FRACTION;
/// The place of a row or column that lies in no input.
pub const PADDING: u32 = u32::MAX;

/// `out[y, x, c]` is the input at row `places[y]` and column `places[rows + x]`, linearly interpolated between the pixels
/// around it, rounded once (halves up). A place is a number of rows or columns with [`FRACTION`] bits behind the point; places
/// lie between the first and the last pixel and, in rows, inside of the step's window. Input and output have one scale and
/// zero point.
///
/// The place [`PADDING`] holds the zero point.
///
/// Places are not checked: where one lies outside, pixels that are not there are zero.
#[derive(Clone, Copy, Debug)]
pub struct Resample<'p> {
    geometry: Geometry,
    rows: &'p [u32],
    columns: &'p [u32],
    element: Element,
    zero_point: i8,
}

/// Pixel before a place, and the share of the one behind in units of `1 / 2^12`.
fn split(place: u32) -> (u32, i32) {
    (place >> FRACTION, place as i32 & UNIT.wrapping_sub(1))
}

impl<'p> Resample<'p> {
    /// The rows of the output, then its columns, at these places; `None` where there are not as many.
    pub fn new(geometry: Geometry, places: &'p [u32], element: Element, zero_point: i8) -> Option<Self> {
        let (rows, columns) = places.split_at_checked(geometry.rows_out as usize)?;
        let sound = columns.len() == geometry.columns_out as usize && geometry.channels_out == geometry.channels_in;
        sound.then_some(Self { geometry, rows, columns, element, zero_point })
    }

    /// A pixel of a row, without elements where there is none.
    fn pixel<'r>(&self, row: &'r [i8], x: usize) -> Elements<'r> {
        let channels = self.geometry.channels_in;
        let row = Elements::new(row, self.element);
        row.run(x.wrapping_mul(channels), channels).unwrap_or(Elements::new(&[], self.element))
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let number = |value: &ValueRecord| (value.element, value.zero_point);
        fits(number(context.input) == number(context.output), context.index)?;
        let geometry = context.geometry();
        let places = context.packed((geometry.rows_out as usize).checked_add(geometry.columns_out as usize))?;
        // That of int16 is 0, in either byte.
        let zero_point = context.input.zero_point as i8;
        Self::new(geometry, places, context.input.element_type(), zero_point).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Resample<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let channels = self.geometry.channels_out;
        let place = self.rows.get(window.row as usize).copied().unwrap_or(0);
        if place == PADDING {
            return out.fill(self.zero_point);
        }
        let (y, row_share) = split(place);
        let above = window.input.get(y as i32).unwrap_or(&[]);
        let below = if row_share == 0 { above } else { window.input.get((y as i32).wrapping_add(1)).unwrap_or(&[]) };
        let len = channels.wrapping_mul(self.element.size());
        for (out, &place) in out.chunks_exact_mut(len.max(1)).zip(self.columns) {
            if place == PADDING {
                out.fill(self.zero_point);
                continue;
            }
            let (x, column_share) = split(place);
            let x = x as usize;
            if row_share | column_share == 0 {
                let start = x.wrapping_mul(len);
                let pixel = above.get(start..start.wrapping_add(len)).unwrap_or(&[]);
                out.iter_mut().zip(pixel).for_each(|(out, &byte)| *out = byte);
                continue;
            }
            let next = if column_share == 0 { x } else { x.wrapping_add(1) };
            let corners = [(above, x), (above, next), (below, x), (below, next)].map(|(row, x)| self.pixel(row, x));
            let mut out = ElementsMut::new(out, self.element);
            for c in 0..channels {
                let along = |left: &Elements<'_>, right: &Elements<'_>| {
                    let left = left.get(c).unwrap_or(0).wrapping_mul(UNIT.wrapping_sub(column_share));
                    left.wrapping_add(right.get(c).unwrap_or(0).wrapping_mul(column_share))
                };
                let [a, b, d, e] = &corners;
                let (above, below) = (along(a, b), along(d, e));
                let opposite = UNIT.wrapping_sub(row_share);
                // Weights sum to 2^24, so that only an int8 fits in 32 bits.
                let value = match self.element {
                    Element::Int8 => {
                        let sum = above.wrapping_mul(opposite).wrapping_add(below.wrapping_mul(row_share));
                        sum.wrapping_add(1 << 23) >> 24
                    }
                    Element::Int16 => {
                        let part = |value: i32, share: i32| i64::from(value).wrapping_mul(share.into());
                        let sum = part(above, opposite).wrapping_add(part(below, row_share));
                        (sum.wrapping_add(1 << 23) >> 24) as i32
                    }
                };
                out.set(c, value);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let input = Elements::new(input, self.element);
        let mut out = ElementsMut::new(output, self.element);
        for index in 0..out.len() {
            let (y, x, c) = g.output_place(index);
            let places = [self.rows.get(y as usize), self.columns.get(x)].map(|place| place.copied().unwrap_or(0));
            if places.contains(&PADDING) {
                out.set(index, self.zero_point.into());
                continue;
            }
            let [(y, row_share), (x, column_share)] = places.map(split);
            let mut sum = 1i64 << 23;
            for (dy, row_weight) in [(0, UNIT.wrapping_sub(row_share)), (1, row_share)] {
                for (dx, column_weight) in [(0, UNIT.wrapping_sub(column_share)), (1, column_share)] {
                    let place = g.place(i64::from(y).wrapping_add(dy), (x as i32).wrapping_add(dx), c);
                    let value = i64::from(place.and_then(|place| input.get(place)).unwrap_or(0));
                    let weight = i64::from(row_weight).wrapping_mul(column_weight.into());
                    sum = sum.wrapping_add(value.wrapping_mul(weight));
                }
            }
            out.set(index, (sum >> 24) as i32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{Tensor, elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            shapes in elementwise(), rows_out in 1u32..9, columns_out in 1u32..9, seed in any::<u64>(), wide in any::<bool>(),
            shares in proptest::collection::vec(any::<u32>(), 16), whole in any::<bool>(), zero in any::<i8>(),
        ) {
            let geometry = Geometry {
                rows_out, columns_out, kernel: [shapes.rows_in as usize, 1], upsampling: rows_out.max(columns_out), ..shapes
            };
            let place = |share: u32, size: u32| {
                if share.is_multiple_of(5) {
                    return PADDING;
                }
                let place = ((u64::from(share) * u64::from((size - 1) << FRACTION)) >> 32) as u32;
                if whole { (place >> FRACTION) << FRACTION } else { place }
            };
            let rows = shares.iter().take(rows_out as usize).map(|&share| place(share, shapes.rows_in));
            let columns = shares.iter().rev().take(columns_out as usize).map(|&share| place(share, shapes.columns_in));
            let places: Vec<u32> = rows.chain(columns).collect();
            let (element, zero) = if wide { (Element::Int16, 0) } else { (Element::Int8, zero) };
            let operator = Resample::new(geometry, &places, element, zero).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
        }
    }

    #[test]
    fn extremes_stay_what_they_are() {
        let shapes = Geometry {
            rows_in: 2,
            columns_in: 2,
            channels_in: 1,
            rows_out: 1,
            columns_out: 1,
            channels_out: 1,
            kernel: [2, 1],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [0, 0],
        };
        let places = [UNIT as u32 / 2; 2];
        let operator = Resample::new(shapes, &places, Element::Int8, 0).unwrap();
        for value in [-128i8, 127] {
            let mut out = [0];
            let values = [value; 4];
            let row_len = values.len() / 2;
            operator.row(&Tensor::new(&values, row_len).window(&shapes, None, 0), &mut [], &mut out);
            assert_eq!(out, [value]);
        }
    }
}
