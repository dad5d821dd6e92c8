//! Any function of one element: a table of its 256 values.

use super::geometry::Geometry;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;

/// `out[y, x, c] = table[in[y, x, c] + 128]`.
///
/// Activations that could not be folded into the operator before them (ReLU after several consumers, sigmoid, …), and
/// plain changes of scale.
#[derive(Clone, Copy, Debug)]
pub struct Table<'p> {
    geometry: Geometry,
    table: &'p [i8; 256],
}

impl<'p> Table<'p> {
    /// A table over the geometry's shapes; `None` unless it is elementwise.
    pub fn new(geometry: Geometry, table: &'p [i8; 256]) -> Option<Self> {
        let sound = geometry.is_elementwise() && geometry.channels_in == geometry.channels_out;
        sound.then_some(Self { geometry, table })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.elementwise()?;
        context.single()?;
        let table = context.weights(256)?.first_chunk().ok_or(PlanError::Constants(context.index))?;
        Self::new(geometry, table).ok_or(PlanError::Geometry(context.index))
    }
}

impl RowOperator for Table<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        for (out, &value) in out.iter_mut().zip(window.tap(0).unwrap_or(&[])) {
            // Flipping the sign bit adds 128.
            *out = self.table.get(usize::from(value as u8 ^ 0x80)).copied().unwrap_or(0);
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        for (out, &value) in output.iter_mut().zip(input) {
            *out = self.table.iter().copied().nth((i64::from(value).wrapping_add(128)) as usize).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{elementwise, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(geometry in elementwise(), seed in any::<u64>()) {
            let mut bytes = int8s(seed);
            let table: [i8; 256] = bytes(256).try_into().unwrap();
            rows_equal_reference(&Table::new(geometry, &table).unwrap(), &mut bytes, None)?;
        }
    }
}
