//! Why training stops.

use crate::audio::AudioError;
use crate::frontend::FrontEndSpecError;
use std::path::{Path, PathBuf};

/// Why training stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The recipe is not one.
    #[error("recipe: {0}")]
    Recipe(String),
    /// A recording cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A recording has another sample rate than the front end.
    #[error("{} has {found} samples a second, the front end needs {needed}: resample it", path.display())]
    SampleRate {
        /// The file.
        path: PathBuf,
        /// Rate of the recording.
        found: u32,
        /// Rate of the front end.
        needed: u32,
    },
    /// Data that the recipe needs are missing.
    #[error("{} holds no recordings: the recipe needs {needed}", path.display())]
    NoRecordings {
        /// The folder.
        path: PathBuf,
        /// What it is needed for.
        needed: &'static str,
    },
    /// The front end refuses its parameters.
    #[error(transparent)]
    FrontEnd(#[from] FrontEndSpecError),
    /// A checkpoint is of another recipe, or damaged.
    #[error("{}: {reason}; remove it, or train without resuming", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The loss is no number any more.
    #[error("the loss is no number any more in epoch {epoch}: lower the learning rate")]
    Diverged {
        /// Epoch, counted from 0.
        epoch: usize,
    },
}

impl TrainError {
    /// For `map_err` on reading or writing this path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.into(), source }
    }
}
