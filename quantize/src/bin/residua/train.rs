//! `residua train`.

use crate::common::failure::Failure;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Trains a reference model: writes the ONNX file, curves (JSON lines) and a checkpoint
///
/// DATA is a folder that holds speech_commands/{train,validation,background_noise} and, if it may learn from running
/// speech, librispeech. Needs a residua that was built with `--features train`.
///
/// Example: residua train res8_narrow --data data --out trained
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Recipe that comes with residua (res8_narrow), or a JSON file
    recipe: String,
    /// Recordings
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    /// Folder for what training writes; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What computes
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
    /// Epochs, in place of the recipe's
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Go on from the checkpoint in the folder
    #[arg(long)]
    resume: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Device {
    Cpu,
    Gpu,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.device == Device::Gpu {
        return Err(Failure::not_available("--device gpu"));
    }
    follow(arguments)
}

#[cfg(not(feature = "train"))]
fn follow(_: &Arguments) -> Result<(), Failure> {
    use crate::common::failure::Kind;
    Err(Failure::new(Kind::Usage, "this residua was built without training: build it with `--features train`"))
}

#[cfg(feature = "train")]
fn follow(arguments: &Arguments) -> Result<(), Failure> {
    use crate::common::output::{report, write_file};
    use crate::common::progress::bar;
    use residua_models::train::{Corpus, to_graph, train};
    use residua_models::{onnx, rewrite};

    let recipe = recipe(arguments)?;
    let corpus = Corpus::open(&arguments.data, &recipe.labels, recipe.front_end.sample_rate)?;
    let bar = bar("epochs", recipe.epochs);
    let outcome = train(&recipe, &corpus, &arguments.out, arguments.resume, |epoch| {
        bar.set_position(epoch.epoch as u64 + 1);
        bar.set_message(format!("loss {:.3}, top-1 {:.4}", epoch.loss, epoch.validation_top1));
    })?;
    bar.finish_and_clear();
    let mut graph = to_graph(&outcome, &recipe);
    rewrite::to_fixed_point(&mut graph);
    let path = arguments.out.join(format!("{}.onnx", graph.name));
    write_file(&path, &onnx::export(&graph))?;
    let last = outcome.history.last();
    let result = Report {
        epochs: outcome.history.len(),
        validation_top1: last.map_or(0.0, |epoch| epoch.validation_top1),
        samples_per_second: last.map_or(0.0, |epoch| epoch.samples_per_second),
        model: path.display().to_string(),
    };
    report(arguments.json, &result, || {
        format!("{}: {} epochs, top-1 on validation {:.4}", result.model, result.epochs, result.validation_top1)
    })
}

#[cfg(feature = "train")]
#[derive(serde::Serialize)]
struct Report {
    epochs: usize,
    validation_top1: f64,
    samples_per_second: f64,
    model: String,
}

/// The recipe that comes with residua, or that of a file.
#[cfg(feature = "train")]
fn recipe(arguments: &Arguments) -> Result<residua_models::train::Recipe, Failure> {
    use crate::common::models::read;
    use residua_models::train::Recipe;
    let mut recipe = match Recipe::named(&arguments.recipe) {
        Some(recipe) => recipe?,
        None => {
            let bytes = read(std::path::Path::new(&arguments.recipe))?;
            Recipe::from_json(&String::from_utf8_lossy(&bytes))
                .map_err(|error| Failure::from(error).about(&arguments.recipe))?
        }
    };
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    Ok(recipe)
}
