//! What a run leaves after every epoch, to go on from.

use super::{Recipe, TrainError, Weights};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Name of the file.
pub const CHECKPOINT: &str = "checkpoint.json";

/// One epoch of the curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 0.
    pub epoch: usize,
    /// Mean loss of its steps.
    pub loss: f64,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Share of the validation recordings that the averaged weights get right.
    pub validation_top1: f64,
    /// Examples a second.
    pub samples_per_second: f64,
}

/// State of a run between two epochs. The momentum is not part of it: it builds up again within some tens of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The recipe that is followed.
    pub recipe: Recipe,
    /// Epochs so far.
    pub history: Vec<Epoch>,
    /// Weights that are trained.
    pub weights: Weights,
    /// Their average.
    pub average: Weights,
}

impl Checkpoint {
    /// Writes the checkpoint into a folder; an interrupted write leaves the former one.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<(), TrainError> {
        let (path, partial) = (folder.join(CHECKPOINT), folder.join("checkpoint.partial"));
        let json = serde_json::to_vec(self).map_err(|error| TrainError::Recipe(error.to_string()))?;
        fs::write(&partial, json).map_err(TrainError::io(&partial))?;
        fs::rename(&partial, &path).map_err(TrainError::io(&path))
    }

    /// Reads the checkpoint of a folder; `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainError> {
        let path = folder.join(CHECKPOINT);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(TrainError::io(&path))?,
        };
        let damaged = |error: serde_json::Error| TrainError::Checkpoint { path, reason: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }
}
