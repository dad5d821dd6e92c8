//! Recordings to train on.
//!
//! | folder | what |
//! |---|---|
//! | `speech_commands/train/WORD` | one word a recording |
//! | `speech_commands/validation/WORD` | the same of other speakers |
//! | `speech_commands/background_noise` | long noises |
//! | `librispeech` | running speech; may be absent |

use super::TrainError;
use crate::audio;
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Label of noise alone.
pub const SILENCE: &str = "_silence_";
/// Label of speech that is no keyword.
pub const UNKNOWN: &str = "_unknown_";

/// Samples of one recording.
pub type Clip = Vec<i16>;

/// All recordings, decoded.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// Per label; empty for `_silence_` and `_unknown_`.
    pub keywords: Vec<Vec<Clip>>,
    /// Per word that is no label.
    pub words: Vec<Vec<Clip>>,
    /// Running speech.
    pub speech: Vec<Clip>,
    /// Noises.
    pub noise: Vec<Clip>,
    /// Recordings of speakers that are in no other list, with the index of their label.
    pub validation: Vec<(Clip, usize)>,
}

impl Corpus {
    /// Reads the folder that holds `speech_commands`.
    ///
    /// # Errors
    /// A folder is missing or empty, or a recording cannot be decoded or has another sample rate.
    pub fn open(folder: &Path, labels: &[String], sample_rate: u32) -> Result<Self, TrainError> {
        let speech_commands = folder.join("speech_commands");
        let mut corpus = Self { keywords: vec![vec![]; labels.len()], ..Self::default() };
        for (word, clips) in words(&speech_commands.join("train"), sample_rate)? {
            match labels.iter().position(|label| *label == word) {
                Some(label) => corpus.keywords[label] = clips,
                None => corpus.words.push(clips),
            }
        }
        for (index, label) in labels.iter().enumerate() {
            if label != SILENCE && label != UNKNOWN && corpus.keywords[index].is_empty() {
                let path = speech_commands.join("train").join(label);
                return Err(TrainError::NoRecordings { path, needed: "each keyword" });
            }
        }
        let unknown = labels.iter().position(|label| label == UNKNOWN);
        for (word, clips) in words(&speech_commands.join("validation"), sample_rate)? {
            if let Some(label) = labels.iter().position(|label| *label == word).or(unknown) {
                corpus.validation.extend(clips.into_iter().map(|clip| (clip, label)));
            }
        }
        corpus.noise = recordings(&speech_commands.join("background_noise"), sample_rate)?;
        if corpus.noise.is_empty() {
            return Err(TrainError::NoRecordings {
                path: speech_commands.join("background_noise"),
                needed: "noises, for silence",
            });
        }
        let speech = folder.join("librispeech");
        if speech.is_dir() {
            corpus.speech = recordings(&speech, sample_rate)?;
        }
        Ok(corpus)
    }
}

/// Recordings of each folder in a folder, by name.
fn words(folder: &Path, sample_rate: u32) -> Result<Vec<(String, Vec<Clip>)>, TrainError> {
    let mut words = vec![];
    for path in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        words.push((name, recordings(&path, sample_rate)?));
    }
    Ok(words)
}

/// The recordings of a folder, by name.
fn recordings(folder: &Path, sample_rate: u32) -> Result<Vec<Clip>, TrainError> {
    let is_audio =
        |path: &PathBuf| path.extension().is_some_and(|e| ["wav", "flac", "ogg"].iter().any(|known| e == *known));
    let files: Vec<_> = sorted(folder)?.into_iter().filter(is_audio).collect();
    let decode = |path: PathBuf| {
        let recording = audio::decode(&path)?;
        if recording.sample_rate != sample_rate {
            return Err(TrainError::SampleRate { path, found: recording.sample_rate, needed: sample_rate });
        }
        Ok(recording.samples)
    };
    files.into_par_iter().map(decode).collect()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(TrainError::io(folder))?;
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(TrainError::io(folder))?;
    paths.sort();
    Ok(paths)
}
