//! What a failure means for the exit code.

use residua::engine::EngineError;
use residua::plan::PlanError;
use residua_harness::HarnessError;
use residua_models::data::DataError;
use residua_models::execute::ExecuteError;
use residua_models::onnx::ImportError;
use residua_quantize::compare::CompareError;
use residua_quantize::compile::CompileError;
use residua_quantize::evaluate::EvaluateError;
use residua_quantize::feed::FeedError;
use std::fmt;
use std::process::ExitCode;

/// The exit codes, beside 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wrong usage.
    Usage = 2,
    /// A file, model or data that cannot be used.
    Input = 3,
    /// An operator or form that is not supported.
    Unsupported = 4,
    /// Does not fit the budget.
    Budget = 5,
    /// A check failed.
    Check = 6,
}

/// Why a command ends without success.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The same with what it is about in front.
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// A flag whose work is not done yet.
    pub fn not_available(flag: &str) -> Self {
        Self::new(Kind::Usage, format!("`{flag}` is not available in this version"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.kind as u8)
    }
}

macro_rules! failures {
    ($($error:ty: $kind:expr;)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let kind: fn(&$error) -> Kind = $kind;
                Self::new(kind(&error), error.to_string())
            }
        }
    )*};
}

failures! {
    PlanError: |_| Kind::Input;
    EngineError: |_| Kind::Input;
    DataError: |_| Kind::Input;
    ImportError: import;
    ExecuteError: execute;
    CompileError: |error| match error {
        CompileError::Import(error) => import(error),
        CompileError::Execute(error) => execute(error),
        CompileError::NoCalibration | CompileError::Quantized => Kind::Usage,
        CompileError::Budget(_) => Kind::Budget,
        CompileError::Unsupported(_) | CompileError::Quantize(_) | CompileError::Stream(_) | CompileError::Plan(_) => {
            Kind::Unsupported
        }
        _ => Kind::Input,
    };
    FeedError: feed;
    EvaluateError: |error| match error {
        EvaluateError::Feed(error) => feed(error),
        _ => Kind::Input,
    };
    CompareError: |error| match error {
        CompareError::Feed(error) => feed(error),
        _ => Kind::Input,
    };
    HarnessError: |error| match error {
        HarnessError::TooLarge { .. } | HarnessError::NoMemory { .. } => Kind::Budget,
        HarnessError::Refused { .. }
        | HarnessError::Crashed { .. }
        | HarnessError::Timeout(_)
        | HarnessError::Report(_) => Kind::Check,
        _ => Kind::Input,
    };
}

fn import(error: &ImportError) -> Kind {
    if matches!(error, ImportError::Unsupported(_)) { Kind::Unsupported } else { Kind::Input }
}

fn execute(error: &ExecuteError) -> Kind {
    match error {
        ExecuteError::Import(error) => import(error),
        // What passed the checks of structure and constants, and tract cannot run.
        ExecuteError::Tract(_) => Kind::Unsupported,
        _ => Kind::Input,
    }
}

fn feed(error: &FeedError) -> Kind {
    match error {
        FeedError::Execute(error) => execute(error),
        _ => Kind::Input,
    }
}

#[cfg(feature = "train")]
impl From<residua_models::train::TrainError> for Failure {
    fn from(error: residua_models::train::TrainError) -> Self {
        let kind = match error {
            residua_models::train::TrainError::Diverged { .. } => Kind::Check,
            _ => Kind::Input,
        };
        Self::new(kind, error.to_string())
    }
}
