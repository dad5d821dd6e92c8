//! Chores of the source tree: `cargo xtask COMMAND`.

mod bench;
mod conformance;
mod demo;
mod tally;
mod test;

use std::error::Error;
use std::fmt;
use std::process::{Command, ExitCode};

const HELP: &str = "\
Chores of the residua source tree. Each sets up first what the machine lacks (on Debian as root, with rustup).

cargo xtask test    formatting, lints, documentation, all tests, the firmware; ends in `N passed, M failed, K skipped`
cargo xtask demo    compiles the keyword-spotting model that ships with residua and runs it on an emulated Cortex-M4
cargo xtask bench   figures of all models on all emulated cores beside those of others; writes benches/RESULTS.md
cargo xtask setup   only sets up

cargo xtask conformance    the ONNX project's operator tests; writes models/CONFORMANCE.md (needs Python's package onnx)
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test"] => test::run().map(done),
        ["demo"] => demo::run().map(done),
        ["bench", rest @ ..] => bench::run(rest),
        ["conformance"] => conformance::run().map(done),
        ["setup"] => setup().map(done),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// Why a chore failed, in words.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

/// Installs what is missing and says what there is.
fn setup() -> Result<(), Box<dyn Error>> {
    heading("set-up");
    for component in ["rustfmt", "clippy"] {
        let program = component.replace("rustfmt", "fmt");
        let present = cargo(&[&program, "--version"]).output().is_ok_and(|output| output.status.success());
        if !present {
            succeed(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    residua_harness::install()?;
    for check in residua_harness::doctor() {
        eprintln!("{:40} {}", check.name, check.found);
    }
    Ok(())
}

fn heading(text: &str) {
    eprintln!("\n== {text}");
}

/// This cargo, in the root of the source tree.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    if let Ok(home) = residua_harness::home() {
        command.current_dir(home);
    }
    command
}

/// Runs a command to its end; an error where it fails.
fn succeed(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| Failure(format!("{command:?}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure(format!("{command:?} failed ({status})")).into()) }
}
