//! The command `residua`: one file a subcommand, and what they share in [`common`].

mod boards;
mod common;
mod compare;
mod compile;
mod doctor;
mod eval;
mod inspect;
mod listen;
mod pack;
mod report;
mod run;
mod self_test;
mod train;

use clap::{Parser, Subcommand};
use common::failure::{Failure, Kind};
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// Compiles residual networks from ONNX into int8 plans for microcontrollers, and runs, measures and checks them.
///
/// Exit codes: 0 done, 2 wrong usage, 3 bad input, 4 unsupported operator or form, 5 does not fit the budget, 6 a check
/// failed.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    /// Threads that compute; as many as there are cores, unless this says otherwise
    #[arg(long, value_name = "N", global = true)]
    threads: Option<NonZeroUsize>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Arguments),
    Compile(compile::Arguments),
    Run(run::Arguments),
    Eval(eval::Arguments),
    Compare(compare::Arguments),
    SelfTest(self_test::Arguments),
    Report(report::Arguments),
    Listen(listen::Arguments),
    Pack(pack::Arguments),
    Train(train::Arguments),
    Boards(boards::Arguments),
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    // What the float executor catches is told as an error.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !residua_models::execute::is_guarded() {
            hook(panic);
        }
    }));
    let cli = Cli::parse();
    let result = threads(cli.threads).and_then(|()| match cli.command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::SelfTest(arguments) => self_test::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Listen(arguments) => listen::run(&arguments),
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Boards(arguments) => boards::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is closed, the exit code alone has to do.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.into()
        }
    }
}

/// Sets the number of threads, where one is asked for.
fn threads(number: Option<NonZeroUsize>) -> Result<(), Failure> {
    let Some(number) = number else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number.get());
    pool.build_global().map_err(|error| Failure::new(Kind::Usage, format!("--threads {number}: {error}")))
}
