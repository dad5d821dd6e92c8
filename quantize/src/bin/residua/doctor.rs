//! `residua doctor`.

use crate::common::failure::{Failure, Kind};
use crate::common::output::report;
use clap::Args;
use serde::Serialize;

/// Tells what this machine lacks, for what, and what installs it
///
/// Exits with 6 where something is missing.
///
/// Example: residua doctor --install
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Install what is missing, where that needs no question (rustup; Debian's packages as root)
    #[arg(long)]
    install: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: String,
    ok: bool,
    found: String,
    remedy: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let installed = if arguments.install { residua_harness::install() } else { Ok(()) };
    let checks: Vec<Check> = residua_harness::doctor()
        .into_iter()
        .map(|check| Check { name: check.name, ok: check.ok, found: check.found, remedy: check.remedy })
        .collect();
    let missing = checks.iter().filter(|check| !check.ok).count();
    let result = Report { ok: missing == 0, checks };
    report(arguments.json, &result, || {
        let line = |check: &Check| match check.ok {
            true => format!("ok       {}: {}\n", check.name, check.found),
            false => format!("missing  {}: {}; {}\n", check.name, check.found, check.remedy),
        };
        result.checks.iter().map(line).collect()
    })?;
    installed?;
    if missing == 0 {
        Ok(())
    } else {
        Err(Failure::new(Kind::Check, format!("{missing} missing; see `residua doctor`")))
    }
}
