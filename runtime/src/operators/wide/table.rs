//! Any function of one element, by table.

use super::super::geometry::Geometry;
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::{Input, WideRequantizer};
use crate::plan::{Element, Elements, PlanError};

/// Fraction bits of an interpolated entry: an int16 input lies in one of 512 intervals of 128.
const FRACTION: u32 = 7;

/// A function, bounds apart, as a table in the output's scale: `out = clamp(zero_point + round_half_up(e / 2^shift))`.
///
/// For int8 inputs `e = 128 · table[in + 128]`, of 256 numbers (i16). For int16 inputs a table of 513 numbers is interpolated
/// linearly, as TensorFlow Lite's int16 tables are (`LUTLookup` in its `common.h`): with `i = ⌊(in + 2^15) / 128⌋` and
/// `f = (in + 2^15) mod 128`, `e = 128 · table[i] + f · (table[i + 1] − table[i])`.
#[derive(Clone, Copy, Debug)]
pub struct WideTable<'p> {
    geometry: Geometry,
    input: Element,
    table: &'p [i16],
    requantizer: WideRequantizer,
}

impl<'p> WideTable<'p> {
    /// Numbers in the table of an input's type.
    pub const fn len(input: Element) -> usize {
        match input {
            Element::Int8 => 256,
            Element::Int16 => 513,
        }
    }

    /// A table over the geometry's shapes; `None` unless it is elementwise and the table has the length for the input's type.
    pub fn new(geometry: Geometry, input: Element, table: &'p [i16], requantizer: WideRequantizer) -> Option<Self> {
        let sound = geometry.is_elementwise() && geometry.channels_in == geometry.channels_out;
        (sound && table.len() == Self::len(input)).then_some(Self { geometry, input, table, requantizer })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let Input { element, .. } = context.input.into();
        let table = context.constants.get(context.step.weights, Self::len(element));
        let table = table.ok_or(PlanError::Constants(context.index))?;
        Self::new(context.elementwise()?, element, table, context.wide_requantizer()?)
            .ok_or(PlanError::Geometry(context.index))
    }

    fn apply(&self, value: i32) -> i32 {
        let [least, _] = self.input.bounds();
        let place = value.wrapping_sub(least) as u32;
        let (index, fraction) = match self.input {
            Element::Int8 => (place, 0),
            Element::Int16 => (place >> FRACTION, place & ((1 << FRACTION) - 1)),
        };
        let entry = |index: u32| i32::from(self.table.get(index as usize).copied().unwrap_or(0));
        let own = entry(index);
        let slope = if fraction > 0 { entry(index.wrapping_add(1)).wrapping_sub(own) } else { 0 };
        // Both terms are below 2^23.
        let interpolated = own.wrapping_shl(FRACTION).wrapping_add(slope.wrapping_mul(fraction as i32));
        self.requantizer.apply(interpolated.into(), 1)
    }
}

impl RowOperator for WideTable<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let mut out = self.requantizer.output(out);
        for (index, value) in Elements::new(window.tap(0).unwrap_or(&[]), self.input).iter().enumerate() {
            out.set(index, self.apply(value));
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let mut out = self.requantizer.output(output);
        let input = Elements::new(input, self.input);
        for index in 0..out.len() {
            let [least, _] = self.input.bounds();
            let place = i64::from(input.get(index).unwrap_or(0)).wrapping_sub(least.into());
            let scaled = if self.input == Element::Int8 { place.wrapping_mul(128) } else { place };
            // Each entry counts by its distance.
            let weight = |entry: usize| 128i64.wrapping_sub((entry as i64).wrapping_mul(128).abs_diff(scaled) as i64);
            let terms = self.table.iter().enumerate().map(|(i, &e)| i64::from(e).wrapping_mul(weight(i).max(0)));
            out.set(index, self.requantizer.apply(terms.sum(), 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{elements, requantizers};
    use super::*;
    use crate::operators::testing::{elementwise, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            geometry in elementwise(), seed in any::<u64>(), input in elements(), requantizer in requantizers(23),
        ) {
            let mut bytes = int8s(seed);
            let table: Vec<i16> = bytes(2 * WideTable::len(input))
                .chunks(2)
                .map(|b| i16::from_le_bytes([b[0] as u8, b[1] as u8]))
                .collect();
            let operator = WideTable::new(geometry, input, &table, requantizer).unwrap();
            typed_rows_equal_reference(&operator, [input, requantizer.element()], &mut bytes, None)?;
        }
    }
}
