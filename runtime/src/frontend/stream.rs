//! The front end at work: samples in, features out.

use super::fft::{self, Complex, Turn};
use super::log::ln;
use super::{FrontEnd, FrontEndError};

/// Bits that windowed samples are scaled to, so that no sum of the transform exceeds 2^30.
const SAMPLE_BITS: u32 = 20;
/// Bits of the power left out before it is weighted, so that a band's sum stays within 64 bits.
const POWER_SHIFT: u32 = 12;

/// A front end with its memory: a ring of the last samples and two transform buffers.
#[derive(Debug)]
pub struct Stream<'p, 'a> {
    front_end: FrontEnd<'p>,
    ring: &'a mut [i16],
    data: &'a mut [Complex],
    spare: &'a mut [Complex],
    mel: &'a mut [i32],
    features: &'a mut [i32],
    /// Samples pushed.
    samples: usize,
    /// Frames emitted.
    frames: usize,
}

impl<'p, 'a> Stream<'p, 'a> {
    /// A front end at the start of a signal, in `scratch_len()` i32 of lent memory.
    ///
    /// # Errors
    /// [`FrontEndError::Scratch`] if the memory is too short.
    pub fn new(front_end: FrontEnd<'p>, scratch: &'a mut [i32]) -> Result<Self, FrontEndError> {
        let record = front_end.record();
        let (ring_len, fft_len) = (usize::from(record.window_len) >> 1, usize::from(record.fft_len));
        let mel_len = usize::from(record.mel_count);
        let missing = FrontEndError::Scratch;
        let (ring, rest) = scratch.split_at_mut_checked(ring_len).ok_or(missing)?;
        let (data, rest) = rest.split_at_mut_checked(fft_len).ok_or(missing)?;
        let (spare, rest) = rest.split_at_mut_checked(fft_len).ok_or(missing)?;
        let (mel, rest) = rest.split_at_mut_checked(mel_len).ok_or(missing)?;
        let features = rest.get_mut(..mel_len).ok_or(missing)?;
        let (data, _) = data.as_chunks_mut();
        let (spare, _) = spare.as_chunks_mut();
        let ring = bytemuck::must_cast_slice_mut(ring);
        Ok(Self { front_end, ring, data, spare, mel, features, samples: 0, frames: 0 })
    }

    /// Goes back to the start of a signal.
    pub fn reset(&mut self) {
        self.samples = 0;
        self.frames = 0;
    }

    /// Pushes samples; `emit` gets the features of each frame that they complete.
    pub fn push(&mut self, samples: &[i16], mut emit: impl FnMut(&[i32])) {
        for &sample in samples {
            let slot = self.samples.checked_rem(self.ring.len()).unwrap_or(0);
            if let Some(slot) = self.ring.get_mut(slot) {
                *slot = sample;
            }
            self.samples = self.samples.wrapping_add(1);
            if self.samples >= self.samples_needed() {
                self.frame(None);
                emit(self.feature_slice());
                self.frames = self.frames.wrapping_add(1);
            }
        }
    }

    /// Ends the signal: a centred front end emits the frames that reach beyond its end, over the reflected signal.
    pub fn finish(&mut self, mut emit: impl FnMut(&[i32])) {
        while self.frames < self.front_end.frame_count(self.samples) {
            self.frame(Some(self.samples));
            emit(self.feature_slice());
            self.frames = self.frames.wrapping_add(1);
        }
    }

    /// Samples that the next frame needs to have been pushed.
    fn samples_needed(&self) -> usize {
        let record = self.front_end.record();
        let start = self.frames.wrapping_mul(record.hop.into());
        if record.centered == 0 {
            return start.wrapping_add(record.window_len.into());
        }
        let half = usize::from(record.window_len) >> 1;
        // The reflection of the first frame's start reaches one sample further than its end.
        start.wrapping_add(half).max(half.wrapping_add(1))
    }

    fn feature_slice(&self) -> &[i32] {
        self.features.get(..self.front_end.feature_count()).unwrap_or(&[])
    }

    /// Sample `index` of the signal, reflected at its start and, if it has ended, at its end.
    fn sample(&self, index: i64, end: Option<usize>) -> i32 {
        let mut index = index.abs();
        if let Some(end) = end {
            let last = (end as i64).wrapping_sub(1);
            if index > last {
                index = last.wrapping_mul(2).wrapping_sub(index).max(0);
            }
        }
        let slot = (index as usize).checked_rem(self.ring.len()).unwrap_or(0);
        let known = (index as usize) < self.samples;
        if known { self.ring.get(slot).copied().unwrap_or(0).into() } else { 0 }
    }

    /// Computes the features of the next frame.
    fn frame(&mut self, end: Option<usize>) {
        let exponent = self.window(end);
        let turn = Turn::new(self.front_end.cosines);
        fft::transform(self.data, self.spare, turn);
        self.bands(turn, exponent);
        self.cosine_transform();
    }

    /// Fills the transform with windowed samples, scaled to use the available bits; returns the scale's exponent.
    fn window(&mut self, end: Option<usize>) -> i32 {
        let record = *self.front_end.record();
        let half = if record.centered == 1 { i64::from(record.window_len >> 1) } else { 0 };
        let start = (self.frames as i64).wrapping_mul(record.hop.into()).wrapping_sub(half);
        let product = |stream: &Self, i: usize| {
            let weight = stream.front_end.window.get(i).copied().unwrap_or(0);
            stream.sample(start.wrapping_add(i as i64), end).wrapping_mul(weight.into())
        };
        let length = usize::from(record.window_len);
        let largest = (0..length).fold(0u32, |m, i| m.max(product(self, i).unsigned_abs()));
        let exponent = (largest.leading_zeros() as i32).wrapping_sub(32 - SAMPLE_BITS as i32);
        let scaled = |value: i32| {
            if exponent >= 0 {
                value.wrapping_shl(exponent as u32)
            } else {
                let shift = exponent.unsigned_abs();
                value.wrapping_add(1i32.wrapping_shl(shift.wrapping_sub(1))).wrapping_shr(shift)
            }
        };
        for k in 0..self.data.len() {
            let pair = [k.wrapping_mul(2), k.wrapping_mul(2).wrapping_add(1)].map(|i| scaled(product(self, i)));
            if let Some(out) = self.data.get_mut(k) {
                *out = pair;
            }
        }
        exponent
    }

    /// Log-mel values of the spectrum.
    fn bands(&mut self, turn: Turn<'_>, exponent: i32) {
        let record = self.front_end.record();
        // Samples are Q15 and the window Q15; weights are Q16 and the power lost some bits.
        let scale = (60i32 + 16 - POWER_SHIFT as i32).wrapping_add(exponent.wrapping_mul(2));
        let mut weights = self.front_end.weights;
        for (out, band) in self.mel.iter_mut().zip(self.front_end.bands()) {
            let (own, rest) = weights.split_at_checked(band.count.into()).unwrap_or((&[], &[]));
            weights = rest;
            let mut sum = 0u64;
            for (i, &weight) in own.iter().enumerate() {
                let power = fft::power(self.data, turn, usize::from(band.first).wrapping_add(i));
                sum = sum.saturating_add((power >> POWER_SHIFT).wrapping_mul(weight.into()));
            }
            *out = if sum == 0 {
                record.silence
            } else {
                ln(sum, scale.wrapping_neg()).saturating_add(band.offset).max(record.floor)
            };
        }
    }

    /// Features from log-mel values: the values themselves, or their DCT.
    fn cosine_transform(&mut self) {
        let dct = self.front_end.dct;
        if dct.is_empty() {
            self.features.copy_from_slice(self.mel);
            return;
        }
        for (out, row) in self.features.iter_mut().zip(dct.chunks_exact(self.mel.len().max(1))) {
            let products = row.iter().zip(self.mel.iter()).map(|(&c, &m)| i64::from(c).wrapping_mul(m.into()));
            let sum = products.fold(1i64 << 15, i64::wrapping_add);
            *out = (sum >> 16).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        }
    }
}
