//! Modes "infer" and "profile": each input in turn, between markers.

use crate::report::Report;
use crate::{Job, Pool, log, markers, stack};
use residua::engine::{Engine, EngineError};
use residua_mailbox::{Record, Status};

pub fn run(
    job: &Job<'_>,
    mut pool: Pool,
    report: &mut Report,
    infer: impl Fn(&mut Engine<'_, '_>, &[i8], &mut [i8]) -> Result<(), EngineError>,
) -> Result<(), Status> {
    let (arena_len, [input_len, output_len]) = (job.plan.arena_len(), job.plan.lens());
    if input_len.checked_mul(job.input_count as usize) != Some(job.input.len()) || input_len == 0 {
        log::error!("{} inputs of {} bytes expected, {} bytes given", job.input_count, input_len, job.input.len());
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
            result = infer(&mut engine, input, output);
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
    log::error!("engine: {}", error);
    Status::EngineError
}
