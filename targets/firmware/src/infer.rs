//! Modes "infer" and "profile": each input in turn.

use crate::report::Report;
use crate::{Job, Pool, markers, stack};
use residua::engine::{Engine, EngineError, Observer};
use residua_mailbox::{Record, Status};

pub fn run(job: &Job<'_>, mut pool: Pool, report: &mut Report, profile: bool) -> Result<(), Status> {
    let (arena_len, input_len, output_len) = (job.plan.arena_len(), job.plan.input().len(), job.plan.output().len());
    if input_len.checked_mul(job.input_count as usize) != Some(job.input.len()) || input_len == 0 {
        defmt::error!("{} inputs of {} bytes expected, {} bytes given", job.input_count, input_len, job.input.len());
        return Err(Status::BadInput);
    }
    pool.check([arena_len, output_len], report)?;
    let arena = pool.split(arena_len)?;
    let output = bytemuck::must_cast_slice_mut::<u8, i8>(pool.split(output_len)?);
    let mut engine = Engine::new(job.plan, arena).map_err(refused)?;
    let mut deepest = 0;
    for input in bytemuck::must_cast_slice::<u8, i8>(job.input).chunks_exact(input_len) {
        let mut result = Ok(());
        let depth = stack::depth(pool.end(), || {
            markers::start();
            result = if profile { run_in_laps(&mut engine, input, output) } else { engine.run(input, output) };
            markers::stop();
        });
        result.map_err(refused)?;
        deepest = depth.max(deepest);
        report.write(&Record::Output(bytemuck::must_cast_slice(output)));
    }
    report.write(&Record::Stack(deepest));
    Ok(())
}

/// Tells why the engine does not run.
pub fn refused(error: EngineError) -> Status {
    defmt::error!("engine: {}", error);
    Status::EngineError
}

/// Runs one input with the laps of [`Laps`].
#[inline(never)]
fn run_in_laps(engine: &mut Engine<'_, '_>, input: &[i8], output: &mut [i8]) -> Result<(), EngineError> {
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
