//! What is done to a recording, or its features, before the model hears it.

use super::recipe::Augmentation;
use rand::Rng;
use std::ops::Range;

/// A piece of a recording, of `len` samples, from a random place; a shorter one lies in zeros at a random place.
pub fn piece(clip: &[i16], len: usize, random: &mut impl Rng) -> Vec<f32> {
    let mut out = vec![0.0; len];
    let (from, to) = match clip.len().checked_sub(len) {
        Some(spare) => (random.random_range(0..=spare), 0),
        None => (0, random.random_range(0..=len - clip.len())),
    };
    for (o, &s) in out[to..].iter_mut().zip(&clip[from..]) {
        *o = f32::from(s);
    }
    out
}

/// The recording at another speed, by linear interpolation, in the middle of `len` samples, shifted.
pub fn word(clip: &[i16], len: usize, augmentation: &Augmentation, random: &mut impl Rng) -> Vec<f32> {
    let speed = 1.0 + augmentation.speed * random.random_range(-1.0..=1.0);
    let shift = augmentation.shift as f64 * random.random_range(-1.0..=1.0);
    let (middle, centre) = (clip.len() as f64 / 2.0, len as f64 / 2.0);
    let sample = |i: usize| {
        let at = middle + (i as f64 - centre - shift) * speed;
        if at < 0.0 || at >= clip.len() as f64 - 1.0 {
            return 0.0;
        }
        let (whole, rest) = (at.floor() as usize, at.fract() as f32);
        f32::from(clip[whole]) * (1.0 - rest) + f32::from(clip[whole + 1]) * rest
    };
    (0..len).map(sample).collect()
}

/// Adds noise at a random signal-to-noise ratio, to a share of the recordings.
pub fn add_noise(samples: &mut [f32], noise: &[i16], augmentation: &Augmentation, random: &mut impl Rng) {
    if !random.random_bool(augmentation.noise) {
        return;
    }
    let [low, high] = augmentation.noise_db;
    let ratio_db = random.random_range(low..=high);
    let noise = piece(noise, samples.len(), random);
    let power = |x: &[f32]| x.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() + 1.0;
    let gain = (power(samples) / power(&noise) / 10f64.powf(ratio_db / 10.0)).sqrt() as f32;
    samples.iter_mut().zip(noise).for_each(|(s, n)| *s += gain * n);
}

/// Louder or softer; 16-bit samples, clipped.
pub fn gain(samples: &[f32], augmentation: &Augmentation, random: &mut impl Rng) -> Vec<i16> {
    let db = augmentation.gain_db * random.random_range(-1.0..=1.0);
    let factor = 10f64.powf(db / 20.0) as f32;
    samples.iter().map(|s| (s * factor).round() as i16).collect()
}

/// Blanks out a span of frames and a span of features, in a share of the examples, with the mean.
pub fn mask(features: &mut [f32], width: usize, augmentation: &Augmentation, random: &mut impl Rng) {
    if !random.random_bool(augmentation.masks) || features.is_empty() {
        return;
    }
    let mean = features.iter().sum::<f32>() / features.len() as f32;
    let frames = span(features.len() / width, augmentation.mask_frames, random);
    let columns = span(width, augmentation.mask_features, random);
    for (index, feature) in features.iter_mut().enumerate() {
        if frames.contains(&(index / width)) || columns.contains(&(index % width)) {
            *feature = mean;
        }
    }
}

fn span(len: usize, longest: usize, random: &mut impl Rng) -> Range<usize> {
    let own = random.random_range(0..=longest.min(len));
    let start = random.random_range(0..=len - own);
    start..start + own
}
