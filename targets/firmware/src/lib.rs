//! The generic firmware, apart from core and board: runs the plan and the inputs that the host has placed in memory.
//!
//! Nothing of a model is compiled in. The crate `residua-mailbox` says how request and answers look; `residua-counter`
//! counts between the [`markers`]. The feature `log` sends logs as defmt frames over semihosting. A crate an instruction set
//! (`targets/cortex-m`, `targets/riscv32`) brings start-up code and boards, and hands a [`Board`] to [`serve`].

#![no_std]

#[cfg(feature = "audio")]
mod audio;
mod board;
mod infer;
mod log;
mod markers;
mod pool;
#[cfg(feature = "profile")]
mod profile;
mod report;
#[cfg(feature = "self-test")]
mod self_test;
mod stack;
#[cfg(feature = "stream")]
mod stream;

pub use board::Board;

use embedded_hal::digital::OutputPin;
use pool::Pool;
use report::Report;
use residua::plan::Plan;
use residua_mailbox::{Mode, Request, Status};

/// A plan and its input, where they stand in the mailbox.
struct Job<'m> {
    plan: Plan<'m>,
    input: &'m [u8],
    input_count: u32,
}

/// Does what the mailbox asks for, and ends the emulation.
pub fn serve(board: Board<impl OutputPin>) -> ! {
    let mut report = Report::create();
    let status = work(board, &mut report).err().unwrap_or(Status::Done);
    report.end(status);
    exit(status)
}

/// Ends the emulation after a panic or a fault.
pub fn crash() -> ! {
    exit(Status::Crashed)
}

fn work(board: Board<impl OutputPin>, report: &mut Report) -> Result<(), Status> {
    #[cfg_attr(not(feature = "audio"), expect(unused_variables, reason = "only sound lights it"))]
    let Board { mailbox, memory, led } = board;
    let request = Request::from_bytes(mailbox).ok_or(Status::BadRequest)?;
    let part = |offset: u32, len: u32| {
        let (_, rest) = mailbox.split_at_checked(offset as usize)?;
        rest.get(..len as usize)
    };
    let plan = part(request.plan_offset, request.plan_len).ok_or(Status::BadRequest)?;
    let input = part(request.input_offset, request.input_len).ok_or(Status::BadRequest)?;

    markers::start();
    let plan = Plan::load(plan);
    markers::stop();
    let plan = plan.map_err(|error| {
        log::error!("plan refused: {}", error);
        Status::BadPlan
    })?;

    let job = Job { plan, input, input_count: request.input_count };
    let pool = Pool::new(memory);
    match request.mode {
        Mode::Load => Ok(()),
        Mode::Infer => infer::run(&job, pool, report, |engine, input, output| engine.run(input, output)),
        #[cfg(feature = "profile")]
        Mode::Profile => infer::run(&job, pool, report, profile::run_in_laps),
        #[cfg(feature = "self-test")]
        Mode::SelfTest => self_test::run(&job, pool, report),
        #[cfg(feature = "audio")]
        Mode::Audio => audio::run(&job, pool, report, led),
        #[cfg(feature = "stream")]
        Mode::Stream => stream::run(&job, pool, report),
        #[cfg(not(all(feature = "profile", feature = "self-test", feature = "audio", feature = "stream")))]
        _ => Err(Status::NotLinked),
    }
}

fn exit(status: Status) -> ! {
    semihosting::process::exit(status.code() as i32)
}
