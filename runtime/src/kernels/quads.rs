//! Weights of a matrix product for kernels that read a weight at a time: those of four channels for an input lie together.

use super::fours::{self, BLOCK, FRAME, Run};

/// Weights of a matrix product in the order in which they are read.
///
/// A stream of words, one run for each block of four output channels (filled up with zeros): the four biases, then a word of
/// four int8 weights an input, with zeros behind the last input up to a multiple of four, then the four multipliers. Checked
/// length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct QuadMatrix<'p> {
    words: &'p [u32],
    steps: usize,
    channels: usize,
}

impl<'p> QuadMatrix<'p> {
    /// Inputs of a row of a dense layer are filled up to a multiple of this.
    pub const GRAIN: usize = 4;
    /// Bytes of the weights of four inputs in a block.
    pub const STEP_BYTES: usize = 16;

    /// Number of words for `fan_in` inputs and `channels` outputs; `None` if that overflows.
    pub fn len(fan_in: usize, channels: usize) -> Option<usize> {
        let block = fan_in.checked_next_multiple_of(Self::GRAIN)?.checked_add(FRAME)?;
        channels.div_ceil(BLOCK).checked_mul(block)
    }

    /// The matrix in these words; `None` unless they are as many as [`QuadMatrix::len`] says, and not none.
    pub fn new(words: &'p [u32], fan_in: usize, channels: usize) -> Option<Self> {
        let sound = fan_in > 0 && channels > 0 && Self::len(fan_in, channels)? == words.len();
        sound.then_some(Self { words, steps: fan_in.div_ceil(Self::GRAIN), channels })
    }

    /// Steps of four inputs.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All words.
    pub fn words(&self) -> &'p [u32] {
        self.words
    }

    /// Words of a block before its weights.
    pub fn before(&self) -> usize {
        BLOCK
    }

    /// The run of each block of channels.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Run<'p>> + use<'p> {
        fours::runs(self.words, self.steps.wrapping_mul(Self::GRAIN))
    }

    /// Initial accumulator, with 8 fraction bits, and multiplier of each channel.
    pub fn numbers(&self) -> impl Iterator<Item = (i32, i32)> + use<'p> {
        let numbers = self.blocks().flat_map(|block| block.bias.into_iter().zip(block.multiplier));
        numbers.map(|(bias, multiplier)| (bias << 8, multiplier)).take(self.channels)
    }

    /// The bias of a channel.
    pub fn bias(&self, channel: usize) -> i32 {
        self.blocks().nth(channel >> 2).and_then(|block| block.bias.get(channel & 3).copied()).unwrap_or(0)
    }

    /// The multiplier of a channel.
    pub fn multiplier(&self, channel: usize) -> i32 {
        self.blocks().nth(channel >> 2).and_then(|block| block.multiplier.get(channel & 3).copied()).unwrap_or(0)
    }

    /// The weight of a channel for input `k`.
    pub fn weight(&self, channel: usize, k: usize) -> i8 {
        let word = self.blocks().nth(channel >> 2).and_then(|block| block.weights.get(k).copied());
        word.and_then(|word| weights(word).get(channel & 3).copied()).unwrap_or(0)
    }
}

/// The weights in a word.
#[inline(always)]
pub fn weights(word: u32) -> [i8; BLOCK] {
    word.to_le_bytes().map(|byte| byte as i8)
}

/// Packs `weights` (`[channel][input]`) with their biases and multipliers; `None` where lengths do not match.
pub fn pack(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let fan_in = weights.len().checked_div(biases.len())?;
    fours::pack(weights, fan_in.checked_next_multiple_of(QuadMatrix::GRAIN)?, biases, multipliers, out)
}
