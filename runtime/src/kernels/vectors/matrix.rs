//! Weights of a matrix product.

use super::{VECTOR, bytes};

/// Channels of a block.
const BLOCK: usize = 4;
/// Words of a block beside its weights.
const FRAME: usize = 2 * BLOCK;

/// Weights of a matrix product in the order in which they are read.
///
/// A stream of words, one run for each block of four output channels (filled up with zeros):
///
/// | words | what |
/// |---|---|
/// | 16 a vector of inputs, the last vector first | sixteen weights of each channel; zeros behind the last input |
/// | 4 | `256·bias` of each channel |
/// | 4 | multiplier of each channel |
///
/// The last vector comes first since it is the one that may be cut short, and begins a sum. Checked length: any content is
/// harmless.
#[derive(Clone, Copy, Debug)]
pub struct VectorMatrix<'p> {
    words: &'p [u32],
    vectors: usize,
    channels: usize,
}

impl<'p> VectorMatrix<'p> {
    /// Inputs of a row of a dense layer are filled up to a multiple of this.
    pub const GRAIN: usize = VECTOR;

    /// Number of words for `fan_in` inputs and `channels` outputs; `None` if that overflows.
    pub fn len(fan_in: usize, channels: usize) -> Option<usize> {
        let block = fan_in.div_ceil(VECTOR).checked_mul(VECTOR)?.checked_add(FRAME)?;
        channels.div_ceil(BLOCK).checked_mul(block)
    }

    /// The matrix in these words; `None` unless they are as many as [`VectorMatrix::len`] says, and not none.
    pub fn new(words: &'p [u32], fan_in: usize, channels: usize) -> Option<Self> {
        let sound = fan_in > 0 && channels > 0 && Self::len(fan_in, channels)? == words.len();
        sound.then_some(Self { words, vectors: fan_in.div_ceil(VECTOR), channels })
    }

    /// Vectors of inputs.
    pub fn vectors(&self) -> usize {
        self.vectors
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All words.
    pub fn words(&self) -> &'p [u32] {
        self.words
    }

    /// Words of a block of channels.
    pub fn block_len(&self) -> usize {
        self.vectors.wrapping_mul(VECTOR).wrapping_add(FRAME)
    }

    /// Initial accumulator, with 8 fraction bits, and multiplier of each channel.
    pub fn numbers(&self) -> impl Iterator<Item = (i32, i32)> + use<'p> {
        let blocks = self.words.chunks_exact(self.block_len().max(1)).filter_map(|block| {
            let (rest, multipliers) = block.split_last_chunk::<BLOCK>()?;
            let (_, inits) = rest.split_last_chunk::<BLOCK>()?;
            Some(inits.iter().zip(multipliers).map(|(&init, &multiplier)| (init as i32, multiplier as i32)))
        });
        blocks.flatten().take(self.channels)
    }

    fn block(&self, channel: usize) -> &'p [u32] {
        self.words.chunks_exact(self.block_len().max(1)).nth(channel >> 2).unwrap_or(&[])
    }

    fn number(&self, channel: usize, from_end: usize) -> i32 {
        let block = self.block(channel);
        let at = block.len().wrapping_sub(from_end).wrapping_add(channel & 3);
        block.get(at).map_or(0, |&number| number as i32)
    }

    /// The bias of a channel.
    pub fn bias(&self, channel: usize) -> i32 {
        self.number(channel, FRAME) >> 8
    }

    /// The multiplier of a channel.
    pub fn multiplier(&self, channel: usize) -> i32 {
        self.number(channel, BLOCK)
    }

    /// The weight of a channel for input `k`.
    pub fn weight(&self, channel: usize, k: usize) -> i8 {
        let vector = self.vectors.wrapping_sub(1).wrapping_sub(k >> 4);
        let at = vector.wrapping_mul(BLOCK).wrapping_add(channel & 3).wrapping_mul(VECTOR).wrapping_add(k & 15);
        bytes(self.block(channel)).get(at).copied().unwrap_or(0)
    }
}

/// Packs `weights` (`[channel][input]`) with their biases and multipliers; `None` where lengths do not match.
pub fn pack_matrix(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let fan_in = weights.len().checked_div(channels)?;
    let sound = multipliers.len() == channels
        && fan_in.checked_mul(channels)? == weights.len()
        && VectorMatrix::len(fan_in, channels)? == out.len();
    if !sound {
        return None;
    }
    out.fill(0);
    let weights_len = fan_in.div_ceil(VECTOR).checked_mul(VECTOR)?;
    let kernels = weights.chunks_exact(fan_in.max(1)).zip(biases).zip(multipliers);
    for (channel, ((kernel, &bias), &multiplier)) in kernels.enumerate() {
        let block = out.chunks_exact_mut(weights_len.checked_add(FRAME)?).nth(channel >> 2)?;
        let (vectors, numbers) = block.split_at_mut_checked(weights_len)?;
        *numbers.get_mut(channel & 3)? = bias.wrapping_mul(256) as u32;
        *numbers.get_mut((channel & 3).checked_add(BLOCK)?)? = multiplier as u32;
        let vectors: &mut [i8] = bytemuck::must_cast_slice_mut(vectors);
        let of_channel = vectors.chunks_exact_mut(VECTOR).skip(channel & 3).step_by(BLOCK).rev();
        for (to, from) in of_channel.zip(kernel.chunks(VECTOR)) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
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
            fan_in in 1usize..70, numbers in proptest::collection::vec((-(1i32 << 22)..1 << 22, any::<i32>()), 1..12),
            seed in any::<u64>(),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let channels = biases.len();
            let weights = crate::operators::testing::int8s(seed)(fan_in * channels);
            let mut words = vec![7; VectorMatrix::len(fan_in, channels).unwrap()];
            pack_matrix(&weights, &biases, &multipliers, &mut words).unwrap();
            let matrix = VectorMatrix::new(&words, fan_in, channels).unwrap();
            for c in 0..channels {
                prop_assert_eq!((matrix.bias(c), matrix.multiplier(c)), (biases[c], multipliers[c]));
                for k in 0..fan_in {
                    prop_assert_eq!(matrix.weight(c, k), weights[c * fan_in + k]);
                }
            }
            let numbers: Vec<_> = biases.iter().map(|b| b << 8).zip(multipliers).collect();
            prop_assert_eq!(matrix.numbers().collect::<Vec<_>>(), numbers);
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let len = VectorMatrix::len(2, 1).unwrap();
        assert_eq!(pack_matrix(&[1, 2], &[0], &[1], &mut vec![0; len + 1]), None);
        assert_eq!(pack_matrix(&[1, 2, 3], &[0, 0], &[1, 1], &mut vec![0; len]), None);
        assert_eq!(pack_matrix(&[1, 2], &[], &[], &mut []), None);
        assert!(VectorMatrix::new(&[], 0, 0).is_none());
    }
}
