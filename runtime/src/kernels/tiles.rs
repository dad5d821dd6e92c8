//! Transformed weights of a 3×3 convolution, in the order in which its tiles read them: Winograd's minimal filtering F(2, 3)
//! along rows (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016), in integers.
//!
//! A tile is two output columns beside each other, and the four input columns `d0` to `d3` under them. Of each kernel row
//! `g0 g1 g2`, four products take the place of six:
//!
//! | form | of weights | of a tile |
//! |---|---|---|
//! | 0 | `g0 + g1 + g2` | `d1 + d2` |
//! | 1 | `g0 − g1 + g2` | `d2 − d1` |
//! | 2 | `g0` | `d0 − d2` |
//! | 3 | `g2` | `d3 − d1` |
//!
//! With `Mi` the products of form `i`, added up over kernel rows and channels, twice the outputs are `M0 + M1 + 2·M2` and
//! `M0 − M1 + 2·M3`: what the convolution gives, exactly.
//!
//! A stream of words, one run for each block of four output channels:
//!
//! | words | what |
//! |---|---|
//! | 4 | initial accumulators, with 8 fraction bits |
//! | 4 | multipliers |
//! | 4 for each form and step | weights of each output channel, two int16 |
//!
//! A step is two input channels of a kernel row: channels 0 and 2 of four, or 1 and 3.

/// Channels of a block, and input channels of two steps.
const BLOCK: usize = 4;
/// Forms of weights and tiles.
pub const FORMS: usize = 4;
/// Kernel rows and columns.
const TAPS: usize = 3;

/// Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct PackedTiles<'p> {
    words: &'p [u32],
    inputs: usize,
    channels: usize,
}

impl<'p> PackedTiles<'p> {
    /// Number of words for so many input and output channels, multiples of four; `None` if they are not, or it overflows.
    #[inline(never)]
    pub fn len(inputs: usize, channels: usize) -> Option<usize> {
        let whole = inputs > 0 && inputs & 3 == 0 && channels > 0 && channels & 3 == 0;
        let block = inputs.checked_mul(TAPS * FORMS * (BLOCK >> 1))?.checked_add(2 * BLOCK)?;
        (channels >> 2).checked_mul(block).filter(|_| whole)
    }

    /// The weights in these words; `None` unless they are as many as [`PackedTiles::len`] says.
    pub fn new(words: &'p [u32], inputs: usize, channels: usize) -> Option<Self> {
        (Self::len(inputs, channels)? == words.len()).then_some(Self { words, inputs, channels })
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Steps of a form.
    pub fn steps(&self) -> usize {
        self.inputs.wrapping_mul(TAPS) >> 1
    }

    /// All words.
    pub fn words(&self) -> &'p [u32] {
        self.words
    }

    /// The run of each block of channels.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Block<'p>> + use<'p> {
        let len = self.inputs.wrapping_mul(TAPS * FORMS * (BLOCK >> 1)).wrapping_add(2 * BLOCK);
        self.words.chunks_exact(len.max(1)).filter_map(Block::of)
    }

    /// The bias of an output channel.
    pub fn bias(&self, channel: usize) -> i32 {
        self.number(channel, |block| block.init) >> 8
    }

    /// The multiplier of an output channel.
    pub fn multiplier(&self, channel: usize) -> i32 {
        self.number(channel, |block| block.multiplier)
    }

    fn number(&self, channel: usize, numbers: fn(Block<'p>) -> [i32; BLOCK]) -> i32 {
        self.blocks().nth(channel >> 2).and_then(|block| numbers(block).get(channel & 3).copied()).unwrap_or(0)
    }

    /// The weight of an output channel under a tap for an input channel.
    pub fn weight(&self, channel: usize, [ky, kx]: [usize; 2], input: usize) -> i32 {
        let step = ky.wrapping_mul(self.inputs >> 1).wrapping_add(input >> 2 << 1).wrapping_add(input & 1);
        let block = self.blocks().nth(channel >> 2);
        let form = |form: usize| {
            let at = form.wrapping_mul(self.steps()).wrapping_add(step).wrapping_mul(BLOCK);
            let word = block.and_then(|block| block.weights.get(at.wrapping_add(channel & 3)).copied()).unwrap_or(0);
            i32::from((if input & 2 == 0 { word } else { word >> 16 }) as i16)
        };
        match kx {
            0 => form(2),
            1 => form(0).wrapping_sub(form(1)) >> 1,
            _ => form(3),
        }
    }
}

/// A block of output channels.
#[derive(Clone, Copy, Debug)]
pub struct Block<'p> {
    /// Weights of each form, step by step, the channels in turn.
    pub weights: &'p [u32],
    /// Initial accumulators.
    pub init: [i32; BLOCK],
    /// Multipliers.
    pub multiplier: [i32; BLOCK],
}

impl<'p> Block<'p> {
    #[inline(always)]
    fn of(words: &'p [u32]) -> Option<Self> {
        let (init, rest) = words.split_first_chunk::<BLOCK>()?;
        let (multiplier, weights) = rest.split_first_chunk::<BLOCK>()?;
        Some(Self { weights, init: init.map(|i| i as i32), multiplier: multiplier.map(|m| m as i32) })
    }
}

/// Packs `weights` (`[channel][kernel row][kernel column][input]`) with their biases and multipliers; `None` where lengths do
/// not match.
pub fn pack(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let fan_in = weights.len().checked_div(channels)?;
    let inputs = fan_in.checked_div(TAPS * TAPS)?;
    let sound = multipliers.len() == channels
        && inputs.checked_mul(TAPS * TAPS)?.checked_mul(channels)? == weights.len()
        && PackedTiles::len(inputs, channels)? == out.len();
    if !sound {
        return None;
    }
    let steps = inputs.checked_mul(TAPS)? >> 1;
    let run = steps.checked_mul(FORMS * BLOCK)?.checked_add(2 * BLOCK)?;
    for (which, run) in out.chunks_exact_mut(run).enumerate() {
        for c in 0..BLOCK {
            let channel = which.checked_mul(BLOCK)?.checked_add(c)?;
            let kernel = weights.get(channel.checked_mul(fan_in)?..)?.get(..fan_in)?;
            let word = |form: usize, step: usize| {
                let (ky, step) = (step.checked_div(inputs >> 1)?, step.checked_rem(inputs >> 1)?);
                let lane = |input: usize| {
                    let tap = |kx: usize| {
                        let at = ky.wrapping_mul(TAPS).wrapping_add(kx).wrapping_mul(inputs).wrapping_add(input);
                        kernel.get(at).copied().map_or(0, i16::from)
                    };
                    let outer = tap(0).wrapping_add(tap(2));
                    let value = match form {
                        0 => outer.wrapping_add(tap(1)),
                        1 => outer.wrapping_sub(tap(1)),
                        2 => tap(0),
                        _ => tap(2),
                    };
                    u32::from(value as u16)
                };
                let input = (step >> 1).wrapping_mul(BLOCK).wrapping_add(step & 1);
                Some(lane(input) | lane(input.wrapping_add(2)) << 16)
            };
            let (init, rest) = run.split_first_chunk_mut::<BLOCK>()?;
            let (multiplier, packed) = rest.split_first_chunk_mut::<BLOCK>()?;
            for form in 0..FORMS {
                for step in 0..steps {
                    let at = form.wrapping_mul(steps).wrapping_add(step).wrapping_mul(BLOCK).wrapping_add(c);
                    *packed.get_mut(at)? = word(form, step)?;
                }
            }
            *init.get_mut(c)? = biases.get(channel)?.wrapping_mul(256) as u32;
            *multiplier.get_mut(c)? = *multipliers.get(channel)? as u32;
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
            inputs in 1usize..4, numbers in proptest::collection::vec((-(1i32 << 22)..1 << 22, any::<i32>()), 4..9),
            seed in any::<u64>(),
        ) {
            let (inputs, channels) = (4 * inputs, numbers.len() / 4 * 4);
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().take(channels).unzip();
            let weights = crate::operators::testing::int8s(seed)(9 * inputs * channels);
            let mut words = vec![0; PackedTiles::len(inputs, channels).unwrap()];
            pack(&weights, &biases, &multipliers, &mut words).unwrap();
            let tiles = PackedTiles::new(&words, inputs, channels).unwrap();
            for c in 0..channels {
                prop_assert_eq!(tiles.bias(c), biases[c]);
                prop_assert_eq!(tiles.multiplier(c), multipliers[c]);
                for (k, &weight) in weights[9 * inputs * c..][..9 * inputs].iter().enumerate() {
                    prop_assert_eq!(tiles.weight(c, [k / inputs / 3, k / inputs % 3], k % inputs), i32::from(weight));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let len = PackedTiles::len(4, 4).unwrap();
        assert_eq!(pack(&[1; 144], &[0; 4], &[1; 4], &mut vec![0; len]), Some(()));
        assert_eq!(pack(&[1; 144], &[0; 4], &[1; 4], &mut vec![0; len + 1]), None);
        assert_eq!(pack(&[1; 143], &[0; 4], &[1; 4], &mut vec![0; len]), None);
        assert_eq!(pack(&[1; 144], &[0; 4], &[1; 3], &mut vec![0; len]), None);
        assert_eq!(pack(&[], &[], &[], &mut []), None);
        assert_eq!((PackedTiles::len(6, 4), PackedTiles::len(4, 6), PackedTiles::len(0, 4)), (None, None, None));
    }
}
