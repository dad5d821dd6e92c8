//! What a depthwise convolution reads: packed weights, and the pixel under each tap.

use super::fours::{self, BLOCK, FRAME, Run};

/// Weights of a depthwise convolution in the order in which they are read.
///
/// A stream of words, one run for each block of four channels (filled up with zeros): the four biases, then a word of four
/// int8 weights a tap, then the four multipliers. Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct PackedTaps<'p> {
    words: &'p [u32],
    taps: usize,
    channels: usize,
}

impl<'p> PackedTaps<'p> {
    /// Number of words for `channels` kernels of `taps` taps; `None` if that overflows.
    pub fn len(taps: usize, channels: usize) -> Option<usize> {
        channels.div_ceil(BLOCK).checked_mul(taps.checked_add(FRAME)?)
    }

    /// The kernels in these words; `None` unless they are as many as [`PackedTaps::len`] says, and not none.
    pub fn new(words: &'p [u32], taps: usize, channels: usize) -> Option<Self> {
        let sound = taps > 0 && channels > 0 && Self::len(taps, channels)? == words.len();
        sound.then_some(Self { words, taps, channels })
    }

    /// Taps of a kernel.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All words.
    pub fn words(&self) -> &'p [u32] {
        self.words
    }

    /// The run of each block.
    #[inline(always)]
    pub fn runs(&self) -> impl Iterator<Item = Run<'p>> + use<'p> {
        fours::runs(self.words, self.taps)
    }

    /// Bias, weights (tap by tap) and multiplier of a channel.
    pub fn channel(&self, channel: usize) -> Option<(i32, impl Iterator<Item = i8> + use<'p>, i32)> {
        let run = self.runs().nth(channel >> 2)?;
        let lane = channel & 3;
        let weights = run.weights.iter().map(move |word| (word >> ((lane as u32) << 3)) as i8);
        Some((*run.bias.get(lane)?, weights, *run.multiplier.get(lane)?))
    }
}

/// Packs `weights` (`[channel][tap]`) with their biases and multipliers; `None` where lengths do not match.
pub fn pack_taps(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    fours::pack(weights, weights.len().checked_div(biases.len())?, biases, multipliers, out)
}

/// The pixels under the taps of one output pixel, in the kernel's order.
#[derive(Debug)]
pub struct Taps<'a> {
    pixels: [&'a [i8]; Taps::MAX],
    len: usize,
}

impl<'a> Taps<'a> {
    /// Most taps that it holds.
    pub const MAX: usize = 16;

    /// None yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self { pixels: [&[]; Self::MAX], len: 0 }
    }

    /// Appends a pixel; leaves out what is more than [`Taps::MAX`].
    #[inline(always)]
    pub fn push(&mut self, pixel: &'a [i8]) {
        if let Some(slot) = self.pixels.get_mut(self.len) {
            *slot = pixel;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// The pixels.
    #[inline(always)]
    pub fn pixels(&self) -> &[&'a [i8]] {
        self.pixels.get(..self.len).unwrap_or(&[])
    }
}

impl Default for Taps<'_> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn what_is_packed_is_read(
            taps in 1usize..20, numbers in proptest::collection::vec((any::<i32>(), any::<i32>()), 1..10), seed in any::<u64>(),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let weights = crate::operators::testing::int8s(seed)(taps * biases.len());
            let mut words = vec![7; PackedTaps::len(taps, biases.len()).unwrap()];
            pack_taps(&weights, &biases, &multipliers, &mut words).unwrap();
            let packed = PackedTaps::new(&words, taps, biases.len()).unwrap();
            for c in 0..biases.len() {
                let (bias, kernel, multiplier) = packed.channel(c).unwrap();
                prop_assert_eq!((bias, multiplier), (biases[c], multipliers[c]));
                prop_assert_eq!(kernel.collect::<Vec<_>>(), &weights[c * taps..][..taps]);
            }
        }
    }
}
