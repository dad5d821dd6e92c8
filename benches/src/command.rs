//! The command `residua`, as its users call it.

use serde_json::Value;
use std::error::Error;
use std::process::Command;

/// Exit code of what does not fit its budget or board.
const DOES_NOT_FIT: i32 = 5;

/// What a call came to.
pub enum Outcome {
    Report(Value),
    /// Why it does not fit.
    DoesNotFit(String),
}

/// Runs a subcommand with `--json`; the command lies beside this program.
pub fn residua(arguments: &[&str]) -> Result<Outcome, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("residua"));
    let output = command.args(arguments).arg("--json").output().map_err(|error| format!("{command:?}: {error}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    let message = message.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&message).to_owned();
    match output.status.code() {
        Some(0) => Ok(Outcome::Report(serde_json::from_slice(&output.stdout)?)),
        Some(DOES_NOT_FIT) => Ok(Outcome::DoesNotFit(message)),
        // A check that failed is reported all the same.
        _ => match serde_json::from_slice(&output.stdout) {
            Ok(report) => Ok(Outcome::Report(report)),
            Err(_) => Err(format!("{command:?}: {message}").into()),
        },
    }
}

/// A subcommand that always fits.
pub fn report(arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    match residua(arguments)? {
        Outcome::Report(report) => Ok(report),
        Outcome::DoesNotFit(reason) => Err(reason.into()),
    }
}

/// A number of a report.
pub fn number(report: &Value, key: &str) -> Result<u64, Box<dyn Error>> {
    report[key].as_u64().ok_or_else(|| format!("no number `{key}` in {report}").into())
}
