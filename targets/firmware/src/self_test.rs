//! Mode "self-test": replays the plan's golden vector.

use crate::infer::refused;
use crate::report::Report;
use crate::{Job, Pool};
use residua::engine::Engine;
use residua_mailbox::{Record, Status};

pub fn run(job: &Job<'_>, mut pool: Pool, report: &mut Report) -> Result<(), Status> {
    let arena_len = job.plan.arena_len();
    pool.check([arena_len], report)?;
    let mut engine = Engine::new(job.plan, pool.split(arena_len)?).map_err(refused)?;
    let differing = match engine.self_test() {
        Ok(()) => u32::MAX,
        Err(failure) => {
            defmt::warn!("self-test: {}", failure);
            failure.step.into()
        }
    };
    report.write(&Record::SelfTest(differing));
    Ok(())
}
