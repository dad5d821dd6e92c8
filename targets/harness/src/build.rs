//! Builds the firmware and the counter plugin from the source tree.

use crate::toolchain::{Toolchain, clean, home, tail, target_dir};
use crate::{HarnessError, Parts, Target};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, elf};
use residua_mailbox::MAILBOX_SYMBOLS;
use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
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
    /// Addresses that the board sets apart for plan and inputs.
    pub mailbox: Range<u64>,
}

/// What a run on a target needs.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub firmware: Firmware,
    pub plugin: PathBuf,
}

/// Builds a firmware for a target, or finds it built.
///
/// # Errors
/// A tool is missing or the build fails.
pub fn firmware(target: Target, parts: &Parts) -> Result<Firmware, HarnessError> {
    let description = target.description();
    let toolchain = Toolchain::find(description.triple)?;
    let folder = target_dir()?;
    fs::create_dir_all(&folder).map_err(HarnessError::io(folder.display().to_string()))?;
    let elf = folder.join(format!("{target}-{}.elf", parts.label()));
    // Cargo gives all firmware one name: it is copied away before another process builds another.
    let lock = folder.join("firmware.lock");
    let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(HarnessError::io(lock.display().to_string()))?;
    compile(&mut target.firmware_command(&toolchain, "build", parts)?, &format!("the firmware for {target}"))?;
    let built = target.firmware_target_dir()?.join(description.triple).join("release").join(description.firmware.1);
    replace(&built, &elf)?;
    inspect(elf)
}

/// Copies a file whole or not at all; another process may be reading the one that is there.
fn replace(from: &Path, to: &Path) -> Result<(), HarnessError> {
    let part = to.with_extension("part");
    let copied = fs::copy(from, &part).and_then(|_| fs::rename(&part, to));
    copied.map_err(HarnessError::io(format!("{} to {}", from.display(), to.display())))
}

/// Builds firmware and plugin; once in the life of the process for each target and set of parts.
pub(crate) fn build(target: Target, parts: Parts) -> Result<Built, HarnessError> {
    static BUILT: Mutex<Option<HashMap<(Target, Parts), Built>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let plugin = match built.values().next() {
        Some(other) => other.plugin.clone(),
        None => counter()?,
    };
    let key = (target, parts);
    if let Some(built) = built.get(&key) {
        return Ok(built.clone());
    }
    let new = Built { firmware: firmware(target, &key.1)?, plugin };
    built.insert(key, new.clone());
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

/// Reads from an ELF file what has to be known of it: the size of the sections that are loaded and hold something, which
/// is what has to be flashed, and the mailbox.
fn inspect(elf: PathBuf) -> Result<Firmware, HarnessError> {
    let bytes = fs::read(&elf).map_err(HarnessError::io(format!("firmware {}", elf.display())))?;
    let image = object::File::parse(&*bytes).map_err(|error| HarnessError::Image(error.to_string()))?;
    let flashed = |section: &object::Section<'_, '_>| {
        let SectionFlags::Elf { sh_flags } = section.flags() else { return false };
        sh_flags & u64::from(elf::SHF_ALLOC) != 0 && section.kind() != object::SectionKind::UninitializedData
    };
    let code_bytes = image.sections().filter(flashed).map(|section| section.size()).sum();
    let [start, end] = MAILBOX_SYMBOLS.map(|name| {
        let symbol = image.symbol_by_name(name).map(|symbol| symbol.address());
        symbol.ok_or_else(|| HarnessError::Image(format!("no symbol {name}")))
    });
    Ok(Firmware { code_bytes, mailbox: start?..end?, elf })
}

fn compile(cargo: &mut Command, what: &str) -> Result<(), HarnessError> {
    let output = cargo.output().map_err(HarnessError::io(format!("cargo, for {what}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(HarnessError::Build { what: what.to_owned(), output: tail(&output) })
}
