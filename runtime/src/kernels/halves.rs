//! Weights of a matrix product for kernels that add two sums in the halves of a word.
//!
//! A weight of one channel in the lower half of a word and one of another in the upper half, times an activation, is two
//! products; a word `T` adds them up. As long as the lower sum `l` is an int16, both can be told apart:
//!
//! ```text
//! T = l + 2^16·h    h = (T + 2^15) >> 16
//! ```
//!
//! An activation is at most 128, so that weights tell for how many taps that holds: their sizes may add up to
//! 255. After each such *chunk*, `T` is added to a sum `X` and `h` to a sum `Y`, and `T` starts anew. In the end the upper
//! channel is `Y`, and the lower one `X − 2^16·Y`.
//!
//! Four channels share a word, a byte `w + 128` each: a mask gives those of channels 0 and 2, a shift and the mask those of
//! channels 1 and 3, and 128 taken off either half the weights.

use crate::requantize::MOST_MULTIPLIER;

/// Channels of a block.
const BLOCK: usize = 4;
/// Words of a block beside its weights and flags.
const FRAME: usize = 2 * BLOCK;
/// Chunks whose flags are in a word.
const FLAGS: usize = 30;
/// Most that the sizes of a channel's weights in a chunk add up to.
const LIMIT: u32 = 255;
/// Chunks are of as many taps, or of twice as many, unless they are split.
const STEP: usize = 4;
/// A byte of weights in either half of a word.
const MASK: u32 = 0x00ff_00ff;
/// What those bytes are more than the weights.
const BIAS: u32 = 0x0080_0080;

/// Weights of a matrix product in the order in which they are read.
///
/// A stream of words, one run for each block of four output channels (filled up with zeros):
///
/// | words | what |
/// |---|---|
/// | 4 | initial sums: `X` of channels 0 and 1, `Y` of channels 2 and 3 |
/// | 1 for 30 steps of four inputs | flags |
/// | 4 a step | weights of each input; zeros behind the last input |
/// | 4 | twice the multiplier of each channel |
///
/// Bit 0 of the first word of flags says that chunks are of 8 taps, where steps are even, else they are of 4; from bit 31 of each
/// word down, a bit a chunk says whether it is split in the middle. Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct HalvesMatrix<'p> {
    words: &'p [u32],
    steps: usize,
    channels: usize,
}

impl<'p> HalvesMatrix<'p> {
    /// Inputs of a row of a dense layer are filled up to a multiple of this.
    pub const GRAIN: usize = STEP;

    /// Number of words for `fan_in` inputs and `channels` outputs; `None` if that overflows.
    pub fn len(fan_in: usize, channels: usize) -> Option<usize> {
        let steps = fan_in.div_ceil(STEP);
        let block = steps.checked_mul(STEP)?.checked_add(steps.div_ceil(FLAGS))?.checked_add(FRAME)?;
        channels.div_ceil(BLOCK).checked_mul(block)
    }

    /// The matrix in these words; `None` unless they are as many as [`HalvesMatrix::len`] says, and not none.
    pub fn new(words: &'p [u32], fan_in: usize, channels: usize) -> Option<Self> {
        let sound = fan_in > 0 && channels > 0 && Self::len(fan_in, channels)? == words.len();
        sound.then_some(Self { words, steps: fan_in.div_ceil(STEP), channels })
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
        self.flags_len().wrapping_add(BLOCK)
    }

    /// Words of a block's flags.
    fn flags_len(&self) -> usize {
        self.steps.div_ceil(FLAGS)
    }

    /// The run of each block of channels.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Block<'p>> + use<'p> {
        let flags_len = self.flags_len();
        let len = self.steps.wrapping_mul(STEP).wrapping_add(flags_len).wrapping_add(FRAME);
        self.words.chunks_exact(len.max(1)).filter_map(move |words| Block::of(words, flags_len))
    }

    /// Initial accumulator, with 8 fraction bits, and multiplier of each channel.
    pub fn numbers(&self) -> impl Iterator<Item = (i32, i32)> + use<'p> {
        let numbers = self.blocks().flat_map(|block| block.biases().into_iter().zip(block.multipliers()));
        numbers.map(|(bias, multiplier)| (bias << 8, multiplier)).take(self.channels)
    }

    /// The bias of a channel.
    pub fn bias(&self, channel: usize) -> i32 {
        self.blocks().nth(channel >> 2).and_then(|block| block.biases().get(channel & 3).copied()).unwrap_or(0)
    }

    /// The multiplier of a channel.
    pub fn multiplier(&self, channel: usize) -> i32 {
        self.blocks().nth(channel >> 2).and_then(|block| block.multipliers().get(channel & 3).copied()).unwrap_or(0)
    }

    /// The weight of a channel for input `k`.
    pub fn weight(&self, channel: usize, k: usize) -> i8 {
        let word = self.blocks().nth(channel >> 2).and_then(|block| block.weights.get(k).copied());
        word.and_then(|word| weights(word).get(channel & 3).copied()).unwrap_or(0)
    }
}

/// A block of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Block<'p> {
    init: [u32; BLOCK],
    flags: &'p [u32],
    weights: &'p [u32],
    multiplier: [u32; BLOCK],
}

impl<'p> Block<'p> {
    #[inline(always)]
    fn of(words: &'p [u32], flags_len: usize) -> Option<Self> {
        let (&init, rest) = words.split_first_chunk::<BLOCK>()?;
        let (flags, rest) = rest.split_at_checked(flags_len)?;
        let (weights, &multiplier) = rest.split_last_chunk::<BLOCK>()?;
        Some(Self { init, flags, weights, multiplier })
    }

    /// Words of weights, one an input.
    pub fn weights(&self) -> &'p [u32] {
        self.weights
    }

    /// Multipliers.
    pub fn multipliers(&self) -> [i32; BLOCK] {
        self.multiplier.map(|doubled| (doubled >> 1) as i32)
    }

    /// Twice the multipliers.
    pub fn doubled_multipliers(&self) -> [u32; BLOCK] {
        self.multiplier
    }

    fn biases(&self) -> [i32; BLOCK] {
        totals(self.init)
    }

    /// Taps of half a chunk.
    fn half_chunk(&self) -> usize {
        let long = self.flags.first().is_some_and(|first| first & 1 != 0);
        if long && self.weights.len() & (2 * STEP - 1) == 0 { STEP } else { STEP >> 1 }
    }

    /// Whether each chunk is split.
    fn splits(&self) -> impl Iterator<Item = bool> + use<'p> {
        let all = self.flags.iter().flat_map(|word| (0..FLAGS as u32).map(move |bit| (word << bit) >> 31 != 0));
        all.take(self.weights.len().div_ceil(self.half_chunk().wrapping_mul(2)))
    }

    /// The sums of the four channels; `activation` gives that of each input.
    #[inline(always)]
    pub fn sums(&self, activation: impl Fn(usize) -> i8) -> [i32; BLOCK] {
        let mut sums = self.init;
        let half = self.half_chunk();
        let mut words = self.weights.iter().copied().enumerate();
        for split in self.splits() {
            let mut pair = [0u32; 2];
            for middle in [true, false] {
                for (k, word) in words.by_ref().take(half) {
                    let a = i32::from(activation(k)) as u32;
                    let factors = [word, word >> 8].map(|bytes| (bytes & MASK).wrapping_sub(BIAS));
                    pair.iter_mut().zip(factors).for_each(|(sum, w)| *sum = sum.wrapping_add(a.wrapping_mul(w)));
                }
                if split || !middle {
                    extract(core::mem::take(&mut pair), &mut sums);
                }
            }
        }
        totals(sums)
    }
}

/// The four channels from `X` of the lower and `Y` of the upper ones.
#[inline(always)]
fn totals([x0, x1, y2, y3]: [u32; BLOCK]) -> [i32; BLOCK] {
    [x0.wrapping_sub(y2 << 16), x1.wrapping_sub(y3 << 16), y2, y3].map(|sum| sum as i32)
}

/// Adds both sums of two words to those of the four channels.
#[inline(always)]
fn extract([even, odd]: [u32; 2], [x0, x1, y2, y3]: &mut [u32; BLOCK]) {
    for (sum, x, y) in [(even, x0, y2), (odd, x1, y3)] {
        *x = x.wrapping_add(sum);
        *y = y.wrapping_add(((sum.wrapping_add(1 << 15) as i32) >> 16) as u32);
    }
}

/// The weights in a word.
#[inline(always)]
pub fn weights(word: u32) -> [i8; BLOCK] {
    word.to_le_bytes().map(|byte| byte.wrapping_sub(128) as i8)
}

/// Packs `weights` (`[channel][input]`) with their biases and multipliers; `None` where lengths do not match, a weight is −128
/// or a multiplier negative or above [`MOST_MULTIPLIER`].
pub fn pack(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let fan_in = weights.len().checked_div(channels)?;
    let sound = multipliers.len() == channels
        && fan_in.checked_mul(channels)? == weights.len()
        && HalvesMatrix::len(fan_in, channels)? == out.len()
        && !weights.contains(&i8::MIN)
        && multipliers.iter().all(|m| (0..=MOST_MULTIPLIER).contains(m));
    if !sound {
        return None;
    }
    out.fill(0);
    let steps = fan_in.div_ceil(STEP);
    let flags_len = steps.div_ceil(FLAGS);
    let len = steps.checked_mul(STEP)?.checked_add(flags_len)?.checked_add(FRAME)?;
    let kernels = weights.chunks(fan_in.max(1).checked_mul(BLOCK)?);
    let numbers = biases.chunks(BLOCK).zip(multipliers.chunks(BLOCK));
    for (run, (kernels, (biases, multipliers))) in out.chunks_exact_mut(len).zip(kernels.zip(numbers)) {
        let (init, rest) = run.split_first_chunk_mut::<BLOCK>()?;
        let (flags, rest) = rest.split_at_mut_checked(flags_len)?;
        let (words, doubled) = rest.split_last_chunk_mut::<BLOCK>()?;
        words.fill(0x8080_8080);
        for (channel, kernel) in kernels.chunks(fan_in.max(1)).enumerate() {
            for (word, &weight) in words.iter_mut().zip(kernel) {
                *word ^= u32::from(weight as u8) << ((channel as u32 & 3) << 3);
            }
        }
        split(kernels, fan_in, flags);
        doubled.iter_mut().zip(multipliers).for_each(|(to, &m)| *to = (m as u32) << 1);
        let mut bias = biases.iter().map(|&bias| bias as u32).chain(core::iter::repeat(0));
        let [b0, b1, b2, b3] = core::array::from_fn(|_| bias.next().unwrap_or(0));
        *init = [b0.wrapping_add(b2 << 16), b1.wrapping_add(b3 << 16), b2, b3];
    }
    Some(())
}

/// Sets the flags for the fewest extractions.
fn split(kernels: &[i8], fan_in: usize, flags: &mut [u32]) {
    let too_large = |taps: &[i8]| taps.iter().fold(0, |sum: u32, w| sum.wrapping_add(w.unsigned_abs().into())) > LIMIT;
    // Whether a run of taps is too large in any channel.
    let runs = |len: usize| {
        let of = move |run: usize| {
            let start = run.wrapping_mul(len);
            kernels
                .chunks(fan_in.max(1))
                .any(|kernel| too_large(kernel.get(start..start.wrapping_add(len).min(kernel.len())).unwrap_or(&[])))
        };
        (fan_in.div_ceil(len), of)
    };
    let (fours, four) = runs(STEP);
    let (eights, eight) = runs(STEP.wrapping_mul(2));
    let long = fours & 1 == 0 && !(0..fours).any(&four);
    let (chunks, too_large): (usize, &dyn Fn(usize) -> bool) = if long { (eights, &eight) } else { (fours, &four) };
    for (word, start) in flags.iter_mut().zip((0usize..).step_by(FLAGS)) {
        for bit in 0..FLAGS {
            let chunk = start.wrapping_add(bit);
            if chunk < chunks && too_large(chunk) {
                *word |= 1 << 31 >> bit;
            }
        }
    }
    if let Some(first) = flags.first_mut() {
        *first |= u32::from(long);
    }
}
