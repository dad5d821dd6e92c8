//! Weights of a matrix product for kernels that add two sums in the halves of a word.
//!
//! A weight of one channel in the lower half of a word and one of another in the upper half, `w = w0 + 2^16·w1`, times an
//! activation, is two products; a word `T` adds them up. As long as the lower sum `l` is an int16, both can be told apart:
//!
//! ```text
//! T = l + 2^16·h    h = (T + 2^15) >> 16
//! ```
//!
//! An activation is at most 128, so that weights tell for how many taps that holds: their sizes may add up to
//! 255. After each such *chunk*, `T` is added to a sum `X` and `h` to a sum `Y`, and `T` starts anew. In the end the upper
//! channel is `Y`, and the lower one `X − 2^16·Y`.
//!
//! Weights lie as they are multiplied, two bytes each: to take them from a byte each costs a sixth more instructions.

use crate::requantize::MOST_MULTIPLIER;

/// Channels of a block.
const BLOCK: usize = 4;
/// Words of a block beside its weights and flags.
const FRAME: usize = 2 * BLOCK;
/// Inputs of a step.
const STEP: usize = 4;
/// Inputs that a flag stands for.
const PAIR: usize = 2;
/// Flags of a step.
const PAIRS: usize = 2;
/// Words of an input's weights.
const TAP: usize = 2;
/// Steps whose flags are in a word.
const FLAGGED: usize = 16;
/// Zeros behind a multiplier, so that the upper word of its product with a sum has a bit more than the output.
const FRACTION: u32 = 9;
/// Most that the sizes of a channel's weights in a chunk add up to.
const LIMIT: u32 = 255;

/// Weights of an input in a block: channels 0 and 1, channels 2 and 3.
type Tap = [u32; TAP];

/// Weights of a matrix product in the order in which they are read.
///
/// A stream of words, one run for each block of four output channels (filled up with zeros):
///
/// | words | what |
/// |---|---|
/// | 4 | initial sums: `X` of channel 0, `Y` of channel 1, `X` of channel 2, `Y` of channel 3 |
/// | 1 for 16 steps of four inputs, an even number of them | flags |
/// | 8 a step | weights of each input: `w` of channels 0 and 1, of 2 and 3; zeros behind the last input |
/// | 4 | multiplier of each channel with nine zeros behind it; if one has no room for them, with one, the first plus 1 |
///
/// From bit 31 of each word of flags down, a bit for two inputs says whether a chunk ends with them; where steps are odd, two
/// bits of a step that is not there come first. A chunk ends with the word's inputs too. Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct HalvesMatrix<'p> {
    words: &'p [u32],
    steps: usize,
    channels: usize,
}

impl<'p> HalvesMatrix<'p> {
    /// Inputs of a row of a dense layer are filled up to a multiple of this.
    pub const GRAIN: usize = STEP;
    /// Bytes of the weights of four inputs in a block.
    pub const STEP_BYTES: usize = STEP * size_of::<Tap>();

    /// Number of words for `fan_in` inputs and `channels` outputs; `None` if that overflows.
    pub fn len(fan_in: usize, channels: usize) -> Option<usize> {
        let steps = fan_in.div_ceil(STEP);
        channels.div_ceil(BLOCK).checked_mul(block_len(steps)?)
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
        flags_len(self.steps).wrapping_add(BLOCK)
    }

    /// The run of each block of channels.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Block<'p>> + use<'p> {
        let flags_len = flags_len(self.steps);
        let len = block_len(self.steps).unwrap_or(1);
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
        let tap = self.blocks().nth(channel >> 2).and_then(|block| block.weights.get(k).copied());
        tap.and_then(|tap| weights(tap).get(channel & 3).copied()).unwrap_or(0)
    }
}

/// Words of the flags of so many steps.
fn flags_len(steps: usize) -> usize {
    steps.div_ceil(FLAGGED)
}

/// Words of a block; `None` if that overflows.
fn block_len(steps: usize) -> Option<usize> {
    let weights = steps.checked_mul(STEP * TAP)?;
    weights.checked_add(flags_len(steps))?.checked_add(FRAME)
}

/// Flags of a block that stand for nothing, before those of its weights.
fn idle_flags(steps: usize) -> usize {
    (steps & 1).wrapping_mul(PAIRS)
}

/// A block of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Block<'p> {
    init: [u32; BLOCK],
    flags: &'p [u32],
    weights: &'p [Tap],
    multiplier: [u32; BLOCK],
}

impl<'p> Block<'p> {
    #[inline(always)]
    fn of(words: &'p [u32], flags_len: usize) -> Option<Self> {
        let (&init, rest) = words.split_first_chunk::<BLOCK>()?;
        let (flags, rest) = rest.split_at_checked(flags_len)?;
        let (weights, &multiplier) = rest.split_last_chunk::<BLOCK>()?;
        Some(Self { init, flags, weights: weights.as_chunks().0, multiplier })
    }

    /// Weights of each input.
    pub fn weights(&self) -> &'p [Tap] {
        self.weights
    }

    /// Multipliers.
    pub fn multipliers(&self) -> [i32; BLOCK] {
        let (zeros, factors) = self.factors();
        factors.map(|factor| (factor >> (FRACTION.wrapping_sub(zeros) & 31)) as i32)
    }

    /// Zeros that sums have behind them, and what they are multiplied with: the multipliers, with as many zeros as make nine
    /// together.
    pub fn factors(&self) -> (u32, [u32; BLOCK]) {
        let [first, second, third, fourth] = self.multiplier;
        let large = first & 1;
        (large.wrapping_mul(FRACTION - 1), [first.wrapping_sub(large), second, third, fourth])
    }

    fn biases(&self) -> [i32; BLOCK] {
        totals(self.init)
    }

    /// Whether a chunk ends with each pair of inputs.
    fn ends(&self) -> impl Iterator<Item = bool> + use<'p> {
        let bits =
            self.flags.iter().flat_map(|word| (0..u32::BITS).map(move |bit| bit == 31 || (word << bit) >> 31 != 0));
        bits.skip(idle_flags(self.weights.len().div_ceil(STEP)))
    }

    /// The sums of the four channels; `activation` gives that of each input.
    #[inline(always)]
    pub fn sums(&self, activation: impl Fn(usize) -> i8) -> [i32; BLOCK] {
        let mut sums = self.init;
        let mut of_chunk = [0u32; TAP];
        let pairs = self.weights.chunks(PAIR).zip(self.ends()).zip((0..).step_by(PAIR));
        for ((pair, ends), first) in pairs {
            for (k, tap) in (first..).zip(pair) {
                let a = i32::from(activation(k)) as u32;
                of_chunk.iter_mut().zip(tap).for_each(|(sum, &w)| *sum = sum.wrapping_add(a.wrapping_mul(w)));
            }
            if ends {
                extract(core::mem::take(&mut of_chunk), &mut sums);
            }
        }
        extract(of_chunk, &mut sums);
        totals(sums)
    }
}

/// The four channels from `X` of the lower and `Y` of the upper ones.
#[inline(always)]
fn totals([x0, y1, x2, y3]: [u32; BLOCK]) -> [i32; BLOCK] {
    [x0.wrapping_sub(y1 << 16), y1, x2.wrapping_sub(y3 << 16), y3].map(|sum| sum as i32)
}

/// Adds both sums of two words to those of the four channels.
#[inline(always)]
fn extract(of_chunk: [u32; TAP], sums: &mut [u32; BLOCK]) {
    for (sum, [x, y]) in of_chunk.into_iter().zip(sums.as_chunks_mut().0) {
        *x = x.wrapping_add(sum);
        *y = y.wrapping_add(upper(sum) as u32);
    }
}

/// The number in the upper half of a word, that in the lower half being an int16.
#[inline(always)]
fn upper(word: u32) -> i32 {
    word.wrapping_add(1 << 15) as i32 >> 16
}

/// The weights of an input.
#[inline(always)]
pub fn weights([first, second]: Tap) -> [i8; BLOCK] {
    [first as i8, upper(first) as i8, second as i8, upper(second) as i8]
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
    let kernels = weights.chunks(fan_in.max(1).checked_mul(BLOCK)?);
    let numbers = biases.chunks(BLOCK).zip(multipliers.chunks(BLOCK));
    for (run, (kernels, (biases, multipliers))) in out.chunks_exact_mut(block_len(steps)?).zip(kernels.zip(numbers)) {
        let (init, rest) = run.split_first_chunk_mut::<BLOCK>()?;
        let (flags, rest) = rest.split_at_mut_checked(flags_len(steps))?;
        let (taps, factors) = rest.split_last_chunk_mut::<BLOCK>()?;
        let taps = taps.as_chunks_mut().0;
        for (channel, kernel) in kernels.chunks(fan_in.max(1)).enumerate() {
            for (tap, &weight) in taps.iter_mut().zip(kernel) {
                let word = tap.get_mut(channel >> 1)?;
                *word = word.wrapping_add((i32::from(weight) as u32) << ((channel as u32 & 1) << 4));
            }
        }
        flag(taps, flags);
        let large = u32::from(multipliers.iter().any(|&m| (m as u32).leading_zeros() < FRACTION));
        let zeros = if large == 0 { FRACTION } else { 1 };
        factors.iter_mut().zip(multipliers).for_each(|(to, &m)| *to = (m as u32) << zeros);
        if let Some(first) = factors.first_mut() {
            *first |= large;
        }
        let mut bias = biases.iter().map(|&bias| bias as u32).chain(core::iter::repeat(0));
        let [b0, b1, b2, b3] = core::array::from_fn(|_| bias.next().unwrap_or(0));
        *init = [b0.wrapping_add(b1 << 16), b1, b2.wrapping_add(b3 << 16), b3];
    }
    Some(())
}

/// Sets the flags for the fewest chunks: each has as many inputs as it can.
fn flag(taps: &[Tap], flags: &mut [u32]) {
    let mut sizes = [0u32; BLOCK];
    let idle = idle_flags(taps.len().div_ceil(STEP));
    for (index, pair) in (idle..).zip(taps.chunks(PAIR)) {
        let mut of_pair = [0u32; BLOCK];
        for &tap in pair {
            of_pair.iter_mut().zip(weights(tap)).for_each(|(sum, w)| *sum = sum.wrapping_add(w.unsigned_abs().into()));
        }
        let fits = sizes.iter().zip(of_pair).all(|(&sum, more)| sum.wrapping_add(more) <= LIMIT);
        if !fits || index & 31 == 0 {
            sizes = [0; BLOCK];
            set(flags, index.wrapping_sub(1));
        }
        sizes.iter_mut().zip(of_pair).for_each(|(sum, more)| *sum = sum.wrapping_add(more));
    }
    set(flags, taps.len().div_ceil(PAIR).wrapping_add(idle).wrapping_sub(1));
}

/// Sets a flag; none before the first.
fn set(flags: &mut [u32], index: usize) {
    if let Some(word) = flags.get_mut(index >> 5) {
        *word |= 1 << 31 >> (index & 31);
    }
}
