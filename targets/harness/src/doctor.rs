//! What a machine lacks for running firmware, and how it gets it.

use crate::toolchain::{Toolchain, find_program, home, tail};
use crate::{HarnessError, Target};
use std::process::Command;

/// One thing that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is, and what for.
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// What was found, or why not.
    pub found: String,
    /// What installs it; empty where it is there.
    pub remedy: String,
}

/// Looks at everything that emulated cores need.
pub fn doctor() -> Vec<Check> {
    let mut checks = vec![check("residua source tree".into(), home().map(|path| path.display().to_string()))];
    for &target in Target::ALL {
        let description = target.description();
        let compiler = Toolchain::find(description.triple).map(|toolchain| match toolchain {
            Toolchain::Installed => "installed".to_owned(),
            Toolchain::Debian { .. } => "built by Debian's compiler".to_owned(),
        });
        push(&mut checks, check(format!("compiler for {}", description.triple), compiler));
        let (program, package) = description.emulator;
        let emulator = find_program(program).map(|path| path.display().to_string());
        push(&mut checks, check(program.to_owned(), emulator.ok_or_else(|| missing_emulator(program, package))));
    }
    checks
}

/// Installs what [`doctor`] finds missing, where that needs no question: targets by rustup, packages by Debian's apt as
/// root. Does nothing where all is there.
///
/// # Errors
/// A command failed, or something can only be installed by hand.
pub fn install() -> Result<(), HarnessError> {
    for &target in Target::ALL {
        let description = target.description();
        if Toolchain::find(description.triple).is_err() {
            let rustup = command(Command::new("rustup").args(["target", "add", description.triple]));
            if rustup.is_err() || Toolchain::find(description.triple).is_err() {
                apt_get(&Toolchain::DEBIAN_PACKAGES)?;
            }
            Toolchain::find(description.triple)?;
        }
        let (program, package) = description.emulator;
        if find_program(program).is_none() {
            apt_get(&[package])?;
            find_program(program).ok_or_else(|| missing_emulator(program, package))?;
        }
    }
    Ok(())
}

fn missing_emulator(program: &str, package: &str) -> HarnessError {
    HarnessError::MissingTool {
        tool: program.to_owned(),
        remedy: format!("on Debian `apt-get install {package}` installs it"),
    }
}

fn check(name: String, result: Result<String, HarnessError>) -> Check {
    match result {
        Ok(found) => Check { name, ok: true, found, remedy: String::new() },
        Err(HarnessError::MissingTool { tool, remedy }) => {
            Check { name, ok: false, found: format!("no {tool}"), remedy }
        }
        Err(error) => {
            let remedy = "set RESIDUA_HOME to a checkout of residua".into();
            Check { name, ok: false, found: error.to_string(), remedy }
        }
    }
}

/// Targets share compilers and emulators: each is told once.
fn push(checks: &mut Vec<Check>, check: Check) {
    if !checks.contains(&check) {
        checks.push(check);
    }
}

fn apt_get(packages: &[&str]) -> Result<(), HarnessError> {
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        command
    };
    command(apt_get().arg("update"))?;
    command(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn command(command: &mut Command) -> Result<(), HarnessError> {
    let text = format!("{command:?}");
    let output = command.output().map_err(HarnessError::io(text.clone()))?;
    if output.status.success() { Ok(()) } else { Err(HarnessError::Command { command: text, output: tail(&output) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_remedy() {
        let checks = doctor();
        assert!(checks.len() >= 3);
        for check in checks {
            assert!(!check.found.is_empty(), "{check:?}");
            assert_eq!(check.ok, check.remedy.is_empty(), "{check:?}");
        }
        let missing = check("x".into(), Err(missing_emulator("qemu-system-x", "qemu-x")));
        assert!(!missing.ok && missing.remedy.contains("apt-get install qemu-x"));
    }
}
