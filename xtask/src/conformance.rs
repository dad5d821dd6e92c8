//! `cargo xtask conformance`: the ONNX project's operator tests against the importer.

use crate::{cargo, heading, succeed};
use std::error::Error;
use std::process::Command;

/// Makes the cases with Python's `onnx`, runs all of them and writes `models/CONFORMANCE.md`; an error where one fails.
pub fn run() -> Result<(), Box<dyn Error>> {
    let home = residua_harness::home()?;
    let cases = home.join("target/conformance");
    if !cases.exists() {
        heading("cases");
        succeed(Command::new("python3").arg(home.join("tests/conformance/cases.py")).arg(&cases))?;
    }
    heading("conformance");
    let mut run = cargo(&["run", "--release", "--package", "residua-quantize", "--example", "conformance", "--"]);
    succeed(run.arg(cases).arg(home.join("models/CONFORMANCE.md")))
}
