//! Builds the firmware and the counter plugin from the source tree.

use crate::toolchain::{Toolchain, clean, home, tail, target_dir};
use crate::{HarnessError, Target};
use object::{Object, ObjectSection, SectionFlags, elf};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A built firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The ELF file.
    pub elf: PathBuf,
    /// Bytes that it takes in flash: vector table, code, constants, initial values of data. No plan is in it.
    pub code_bytes: u64,
}

/// What a run on a target needs.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub firmware: Firmware,
    pub plugin: PathBuf,
}

/// Builds the firmware of a target, or finds it built.
///
/// # Errors
/// A tool is missing or the build fails.
pub fn firmware(target: Target) -> Result<Firmware, HarnessError> {
    let description = target.description();
    let toolchain = Toolchain::find(description.triple)?;
    compile(&mut target.firmware_command(&toolchain, "build")?, &format!("the firmware for {target}"))?;
    let elf = target_dir()?.join(description.triple).join("release").join(description.firmware.1);
    let code_bytes = code_bytes(&elf)?;
    Ok(Firmware { elf, code_bytes })
}

/// Builds firmware and plugin; once in the life of the process for each target.
pub(crate) fn build(target: Target) -> Result<Built, HarnessError> {
    static BUILT: Mutex<Option<HashMap<Target, Built>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(built) = built.get(&target) {
        return Ok(built.clone());
    }
    let new = Built { firmware: firmware(target)?, plugin: counter()? };
    built.insert(target, new.clone());
    Ok(new)
}

/// Builds the counter plugin for QEMU, or finds it built.
///
/// # Errors
/// The build fails.
pub fn counter() -> Result<PathBuf, HarnessError> {
    let target_dir = target_dir()?;
    let mut cargo = clean(Command::new("cargo"));
    cargo
        .current_dir(home()?)
        .args(["build", "--quiet", "--release", "--package", "residua-counter", "--target-dir"])
        .arg(&target_dir);
    compile(&mut cargo, "the counter plugin")?;
    Ok(target_dir.join("release/libresidua_counter.so"))
}

/// Size of the sections that are loaded and hold something: what has to be flashed.
fn code_bytes(path: &Path) -> Result<u64, HarnessError> {
    let bytes = std::fs::read(path).map_err(HarnessError::io(format!("firmware {}", path.display())))?;
    let image = object::File::parse(&*bytes).map_err(|error| HarnessError::Image(error.to_string()))?;
    let flashed = |section: &object::Section<'_, '_>| {
        let SectionFlags::Elf { sh_flags } = section.flags() else { return false };
        sh_flags & u64::from(elf::SHF_ALLOC) != 0 && section.kind() != object::SectionKind::UninitializedData
    };
    Ok(image.sections().filter(flashed).map(|section| section.size()).sum())
}

fn compile(cargo: &mut Command, what: &str) -> Result<(), HarnessError> {
    let output = cargo.output().map_err(HarnessError::io(format!("cargo, for {what}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(HarnessError::Build { what: what.to_owned(), output: tail(&output) })
}
