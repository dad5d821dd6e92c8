//! Gives the linker the memory map of the board that a feature names.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=boards");
    let boards: Vec<PathBuf> = fs::read_dir("boards")?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase().replace('-', "_");
            env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
        })
        .collect();
    let [board] = boards.as_slice() else {
        return Err(format!("enable exactly one board feature, found {}", boards.len()).into());
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::copy(board.join("memory.x"), out.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_LOG").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
    Ok(())
}
