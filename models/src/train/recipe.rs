//! Parameters of a training run.

use super::TrainError;
use super::corpus::{SILENCE, UNKNOWN};
use crate::frontend::FrontEndSpec;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// All that a run depends on beside the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Front end of the model.
    pub front_end: FrontEndSpec,
    /// Classes in the order of the model's outputs; all but `_silence_` and `_unknown_` are folders of the corpus.
    pub labels: Vec<String>,
    /// Samples of one example.
    pub samples: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Steps an epoch.
    pub steps: usize,
    /// Examples a step.
    pub batch: usize,
    /// Highest learning rate, reached after the first epoch; it falls to 0 along a half cosine then (Loshchilov and
    /// Hutter, "SGDR", 2017).
    pub learning_rate: f64,
    /// Nesterov momentum.
    pub momentum: f64,
    /// Decay of all weights.
    pub weight_decay: f32,
    /// Share of the target spread over all classes (Szegedy et al., "Rethinking the Inception Architecture", 2016).
    pub label_smoothing: f32,
    /// Share of the average of the weights that stays at each step; the average is what is exported.
    pub average_decay: f32,
    /// Seed of everything random.
    pub seed: u64,
    /// What examples are made of.
    pub shares: Shares,
    /// What is done to them.
    pub augmentation: Augmentation,
}

/// Shares of the examples; keywords have the rest, each as much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Noise alone.
    pub silence: f64,
    /// Words that are no keywords.
    pub words: f64,
    /// Pieces of running speech, which count as unknown.
    pub speech: f64,
    /// Keywords played backwards, which count as unknown.
    pub reversed: f64,
}

/// What is done to an example, each with its own draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Longest shift in samples, either way.
    pub shift: usize,
    /// Largest change of speed (and pitch), as a share.
    pub speed: f64,
    /// Largest change of volume in dB, either way.
    pub gain_db: f64,
    /// Share of the examples that noise is added to.
    pub noise: f64,
    /// Signal-to-noise ratio of those in dB, from and to.
    pub noise_db: [f64; 2],
    /// Share of the examples of which a span of frames, or of features, is blanked out (Park et al., "SpecAugment", 2019).
    pub masks: f64,
    /// Longest span of frames.
    pub mask_frames: usize,
    /// Longest span of features.
    pub mask_features: usize,
}

impl Recipe {
    /// A recipe that comes with residua: `res8_narrow`.
    pub fn named(name: &str) -> Option<Result<Self, TrainError>> {
        (name == "res8_narrow").then(|| Self::from_json(include_str!("../../res8_narrow/recipe.json")))
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// The text is not the JSON of a recipe, or its numbers make no sense.
    pub fn from_json(json: &str) -> Result<Self, TrainError> {
        let recipe: Self = serde_json::from_str(json).map_err(|error| TrainError::Recipe(error.to_string()))?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), TrainError> {
        let Shares { silence, words, speech, reversed } = self.shares;
        let all = [silence, words, speech, reversed];
        let checks = [
            (self.labels.iter().any(|l| l == SILENCE), "labels lack `_silence_`"),
            (self.labels.iter().any(|l| l == UNKNOWN), "labels lack `_unknown_`"),
            (self.labels.len() > 2, "labels hold no keyword"),
            (self.epochs > 0 && self.steps > 0 && self.batch > 1, "epochs, steps, batch: at least 1, 1, 2"),
            (self.samples > 0, "samples: at least 1"),
            (all.iter().all(|s| (0.0..1.0).contains(s)) && all.iter().sum::<f64>() < 1.0, "shares: 0 to 1 in all"),
            (self.learning_rate > 0.0 && self.learning_rate.is_finite(), "learning_rate: above 0"),
            ((0.0..1.0).contains(&self.momentum), "momentum: from 0 to below 1"),
            ((0.0..1.0).contains(&self.label_smoothing), "label_smoothing: from 0 to below 1"),
            ((0.0..1.0).contains(&self.average_decay), "average_decay: from 0 to below 1"),
            ((0.0..0.5).contains(&self.augmentation.speed), "augmentation.speed: from 0 to below 0.5"),
        ];
        for (holds, problem) in checks {
            if !holds {
                return Err(TrainError::Recipe(problem.into()));
            }
        }
        self.front_end.section(1.0, 0)?;
        Ok(())
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> usize {
        self.epochs * self.steps
    }

    /// Learning rate at a step, counted from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let (step, warm_up, total) = (step as f64, self.steps as f64, self.total_steps() as f64);
        if step < warm_up {
            return self.learning_rate * (step + 1.0) / warm_up;
        }
        let done = (step - warm_up) / (total - warm_up).max(1.0);
        self.learning_rate * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
    }
}
