//! Examples: recordings drawn, augmented and turned into features.

use super::corpus::{Clip, Corpus, SILENCE, UNKNOWN};
use super::{Recipe, TrainError, augment};
use crate::frontend::FrontEndSpecError;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use residua::frontend::{FrontEnd, Stream};

/// Features, examples after one another, and the label of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[examples, frames, features]`.
    pub features: Vec<f32>,
    /// Index of each example's label.
    pub labels: Vec<usize>,
}

/// Makes examples of a corpus.
#[derive(Debug)]
pub struct Examples<'a> {
    recipe: &'a Recipe,
    corpus: &'a Corpus,
    /// Front end as the runtime reads it.
    section: Vec<u8>,
    silence: usize,
    unknown: usize,
    keywords: Vec<usize>,
}

impl<'a> Examples<'a> {
    /// Examples as a recipe wants them.
    ///
    /// # Errors
    /// The front end refuses its parameters, or the recipe lacks a label.
    pub fn new(recipe: &'a Recipe, corpus: &'a Corpus) -> Result<Self, TrainError> {
        let position = |name: &str| {
            let place = recipe.labels.iter().position(|label| label == name);
            place.ok_or_else(|| TrainError::Recipe(format!("labels lack `{name}`")))
        };
        let (silence, unknown) = (position(SILENCE)?, position(UNKNOWN)?);
        let keywords = (0..recipe.labels.len()).filter(|&label| label != silence && label != unknown).collect();
        let section = recipe.front_end.section(1.0, 0)?;
        Ok(Self { recipe, corpus, section, silence, unknown, keywords })
    }

    /// Frames of an example.
    pub fn frames(&self) -> usize {
        let front_end = &self.recipe.front_end;
        let (window, hop) = (usize::from(front_end.window), usize::from(front_end.hop));
        if front_end.centered {
            self.recipe.samples / hop + 1
        } else {
            self.recipe.samples.saturating_sub(window) / hop + 1
        }
    }

    /// The examples of one step; equal for equal recipes and corpora, whatever came before.
    ///
    /// # Errors
    /// The front end refuses its parameters.
    pub fn batch(&self, step: usize) -> Result<Batch, TrainError> {
        let examples = (0..self.recipe.batch).into_par_iter().map(|index| {
            let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
            random.set_stream((step * self.recipe.batch + index) as u64);
            let (samples, label) = self.draw(&mut random);
            let mut features = self.features(&samples)?;
            let width = self.recipe.front_end.feature_count();
            augment::mask(&mut features, width, &self.recipe.augmentation, &mut random);
            Ok((features, label))
        });
        collect(examples)
    }

    /// The validation recordings as they are, and noise as every twelfth.
    ///
    /// # Errors
    /// The front end refuses its parameters.
    pub fn validation(&self) -> Result<Batch, TrainError> {
        let mut clips: Vec<(Clip, usize)> = self.corpus.validation.clone();
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        random.set_stream(u64::MAX);
        let silences = clips.len() / 11;
        clips.extend((0..silences).map(|_| (self.noise_alone(&mut random), self.silence)));
        let examples = clips.into_par_iter().map(|(mut clip, label)| {
            clip.resize(self.recipe.samples, 0);
            Ok((self.features(&clip)?, label))
        });
        collect(examples)
    }

    /// One recording of a class that the shares draw.
    fn draw(&self, random: &mut impl Rng) -> (Vec<i16>, usize) {
        let (shares, augmentation) = (&self.recipe.shares, &self.recipe.augmentation);
        let len = self.recipe.samples;
        let mut lot = random.random_range(0.0..1.0);
        let mut falls = |share: f64| {
            lot -= share;
            lot < 0.0
        };
        let any_keyword = |random: &mut _| self.keywords.choose(random).copied().unwrap_or_default();
        let (mut samples, label) = if falls(shares.silence) {
            return (self.noise_alone(random), self.silence);
        } else if falls(shares.speech) && !self.corpus.speech.is_empty() {
            (augment::piece(choose(&self.corpus.speech, random), len, random), self.unknown)
        } else if falls(shares.reversed) {
            let mut clip = choose(&self.corpus.keywords[any_keyword(random)], random).to_vec();
            clip.reverse();
            (augment::word(&clip, len, augmentation, random), self.unknown)
        } else if falls(shares.words) && !self.corpus.words.is_empty() {
            (augment::word(self.other_word(random), len, augmentation, random), self.unknown)
        } else {
            let keyword = any_keyword(random);
            (augment::word(choose(&self.corpus.keywords[keyword], random), len, augmentation, random), keyword)
        };
        augment::add_noise(&mut samples, choose(&self.corpus.noise, random), augmentation, random);
        (augment::gain(&samples, augmentation, random), label)
    }

    /// A recording of a word that is no keyword: every other time of any recording, else of any word, so that words with
    /// few recordings are heard too.
    fn other_word(&self, random: &mut impl Rng) -> &[i16] {
        let words = &self.corpus.words;
        if random.random_bool(0.5) {
            return words.choose(random).map_or(&[], |word| choose(word, random));
        }
        let mut index = random.random_range(0..words.iter().map(Vec::len).sum::<usize>().max(1));
        for word in words {
            match word.get(index) {
                Some(clip) => return clip,
                None => index -= word.len(),
            }
        }
        &[]
    }

    /// A piece of noise at a random volume, one in ten very low.
    fn noise_alone(&self, random: &mut impl Rng) -> Vec<i16> {
        let noise = augment::piece(choose(&self.corpus.noise, random), self.recipe.samples, random);
        let highest = if random.random_bool(0.1) { 0.01 } else { 1.0 };
        let volume = random.random_range(0.0..highest);
        noise.iter().map(|s| (s * volume).round() as i16).collect()
    }

    /// Features by the runtime's fixed-point front end.
    fn features(&self, samples: &[i16]) -> Result<Vec<f32>, TrainError> {
        let front_end = FrontEnd::load(&self.section).map_err(FrontEndSpecError::Runtime)?;
        let mut scratch = vec![0; front_end.scratch_len()];
        let mut stream = Stream::new(front_end, &mut scratch).map_err(FrontEndSpecError::Runtime)?;
        let mut features = vec![];
        let mut keep = |frame: &[i32]| features.extend(frame.iter().map(|&f| f as f32 / 65536.0));
        stream.push(samples, &mut keep);
        stream.finish(&mut keep);
        Ok(features)
    }
}

fn choose<'c>(clips: &'c [Clip], random: &mut impl Rng) -> &'c [i16] {
    clips.choose(random).map_or(&[], Vec::as_slice)
}

/// Examples in order.
fn collect(
    examples: impl IndexedParallelIterator<Item = Result<(Vec<f32>, usize), TrainError>>,
) -> Result<Batch, TrainError> {
    let examples = examples.collect::<Result<Vec<_>, _>>()?;
    let mut batch = Batch::default();
    for (features, label) in examples {
        batch.features.extend(features);
        batch.labels.push(label);
    }
    Ok(batch)
}
