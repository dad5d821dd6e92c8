//! The training loop.

use super::checkpoint::{CHECKPOINT, Checkpoint, Epoch};
use super::corpus::Corpus;
use super::examples::{Batch, Examples};
use super::{Recipe, Res8Narrow, TrainError, Weights};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Name of the file with one line of JSON an epoch.
pub const CURVES: &str = "curves.jsonl";

/// Validation recordings that are scored at once.
const SCORED_AT_ONCE: usize = 128;

/// What training gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The averaged network, on the CPU, for inference.
    pub network: Res8Narrow,
    /// Frames of one example.
    pub frames: usize,
    /// All epochs, those before a resume too.
    pub history: Vec<Epoch>,
}

/// Follows a recipe. The folder gets [`CURVES`] and [`CHECKPOINT`]; with `resume`, a run that was cut off goes on from the
/// latter. `report` hears of every epoch.
///
/// # Errors
/// The front end or a checkpoint does not fit, the folder cannot be written to, or the loss is no number any more.
pub fn train(
    recipe: &Recipe,
    corpus: &Corpus,
    folder: &Path,
    resume: bool,
    mut report: impl FnMut(&Epoch),
) -> Result<Outcome, TrainError> {
    let device = Device::flex();
    device.seed(recipe.seed);
    let examples = Examples::new(recipe, corpus)?;
    let validation = examples.validation()?;
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let mut network = Res8Narrow::new(recipe.labels.len(), &device.clone().autodiff());
    let mut average = Weights::of(&network);
    let mut history = vec![];
    if let Some(checkpoint) = resume.then(|| Checkpoint::read(folder)).transpose()?.flatten() {
        let refuse = |reason: &str| TrainError::Checkpoint { path: folder.join(CHECKPOINT), reason: reason.into() };
        if checkpoint.recipe != *recipe {
            return Err(refuse("it is of another recipe"));
        }
        network = checkpoint.weights.put_into(network).ok_or_else(|| refuse("its weights are of another network"))?;
        average = checkpoint.average;
        history = checkpoint.history;
    }
    write_curves(folder, &history)?;

    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(MomentumConfig { momentum: recipe.momentum, dampening: 0.0, nesterov: true }))
        .with_weight_decay(Some(WeightDecayConfig { penalty: recipe.weight_decay }))
        .init();
    let train_device = device.clone().autodiff();
    let loss = CrossEntropyLossConfig::new().with_smoothing(Some(recipe.label_smoothing)).init(&train_device);
    for epoch in history.len()..recipe.epochs {
        let start = Instant::now();
        let (mut total, mut learning_rate) = (0.0, 0.0);
        for step in epoch * recipe.steps..(epoch + 1) * recipe.steps {
            let batch = examples.batch(step)?;
            let (features, labels) = tensors(&batch, 0..recipe.batch, examples.frames(), &train_device);
            let value = loss.forward(network.forward(features), labels);
            total += f64::from(value.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(value.backward(), &network);
            learning_rate = recipe.learning_rate_at(step);
            network = optimizer.step(learning_rate, network, gradients);
            // A mean of the first steps, so that the random start is soon forgotten.
            let decay = recipe.average_decay.min((1.0 + step as f32) / (10.0 + step as f32));
            average.blend(&Weights::of(&network), decay);
        }
        if !total.is_finite() {
            return Err(TrainError::Diverged { epoch });
        }
        let seconds = start.elapsed().as_secs_f64();
        let averaged = averaged(&average, recipe, &device);
        let entry = Epoch {
            epoch,
            loss: total / recipe.steps as f64,
            learning_rate,
            validation_top1: top1(&averaged, &validation, examples.frames(), &device),
            samples_per_second: (recipe.steps * recipe.batch) as f64 / seconds,
        };
        report(&entry);
        history.push(entry);
        write_curves(folder, &history)?;
        let weights = Weights::of(&network);
        Checkpoint { recipe: recipe.clone(), history: history.clone(), weights, average: average.clone() }
            .write(folder)?;
    }
    Ok(Outcome { network: averaged(&average, recipe, &device), frames: examples.frames(), history })
}

/// A network for inference with the averaged weights.
fn averaged(average: &Weights, recipe: &Recipe, device: &Device) -> Res8Narrow {
    let fresh = Res8Narrow::new(recipe.labels.len(), device);
    // The average began as the weights of such a network, or a checkpoint's that fitted one.
    average.put_into(fresh.clone()).unwrap_or(fresh)
}

/// Share of the examples that a network gets right.
fn top1(network: &Res8Narrow, batch: &Batch, frames: usize, device: &Device) -> f64 {
    let mut right = 0;
    for start in (0..batch.labels.len()).step_by(SCORED_AT_ONCE) {
        let range = start..(start + SCORED_AT_ONCE).min(batch.labels.len());
        let (features, labels) = tensors(batch, range, frames, device);
        let answers = network.forward(features).argmax(1).squeeze_dim::<1>(1);
        right += answers.equal(labels).int().sum().into_scalar::<i64>();
    }
    right as f64 / batch.labels.len().max(1) as f64
}

/// Some examples of a batch as `[examples, 1, frames, features]`, with their labels.
fn tensors(
    batch: &Batch,
    range: std::ops::Range<usize>,
    frames: usize,
    device: &Device,
) -> (Tensor<4>, Tensor<1, Int>) {
    let size = batch.features.len() / batch.labels.len().max(1);
    let count = range.len();
    let features = batch.features[range.start * size..range.end * size].to_vec();
    let features = TensorData::new(features, [count, 1, frames, size / frames.max(1)]);
    let labels: Vec<i64> = batch.labels[range].iter().map(|&label| label as i64).collect();
    (Tensor::from_data(features, device), Tensor::from_data(TensorData::new(labels, [count]), device))
}

fn write_curves(folder: &Path, history: &[Epoch]) -> Result<(), TrainError> {
    let path = folder.join(CURVES);
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).open(&path).map_err(TrainError::io(&path))?;
    for entry in history {
        let line = serde_json::to_string(entry).unwrap_or_default();
        writeln!(file, "{line}").map_err(TrainError::io(&path))?;
    }
    Ok(())
}
