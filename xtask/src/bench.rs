//! `cargo xtask bench`: figures of emulated cores and of the host.

use crate::{cargo, setup, succeed};
use std::error::Error;
use std::process::ExitCode;

/// Builds the command `residua` and what measures it, and hands the arguments on.
pub fn run(arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    setup()?;
    let packages = ["--package", "residua-quantize", "--package", "residua-benches", "--bins"];
    succeed(cargo(&["build", "--release", "--quiet"]).args(packages))?;
    let mut bench = cargo(&["run", "--release", "--quiet", "--package", "residua-benches", "--"]);
    let status = bench.args(arguments).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
