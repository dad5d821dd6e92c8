//! The ONNX project's operator tests against the importer: `conformance FOLDER.. PAGE` runs every case of the folders and
//! writes what came of each. `cargo xtask conformance` makes the cases and calls it.

mod case;
mod check;
mod list;

use case::Case;
use check::{Outcome, check};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Some(page) = arguments.pop() else { return Err("usage: conformance FOLDER.. PAGE".into()) };
    let mut outcomes = BTreeMap::new();
    for folder in &arguments {
        outcomes.extend(run(folder)?);
    }
    fs::write(page, list::page(&outcomes))?;
    let failed = outcomes.values().filter(|o| matches!(o, Outcome::Failed(_))).count();
    let passed = outcomes.values().filter(|o| o.passed()).count();
    println!("{passed} passed, {failed} failed, {} not supported", outcomes.len() - passed - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every case of a folder.
fn run(folder: &Path) -> Result<BTreeMap<String, Outcome>, Box<dyn Error>> {
    let mut outcomes = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let folder = entry?.path();
        if !folder.join("model.onnx").exists() {
            continue;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().trim_start_matches("test_").to_string();
        let outcome = match Case::read(&folder)? {
            Some(case) => check(&case),
            None => Outcome::Unsupported("its data are no real numbers".into()),
        };
        outcomes.insert(name, outcome);
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Networks of operators on codes, with the outputs of ONNX Runtime (`quantized/make.py`): the graph and the plan, which
    /// needs no calibration, agree with them.
    #[test]
    fn quantized_networks() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/quantized");
        let outcomes = run(&folder).unwrap();
        assert_eq!(outcomes.len(), 7);
        for (name, outcome) in outcomes {
            assert!(matches!(outcome, Outcome::Passed { plan: Ok(_) }), "{name}: {outcome:?}");
        }
    }
}
