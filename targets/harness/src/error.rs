//! What can go wrong between the host and an emulated device.

use residua::engine::EngineError;
use residua::frontend::FrontEndError;
use residua::plan::PlanError;
use residua_mailbox::Status;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a device run has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// A program or library that is needed is not installed.
    #[error("{tool} is missing; {remedy}")]
    MissingTool {
        /// What is missing.
        tool: String,
        /// The command that installs it.
        remedy: String,
    },
    /// The source tree that holds the firmware is not where it is looked for.
    #[error("no residua source tree at {0}; set RESIDUA_HOME to one: the firmware is built from it")]
    NoSource(PathBuf),
    /// A build failed.
    #[error("building {what} failed:\n{output}")]
    Build {
        /// What was being built.
        what: String,
        /// The end of what the compiler printed.
        output: String,
    },
    /// A command of the set-up failed.
    #[error("`{command}` failed:\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// The end of what it printed.
        output: String,
    },
    /// A file could not be read or written, or a program not started.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The firmware's ELF file is not what the harness expects.
    #[error("firmware image: {0}")]
    Image(String),
    /// The plan is refused on the host already.
    #[error("plan refused: {0}")]
    Plan(#[from] PlanError),
    /// The engine refuses to run on the host already.
    #[error("engine: {0}")]
    Engine(#[from] EngineError),
    /// The front end refuses to run on the host already.
    #[error("front end: {0}")]
    FrontEnd(#[from] FrontEndError),
    /// Audio for a plan that takes none.
    #[error("the plan has no audio front end; give it inputs in its own layout")]
    NoFrontEnd,
    /// An input has the wrong length.
    #[error("input {index} has {given} elements, the plan takes {needed}")]
    InputLength {
        /// Index of the input.
        index: usize,
        /// Elements given.
        given: usize,
        /// Elements that the plan takes.
        needed: usize,
    },
    /// Plan and inputs do not fit into the memory that the emulated board has for them.
    #[error("plan and inputs take {needed} bytes, the board has {available} for them; pass fewer inputs at once")]
    TooLarge {
        /// Bytes asked for.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The arena and its companions do not fit into the board's RAM.
    #[error("the plan needs {needed} bytes of RAM, the board has {available} for it")]
    NoMemory {
        /// Bytes asked for.
        needed: u32,
        /// Bytes there.
        available: u32,
    },
    /// The firmware refused the work.
    #[error("the firmware refused ({status:?}){}", lines(log))]
    Refused {
        /// Why.
        status: Status,
        /// The firmware's log.
        log: Vec<String>,
    },
    /// The firmware crashed or the emulator failed.
    #[error(
        "the firmware did not finish (emulator exit code {code:?}){}{}",
        lines(log),
        lines(std::slice::from_ref(errors))
    )]
    Crashed {
        /// Exit code of the emulator, where it exited.
        code: Option<i32>,
        /// The firmware's log.
        log: Vec<String>,
        /// What the emulator printed.
        errors: String,
    },
    /// The run took too long and was ended.
    #[error("the emulated device ran longer than {} s and was stopped; raise the time limit", .0.as_secs())]
    Timeout(Duration),
    /// Report or counts are not what the request leads to: host and firmware disagree about their protocol.
    #[error("the device's report makes no sense: {0}")]
    Report(String),
}

impl HarnessError {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}

fn lines(log: &[String]) -> String {
    log.iter().filter(|line| !line.is_empty()).map(|line| format!("\n  {line}")).collect()
}
