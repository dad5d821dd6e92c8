//! Mode "stream": inputs of any number of rows, row by row, each row between markers.

use crate::infer::refused;
use crate::report::Report;
use crate::{Job, Pool, markers, stack};
use residua::engine::{Engine, EngineError};
use residua_mailbox::{Record, Status};

pub fn run(job: &Job<'_>, mut pool: Pool, report: &mut Report) -> Result<(), Status> {
    let (arena_len, row_in, row_out) =
        (job.plan.arena_len(), job.plan.input().row_len().max(1), job.plan.output().row_len().max(1));
    let count = job.input_count as usize;
    let input_len = job.input.len().checked_div(count).unwrap_or(0);
    if !input_len.is_multiple_of(row_in) || input_len.checked_mul(count) != Some(job.input.len()) {
        defmt::error!("{} inputs of rows of {} bytes expected, {} bytes given", count, row_in, job.input.len());
        return Err(Status::BadInput);
    }
    pool.check([arena_len, row_out], report)?;
    let arena = pool.split(arena_len)?;
    let end = pool.end();
    let kept: &mut [i8] = bytemuck::must_cast_slice_mut(pool.rest());
    let mut engine = Engine::new(job.plan, arena).map_err(refused)?;
    let mut deepest = 0;
    for input in bytemuck::must_cast_slice::<u8, i8>(job.input).chunks_exact(input_len.max(1)) {
        engine.reset();
        let mut first = 0;
        for row in input.chunks_exact(row_in) {
            let mut rows = Rows { free: kept.chunks_exact_mut(row_out), count: 0, lost: 0 };
            let mut result = Ok(());
            let depth = stack::depth(end, || {
                markers::start();
                result = push(&mut engine, row, &mut rows);
                markers::stop();
            });
            deepest = depth.max(deepest);
            result.map_err(refused)?;
            let (count, lost) = (rows.count, rows.lost);
            if lost > 0 {
                return Err(Status::NoMemory);
            }
            for values in kept.chunks_exact(row_out).take(count as usize) {
                report.write(&Record::Row { index: first, values: bytemuck::must_cast_slice(values) });
                first = first.wrapping_add(1);
            }
        }
    }
    report.write(&Record::Stack(deepest));
    Ok(())
}

/// Output rows of one input row: they are told when the counting is over.
struct Rows<'k> {
    free: core::slice::ChunksExactMut<'k, i8>,
    count: u32,
    lost: u32,
}

#[inline(never)]
fn push(engine: &mut Engine<'_, '_>, row: &[i8], rows: &mut Rows<'_>) -> Result<(), EngineError> {
    engine.push_row(row, |_, values| match rows.free.next() {
        Some(free) => {
            free.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            rows.count = rows.count.wrapping_add(1);
        }
        None => rows.lost = rows.lost.wrapping_add(1),
    })
}
