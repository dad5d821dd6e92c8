//! `cargo xtask demo`: from ONNX to words on an emulated microcontroller.

use crate::{cargo, heading, setup, succeed};
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Folder of the model, and what is in it.
const MODEL: &str = "models/res8_narrow";
const ONNX: &str = "res8_narrow.onnx";
const CALIBRATION: &str = "calibration.npz";
const RECORDINGS: &str = "demo";

/// Compiles the model, boots the emulated core on each recording, and prints what it heard and what it cost.
pub fn run() -> Result<(), Box<dyn Error>> {
    setup()?;
    let home = residua_harness::home()?;
    let model = home.join(MODEL);
    let folder = home.join("target/demo");
    fs::create_dir_all(&folder)?;
    let plan = folder.join("res8_narrow.plan");

    heading("residua compile");
    let mut compile = cargo(&["run", "--release", "--quiet", "--package", "residua-quantize", "--", "compile"]);
    compile.arg(model.join(ONNX)).arg("--calibration").arg(model.join(CALIBRATION));
    compile.args(["--target", "cortex-m4", "-o"]).arg(&plan);
    succeed(&mut compile)?;

    heading("the plan on an emulated Cortex-M4");
    let mut demo: Command =
        cargo(&["run", "--release", "--quiet", "--package", "residua-harness", "--example", "listen", "--"]);
    demo.arg(&plan).args(recordings(&model.join(RECORDINGS))?);
    succeed(&mut demo)
}

/// The `.wav` files of a folder, by name.
fn recordings(folder: &Path) -> Result<Vec<OsString>, Box<dyn Error>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .map(OsString::from)
        .collect();
    files.sort();
    Ok(files)
}
