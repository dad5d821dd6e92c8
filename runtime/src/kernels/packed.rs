//! Weights in the order in which a matrix product reads them.
//!
//! A stream of words, one run for each pair of output channels (an odd last channel is paired with zeros):
//!
//! | words | what |
//! |---|---|
//! | 2 | initial accumulator of each channel: `256·bias − 128·256·Σ w[even k]` |
//! | 2 a step of four inputs | weights of each channel: lanes `256·w2 − w3`, `w1 − 256·w0`; zeros behind the last input |
//! | 2 | multiplier of each channel |

/// Words of a run beside its weights.
const FRAME: usize = 4;
/// What a weight for an even input adds to the accumulator, since that activation is read with an offset of 128.
const EVEN_OFFSET: i32 = 128 << 8;

/// Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct PackedMatrix<'p> {
    words: &'p [u32],
    steps: usize,
    channels: usize,
}

impl<'p> PackedMatrix<'p> {
    /// Inputs of a row of a dense layer are filled up to a multiple of this.
    pub const GRAIN: usize = 4;

    /// Number of words for `fan_in` inputs and `channels` outputs; `None` if that overflows.
    pub fn len(fan_in: usize, channels: usize) -> Option<usize> {
        let run = fan_in.div_ceil(4).checked_mul(2)?.checked_add(FRAME)?;
        channels.div_ceil(2).checked_mul(run)
    }

    /// The matrix in these words; `None` unless they are as many as [`PackedMatrix::len`] says, and not none.
    pub fn new(words: &'p [u32], fan_in: usize, channels: usize) -> Option<Self> {
        let sound = fan_in > 0 && channels > 0 && Self::len(fan_in, channels)? == words.len();
        sound.then_some(Self { words, steps: fan_in.div_ceil(4), channels })
    }

    /// Steps of four inputs.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Pairs of output channels, at least one.
    pub fn pairs(&self) -> usize {
        self.channels.div_ceil(2)
    }

    /// All words.
    pub fn words(&self) -> &'p [u32] {
        self.words
    }

    /// Words of a pair of channels.
    pub fn run_len(&self) -> usize {
        self.steps.wrapping_mul(2).wrapping_add(FRAME)
    }

    /// The run of each pair of channels.
    #[inline(always)]
    pub fn runs(&self) -> impl Iterator<Item = Run<'p>> + use<'p> {
        self.words.chunks_exact(self.run_len().max(1)).filter_map(Run::of)
    }

    /// Initial accumulator, with 8 fraction bits, and multiplier of each channel.
    pub fn numbers(&self) -> impl Iterator<Item = (i32, i32)> + use<'p> {
        self.runs().flat_map(|run| run.init.into_iter().zip(run.multiplier)).take(self.channels)
    }

    /// The run that holds a channel.
    fn run(&self, channel: usize) -> Option<Run<'p>> {
        self.words.chunks_exact(self.run_len().max(1)).nth(channel >> 1).and_then(Run::of)
    }

    /// The bias of a channel.
    pub fn bias(&self, channel: usize) -> i32 {
        let Some(run) = self.run(channel) else { return 0 };
        let init = run.init.get(channel & 1).copied().unwrap_or(0);
        (0..self.steps.wrapping_mul(4))
            .step_by(2)
            .fold(init, |acc, k| acc.wrapping_add(i32::from(self.weight(channel, k)).wrapping_mul(EVEN_OFFSET)))
            >> 8
    }

    /// The multiplier of a channel.
    pub fn multiplier(&self, channel: usize) -> i32 {
        self.run(channel).and_then(|run| run.multiplier.get(channel & 1).copied()).unwrap_or(0)
    }

    /// The weight of a channel for input `k`.
    pub fn weight(&self, channel: usize, k: usize) -> i8 {
        let word = self.run(channel).and_then(|run| run.weights.get((k >> 2).wrapping_mul(2) | (channel & 1)).copied());
        let word = word.unwrap_or(0);
        let lane = (if k & 2 == 0 { word >> 16 } else { word }) as i16;
        let low = lane as i8;
        let high = (lane.wrapping_sub(low.into()) >> 8) as i8;
        match k & 3 {
            0 => high.wrapping_neg(),
            1 => low,
            2 => high,
            _ => low.wrapping_neg(),
        }
    }
}

/// A pair of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Run<'p> {
    /// Initial accumulators.
    pub init: [i32; 2],
    /// Weights, step by step, the channels in turn.
    pub weights: &'p [u32],
    /// Multipliers.
    pub multiplier: [i32; 2],
}

impl<'p> Run<'p> {
    #[inline(always)]
    fn of(words: &'p [u32]) -> Option<Self> {
        let (init, rest) = words.split_first_chunk::<2>()?;
        let (weights, multiplier) = rest.split_last_chunk::<2>()?;
        Some(Self { init: init.map(|i| i as i32), weights, multiplier: multiplier.map(|m| m as i32) })
    }
}

/// Packs `weights` (`[channel][input]`) with their biases and multipliers; `None` where lengths do not match or a weight is
/// −128.
pub fn pack(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let fan_in = weights.len().checked_div(channels)?;
    let sound = multipliers.len() == channels
        && fan_in.checked_mul(channels)? == weights.len()
        && PackedMatrix::len(fan_in, channels)? == out.len()
        && !weights.contains(&i8::MIN);
    if !sound {
        return None;
    }
    let run = fan_in.div_ceil(4).checked_mul(2)?.checked_add(FRAME)?;
    for (c, run) in out.chunks_exact_mut(run).enumerate() {
        let (init, rest) = run.split_first_chunk_mut::<2>()?;
        let (packed, last) = rest.split_last_chunk_mut::<2>()?;
        for (which, (init, last)) in init.iter_mut().zip(last).enumerate() {
            let channel = c.checked_mul(2)?.checked_add(which)?;
            let kernel = weights.get(channel.checked_mul(fan_in)?..).and_then(|w| w.get(..fan_in)).unwrap_or(&[]);
            let even = kernel.iter().step_by(2).fold(0i32, |sum, &w| sum.wrapping_add(w.into()));
            let bias = biases.get(channel).copied().unwrap_or(0);
            *init = bias.wrapping_mul(256).wrapping_sub(even.wrapping_mul(EVEN_OFFSET)) as u32;
            *last = multipliers.get(channel).copied().unwrap_or(0) as u32;
            let fours = kernel.chunks(4).map(|four| {
                let weight = |k: usize| four.get(k).copied().map_or(0, i16::from);
                let lane = |high: i16, low: i16| u32::from(high.wrapping_mul(256).wrapping_add(low) as u16);
                lane(weight(2), weight(3).wrapping_neg()) | lane(weight(0).wrapping_neg(), weight(1)) << 16
            });
            packed.iter_mut().skip(which).step_by(2).zip(fours).for_each(|(to, from)| *to = from);
        }
    }
    Some(())
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
            fan_in in 1usize..20, numbers in proptest::collection::vec((-(1i32 << 22)..1 << 22, any::<i32>()), 1..8),
            seed in any::<u64>(),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let channels = biases.len();
            let weights = crate::operators::testing::weights(seed, fan_in * channels);
            let mut words = vec![0; PackedMatrix::len(fan_in, channels).unwrap()];
            pack(&weights, &biases, &multipliers, &mut words).unwrap();
            let matrix = PackedMatrix::new(&words, fan_in, channels).unwrap();
            for c in 0..channels {
                prop_assert_eq!(matrix.bias(c), biases[c]);
                prop_assert_eq!(matrix.multiplier(c), multipliers[c]);
                for k in 0..fan_in {
                    prop_assert_eq!(matrix.weight(c, k), weights[c * fan_in + k]);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let len = PackedMatrix::len(2, 1).unwrap();
        assert_eq!(pack(&[1, -128], &[0], &[1], &mut vec![0; len]), None);
        assert_eq!(pack(&[1, 2], &[0], &[1], &mut vec![0; len + 1]), None);
        assert_eq!(pack(&[1, 2, 3], &[0, 0], &[1, 1], &mut vec![0; len]), None);
        assert_eq!(pack(&[1, 2], &[], &[], &mut []), None);
        assert!(PackedMatrix::new(&[], 0, 0).is_none());
    }
}
