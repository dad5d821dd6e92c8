//! The source tree, and the compilers that build firmware from it.

use crate::{HarnessError, Parts, Target};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the source tree that firmware is built from: `RESIDUA_HOME`, or where this library was compiled.
///
/// # Errors
/// [`HarnessError::NoSource`].
pub fn home() -> Result<PathBuf, HarnessError> {
    let root = match env::var_os("RESIDUA_HOME") {
        Some(home) => PathBuf::from(home),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
    };
    if !root.join("targets/counter/Cargo.toml").is_file() {
        return Err(HarnessError::NoSource(root));
    }
    root.canonicalize().map_err(HarnessError::io(format!("source tree {}", root.display())))
}

/// Build products of the harness lie apart from the host's own, so that neither waits for the other's lock.
pub(crate) fn target_dir() -> Result<PathBuf, HarnessError> {
    let host = match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => env::current_dir().map_err(HarnessError::io("current folder"))?.join(dir),
        None => home()?.join("target"),
    };
    Ok(host.join("device"))
}

impl Target {
    /// The folder of the firmware's workspace.
    ///
    /// # Errors
    /// [`HarnessError::NoSource`].
    pub fn firmware_folder(self) -> Result<PathBuf, HarnessError> {
        Ok(home()?.join("targets").join(self.description().firmware.0))
    }

    /// The command that lints the firmware; `None` where the compiler that builds it has no clippy.
    ///
    /// # Errors
    /// There is no compiler or no source tree.
    pub fn clippy(self) -> Result<Option<Command>, HarnessError> {
        let toolchain = Toolchain::find(self.description().triple)?;
        if toolchain != Toolchain::Installed {
            return Ok(None);
        }
        let mut clippy = self.firmware_command(&toolchain, "clippy", &Parts::all())?;
        clippy.args(["--", "--deny", "warnings"]);
        Ok(Some(clippy))
    }

    /// Where the firmware's build products go: to each set of compiler flags its own.
    pub(crate) fn firmware_target_dir(self) -> Result<PathBuf, HarnessError> {
        let shared = target_dir()?;
        Ok(self.description().cpu.map_or(shared.clone(), |cpu| shared.join(cpu)))
    }

    /// A command of cargo on the firmware: in release, for this core and board.
    pub(crate) fn firmware_command(
        self,
        toolchain: &Toolchain,
        command: &str,
        parts: &Parts,
    ) -> Result<Command, HarnessError> {
        let description = self.description();
        let features: Vec<_> = [description.board.to_owned()].into_iter().chain(parts.features()).collect();
        let mut cargo = toolchain.cargo();
        cargo
            .current_dir(self.firmware_folder()?)
            .args([command, "--quiet", "--release", "--target", description.triple, "--features", &features.join(",")])
            .arg("--target-dir")
            .arg(self.firmware_target_dir()?)
            // Without it defmt leaves out all messages.
            .env("DEFMT_LOG", "info");
        if parts.has_front_end() {
            // The front end is plain Rust, whose loops pay for being small.
            cargo.args(["--config", "profile.release.opt-level=3"]);
        }
        if let Some(cpu) = description.cpu {
            cargo.env("RESIDUA_CPU", cpu).env("RUSTC_WRAPPER", self.firmware_folder()?.join("rustc.sh"));
        }
        Ok(cargo)
    }
}

/// A compiler for a bare-metal target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The host's own, with the target's `core` installed.
    Installed,
    /// Debian's compiler, which builds `core` itself, with the linker of the host's toolchain.
    Debian {
        /// `rust-lld`.
        linker: PathBuf,
        /// The target, in the form of cargo's variables.
        variable: String,
    },
}

impl Toolchain {
    pub const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

    /// # Errors
    /// [`HarnessError::MissingTool`].
    pub fn find(triple: &str) -> Result<Self, HarnessError> {
        let missing = |tool: &str, remedy: String| HarnessError::MissingTool { tool: tool.into(), remedy };
        let sysroot = sysroot().ok_or_else(|| missing("rustc", "install Rust with rustup".into()))?;
        if sysroot.join("lib/rustlib").join(triple).join("lib").is_dir() {
            return Ok(Self::Installed);
        }
        let debian = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/core/Cargo.toml"];
        let linker = find_linker(&sysroot);
        match linker {
            Some(linker) if debian.iter().all(|path| Path::new(path).is_file()) => {
                Ok(Self::Debian { linker, variable: triple.to_uppercase().replace(['-', '.'], "_") })
            }
            _ => Err(missing(
                &format!("Rust's core library for {triple}"),
                format!(
                    "`rustup target add {triple}` installs it, or on Debian `apt-get install {}`",
                    Self::DEBIAN_PACKAGES.join(" ")
                ),
            )),
        }
    }

    /// This toolchain's cargo, in a clean environment.
    pub fn cargo(&self) -> Command {
        match self {
            Self::Installed => clean(Command::new("cargo")),
            Self::Debian { linker, variable } => {
                let mut cargo = clean(Command::new("/usr/bin/cargo"));
                cargo
                    // Building `core` is not a stable feature of cargo; this is how a stable compiler allows it.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env(format!("CARGO_TARGET_{variable}_LINKER"), linker)
                    .env("CARGO_UNSTABLE_BUILD_STD", "core");
                cargo
            }
        }
    }
}

fn sysroot() -> Option<PathBuf> {
    let output = clean(Command::new("rustc")).args(["--print", "sysroot"]).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn find_linker(sysroot: &Path) -> Option<PathBuf> {
    let hosts = sysroot.join("lib/rustlib").read_dir().ok()?;
    hosts.filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld"))).find(|path| path.is_file())
}

/// Takes away what an outer cargo sets and what would make the build another one: variables of compiler and cargo, but
/// for those that say where registries and homes are.
pub(crate) fn clean(mut command: Command) -> Command {
    const KEPT: [&str; 7] = ["HOME", "HTTP_", "NET_", "REGISTR", "SOURCE_", "TERM_", "HTTPS_"];
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let of_cargo = name.strip_prefix("CARGO_").is_some_and(|rest| !KEPT.iter().any(|kept| rest.starts_with(kept)));
        let of_rustc = name.starts_with("RUSTC") || name.starts_with("RUSTDOC") || name == "RUSTFLAGS";
        if of_cargo || of_rustc || name == "CARGO" {
            command.env_remove(&*name);
        }
    }
    command
}

/// The last lines that a command printed.
pub(crate) fn tail(output: &Output) -> String {
    let text =
        [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Finds a program in the folders of `PATH`.
pub(crate) fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = name.as_ref();
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}
