//! More rows and columns: nearest neighbour, and channels that become pixels.

use super::geometry::{Geometry, fits};
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::format::ValueRecord;
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// Where an output pixel's channels come from; `f` is the factor, `p = (y mod f) · f + x mod f` the pixel's place in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The input pixel's channels: nearest neighbour.
    Copy,
    /// Channels `p · C + c` of `f² · C` (ONNX DepthToSpace, mode DCR).
    DepthFirst,
    /// Channels `c · f² + p` of `f² · C` (ONNX DepthToSpace, mode CRD).
    ColumnFirst,
}

impl Order {
    fn of(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Copy),
            1 => Some(Self::DepthFirst),
            2 => Some(Self::ColumnFirst),
            _ => None,
        }
    }
}

/// `out[y, x, c] = in[⌊y / f⌋, ⌊x / f⌋, channel]` with the channel by [`Order`]. Elements may be of either type: it moves
/// their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Upsample {
    geometry: Geometry,
    order: Order,
    element: Element,
}

impl Upsample {
    /// An upsampling over the geometry's shapes; `None` where they do not fit a factor.
    pub fn new(geometry: Geometry, order: Order, element: Element) -> Option<Self> {
        let g = &geometry;
        let factor = g.upsampling;
        let block = if order == Order::Copy { 1 } else { (factor as usize).checked_mul(factor as usize)? };
        let sound = g.kernel == [1, 1]
            && g.stride == [1, 1]
            && g.pad == [0, 0]
            && g.rows_in.checked_mul(factor) == Some(g.rows_out)
            && g.columns_in.checked_mul(factor) == Some(g.columns_out)
            && g.channels_out.checked_mul(block) == Some(g.channels_in);
        sound.then_some(Self { geometry, order, element })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        context.single()?;
        let order = Order::of(context.step.first_parameter);
        let number = |value: &ValueRecord| (value.element, value.zero_point);
        fits(number(context.input) == number(context.output), context.index)?;
        let element = context.input.element_type();
        order.and_then(|order| Self::new(context.geometry(), order, element)).ok_or(PlanError::Geometry(context.index))
    }

    /// First channel of a place in the block, and the distance to the next.
    fn channels(&self, place: usize) -> (usize, usize) {
        let factor = self.geometry.upsampling as usize;
        match self.order {
            Order::Copy => (0, 1),
            Order::DepthFirst => (place.wrapping_mul(self.geometry.channels_out), 1),
            Order::ColumnFirst => (place, factor.wrapping_mul(factor)),
        }
    }
}

impl RowOperator for Upsample {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let g = &self.geometry;
        let factor = g.upsampling as usize;
        let block_row = window.row.checked_rem(g.upsampling).unwrap_or(0) as usize;
        let size = self.element.size();
        let blocks = out.chunks_exact_mut(g.channels_out.wrapping_mul(factor).wrapping_mul(size).max(1));
        let pixels = window.tap(0).unwrap_or(&[]).chunks_exact(g.channels_in.wrapping_mul(size).max(1));
        for (block, pixel) in blocks.zip(pixels) {
            for (x, out) in block.chunks_exact_mut(g.channels_out.wrapping_mul(size).max(1)).enumerate() {
                let (first, distance) = self.channels(block_row.wrapping_mul(factor).wrapping_add(x));
                let from = pixel.get(first.wrapping_mul(size)..).unwrap_or(&[]);
                // Bytes that lie together in both.
                let run = if distance == 1 { out.len() } else { size };
                let from = from.chunks(run.max(1)).step_by(distance.max(1));
                let pairs = out.chunks_mut(run.max(1)).zip(from);
                pairs.flat_map(|(out, from)| out.iter_mut().zip(from)).for_each(|(out, &value)| *out = value);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let factor = g.upsampling as usize;
        let input = Elements::new(input, self.element);
        let mut out = ElementsMut::new(output, self.element);
        for index in 0..out.len() {
            let (y, x, c) = g.output_place(index);
            let split = |v: usize| (v.checked_div(factor).unwrap_or(0), v.checked_rem(factor).unwrap_or(0));
            let ((y, dy), (x, dx)) = (split(y as usize), split(x));
            let (first, distance) = self.channels(dy.wrapping_mul(factor).wrapping_add(dx));
            let place = g.place(y as i64, x as i32, first.wrapping_add(c.wrapping_mul(distance)));
            out.set(index, place.and_then(|place| input.get(place)).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(shapes in elementwise(), factor in 1u32..4, code in 0i32..3, seed in any::<u64>(), wide in any::<bool>()) {
            let order = Order::of(code).unwrap();
            let block = if order == Order::Copy { 1 } else { (factor * factor) as usize };
            let geometry = Geometry {
                rows_out: shapes.rows_in * factor, columns_out: shapes.columns_in * factor, upsampling: factor,
                channels_in: shapes.channels_out * block, ..shapes
            };
            let element = if wide { Element::Int16 } else { Element::Int8 };
            let operator = Upsample::new(geometry, order, element).unwrap();
            typed_rows_equal_reference(&operator, [element; 2], &mut int8s(seed), None)?;
        }
    }
}
