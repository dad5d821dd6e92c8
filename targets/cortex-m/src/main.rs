//! Generic firmware for emulated Cortex-M boards: runs the plan and the inputs that the host has placed in memory.
//!
//! Nothing of a model is compiled in. The crate `residua-mailbox` says how request and answers look; `residua-counter`
//! counts between the [`markers`]. Logs go out as defmt frames over semihosting.

#![no_std]
#![no_main]

mod audio;
mod board;
mod infer;
mod markers;
mod pool;
mod report;
mod self_test;
mod stack;

// Provides the critical section that the logger takes.
use cortex_m as _;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use defmt_semihosting as _;
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

#[entry]
fn main() -> ! {
    let mut report = Report::create();
    let status = work(&mut report).err().unwrap_or(Status::Done);
    report.end(status);
    exit(status)
}

fn work(report: &mut Report) -> Result<(), Status> {
    let mailbox = board::mailbox();
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
        defmt::error!("plan refused: {}", error);
        Status::BadPlan
    })?;

    let job = Job { plan, input, input_count: request.input_count };
    let mut pool = Pool::take();
    match request.mode {
        Mode::Load => Ok(()),
        Mode::Infer => infer::run(&job, &mut pool, report, false),
        Mode::Profile => infer::run(&job, &mut pool, report, true),
        Mode::SelfTest => self_test::run(&job, &mut pool, report),
        Mode::Audio => audio::run(&job, &mut pool, report),
    }
}

fn exit(status: Status) -> ! {
    semihosting::process::exit(status.code() as i32)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    exit(Status::Crashed)
}

#[exception]
unsafe fn HardFault(_frame: &ExceptionFrame) -> ! {
    exit(Status::Crashed)
}
