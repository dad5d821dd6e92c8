//! Weights of a depthwise convolution.

use super::{VECTOR, bytes};

/// Weights of a depthwise convolution in the order in which they are read.
///
/// A stream of words, one run for each block of sixteen channels (filled up with zeros): 16 times `256·bias`, then sixteen
/// int8 weights a tap, then 16 multipliers. Biases and multipliers stand in the order in which lanes come out of two
/// widenings of a vector, even elements before odd ones each time: channels 0, 4, 8, 12, then 2, 6, 10, 14, then 1, 5, 9, 13,
/// then 3, 7, 11, 15. Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct VectorTaps<'p> {
    words: &'p [u32],
    taps: usize,
    channels: usize,
}

/// Place of a channel's numbers in a block.
fn place(channel: usize) -> usize {
    let pass = [0, 2, 1, 3].get(channel & 3).copied().unwrap_or(0usize);
    pass.wrapping_mul(4).wrapping_add(channel >> 2 & 3)
}

impl<'p> VectorTaps<'p> {
    /// Words of a block.
    fn block_len(taps: usize) -> Option<usize> {
        taps.checked_mul(VECTOR >> 2)?.checked_add(2 * VECTOR)
    }

    /// Number of words for `channels` kernels of `taps` taps; `None` if that overflows.
    pub fn len(taps: usize, channels: usize) -> Option<usize> {
        channels.div_ceil(VECTOR).checked_mul(Self::block_len(taps)?)
    }

    /// The kernels in these words; `None` unless they are as many as [`VectorTaps::len`] says, and not none.
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

    /// Bias, weights (tap by tap) and multiplier of a channel.
    pub fn channel(&self, channel: usize) -> Option<(i32, impl Iterator<Item = i8> + use<'p>, i32)> {
        let block = self.words.chunks_exact(Self::block_len(self.taps)?).nth(channel >> 4)?;
        let (biases, rest) = block.split_first_chunk::<VECTOR>()?;
        let (weights, multipliers) = rest.split_last_chunk::<VECTOR>()?;
        let weights = bytes(weights).iter().skip(channel & 15).step_by(VECTOR).copied();
        Some((*biases.get(place(channel))? as i32 >> 8, weights, *multipliers.get(place(channel))? as i32))
    }
}

/// Packs `weights` (`[channel][tap]`) with their biases and multipliers; `None` where lengths do not match or a weight is
/// −128: two products of another with an int8 fit in 16 bits together.
pub fn pack_taps(weights: &[i8], biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let taps = weights.len().checked_div(channels)?;
    let sound = multipliers.len() == channels
        && taps.checked_mul(channels)? == weights.len()
        && VectorTaps::len(taps, channels)? == out.len()
        && !weights.contains(&i8::MIN);
    if !sound {
        return None;
    }
    out.fill(0);
    let kernels = weights.chunks_exact(taps.max(1)).zip(biases).zip(multipliers);
    for (channel, ((kernel, &bias), &multiplier)) in kernels.enumerate() {
        let block = out.chunks_exact_mut(VectorTaps::block_len(taps)?).nth(channel >> 4)?;
        let (to_biases, rest) = block.split_first_chunk_mut::<VECTOR>()?;
        let (to_weights, to_multipliers) = rest.split_last_chunk_mut::<VECTOR>()?;
        *to_biases.get_mut(place(channel))? = bias.wrapping_mul(256) as u32;
        *to_multipliers.get_mut(place(channel))? = multiplier as u32;
        let to_weights: &mut [i8] = bytemuck::must_cast_slice_mut(to_weights);
        to_weights.iter_mut().skip(channel & 15).step_by(VECTOR).zip(kernel).for_each(|(to, &from)| *to = from);
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
            taps in 1usize..20, numbers in proptest::collection::vec((-(1i32 << 23)..1 << 23, any::<i32>()), 1..40),
            seed in any::<u64>(),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let weights = crate::operators::testing::weights(seed, taps * biases.len());
            let mut words = vec![7; VectorTaps::len(taps, biases.len()).unwrap()];
            pack_taps(&weights, &biases, &multipliers, &mut words).unwrap();
            let packed = VectorTaps::new(&words, taps, biases.len()).unwrap();
            for c in 0..biases.len() {
                let (bias, kernel, multiplier) = packed.channel(c).unwrap();
                prop_assert_eq!((bias, multiplier), (biases[c], multipliers[c]));
                prop_assert_eq!(kernel.collect::<Vec<_>>(), &weights[c * taps..][..taps]);
            }
        }
    }

    #[test]
    fn lanes_are_those_of_two_widenings() {
        let order: Vec<usize> = (0..16).map(place).collect();
        let widened = |parity: usize, of: &[usize]| of.iter().copied().skip(parity).step_by(2).collect::<Vec<_>>();
        let all: Vec<usize> = (0..16).collect();
        let lanes = [0, 1].map(|first| [0, 1].map(|second| widened(second, &widened(first, &all)))).concat().concat();
        assert!(lanes.iter().enumerate().all(|(at, &channel)| order[channel] == at), "{lanes:?}");
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let len = VectorTaps::len(2, 1).unwrap();
        assert_eq!(pack_taps(&[1, -128], &[0], &[1], &mut vec![0; len]), None);
        assert_eq!(pack_taps(&[1, 2], &[0], &[1], &mut vec![0; len + 4]), None);
        assert_eq!(pack_taps(&[1, 2, 3], &[0, 0], &[1, 1], &mut vec![0; len]), None);
    }
}
