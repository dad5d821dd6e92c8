//! Mode "profile": marks where steps begin and end.

use crate::markers;
use residua::engine::{Engine, EngineError, Observer};

/// Runs one input with the laps of [`Laps`].
#[inline(never)]
pub fn run_in_laps(engine: &mut Engine<'_, '_>, input: &[i8], output: &mut [i8]) -> Result<(), EngineError> {
    engine.reset();
    let value = engine.plan().output_value();
    let mut laps = Laps { value, rows: output.chunks_exact_mut(engine.plan().output().row_len().max(1)) };
    for row in input.chunks_exact(engine.plan().input().row_len().max(1)) {
        engine.push_with(|slot| slot.iter_mut().zip(row).for_each(|(to, from)| *to = *from), &mut laps)?;
    }
    Ok(())
}

/// Marks laps, so that they alternate: what lies between two steps, a step, what lies between, and so on. Collects the
/// output rows, which come in order.
struct Laps<'o> {
    value: u16,
    rows: core::slice::ChunksExactMut<'o, i8>,
}

impl Observer for Laps<'_> {
    #[inline(always)]
    fn step_begins(&mut self, _step: u16) {
        markers::lap();
    }

    #[inline(always)]
    fn step_ends(&mut self, _step: u16) {
        markers::lap();
    }

    fn row(&mut self, _step: u16, value: u16, _row: u32, elements: &[i8]) {
        if value == self.value
            && let Some(row) = self.rows.next()
        {
            row.iter_mut().zip(elements).for_each(|(to, from)| *to = *from);
        }
    }
}
