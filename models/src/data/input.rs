//! From an item to a model's input.

use super::{Array, DataError, Item, arrange};
use crate::frontend::FrontEndSpec;
use crate::inputs::Part;

/// What a float model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInput {
    /// Shape as the model declares it, batch 1 first; that of all inputs together where there are several.
    pub shape: Vec<usize>,
    /// The inputs, where there are several.
    pub parts: Vec<Part>,
    /// Front end, where recordings are to be turned into features.
    pub front_end: Option<FrontEndSpec>,
}

impl ModelInput {
    /// An item as the model's input, flat, in the declared order. Recordings are padded with silence, or cut, to the length
    /// of the model's window.
    ///
    /// # Errors
    /// The item does not match the model.
    pub fn values(&self, item: Item) -> Result<Vec<f32>, DataError> {
        let recording = match item {
            Item::Array(array) => return arrange(array, &self.shape),
            Item::Arrays(arrays) => return join(arrays, &self.parts),
            Item::Recording(recording) => recording,
        };
        let Some(front_end) = &self.front_end else {
            return Err(DataError::NoFrontEnd { declared: self.shape.clone() });
        };
        if recording.sample_rate != front_end.sample_rate {
            return Err(DataError::SampleRate { found: recording.sample_rate, needed: front_end.sample_rate });
        }
        let features = front_end.feature_count();
        let frames = self.shape.iter().product::<usize>() / features.max(1);
        let window = front_end.window.into();
        let length = samples_of_frames(frames, window, front_end.hop.into(), front_end.centered);
        let computed = front_end.features(&to_length(recording.samples, length))?;
        let shape = vec![computed.len(), features];
        arrange(Array { shape, values: computed.into_iter().flatten().collect() }, &self.shape)
    }
}

/// Arrays one behind the other in the order of a model's inputs: by their names where all are those of inputs, else as they come.
///
/// # Errors
/// There are not as many as inputs, or one has another shape.
pub fn join(arrays: Vec<(String, Array)>, parts: &[Part]) -> Result<Vec<f32>, DataError> {
    if arrays.len() != parts.len() {
        let names = |names: Vec<&str>| names.join(", ");
        return Err(DataError::Inputs {
            found: names(arrays.iter().map(|(name, _)| name.as_str()).collect()),
            needed: names(parts.iter().map(|part| part.name.as_str()).collect()),
        });
    }
    let named = parts.iter().all(|part| arrays.iter().any(|(name, _)| *name == part.name));
    let mut values = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let found = arrays.iter().position(|(name, _)| named && *name == part.name).unwrap_or(place);
        values.extend(arrange(arrays[found].1.clone(), &part.shape)?);
    }
    Ok(values)
}

/// The fewest samples that give this many frames.
pub fn samples_of_frames(frames: usize, window: usize, hop: usize, centered: bool) -> usize {
    match frames.checked_sub(1) {
        Some(steps) if centered => (steps * hop).max(1),
        Some(steps) => steps * hop + window,
        None => 0,
    }
}

/// Samples cut, or followed by silence, to a length.
pub fn to_length(mut samples: Vec<i16>, length: usize) -> Vec<i16> {
    samples.resize(length, 0);
    samples
}
