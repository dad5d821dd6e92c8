//! What a depthwise convolution of 3×3 taps reads: packed weights, and the three rows under the kernel.

/// Words of a channel.
const WORDS: usize = 5;

/// Weights of 3×3 kernels in the order in which they are read.
///
/// Five words a channel: `256·bias`, multiplier, weights as bytes `[0,0] [0,1] [1,0] [1,1]`, `[0,2] [2,0] [1,2] [2,1]` (row,
/// column), and `0 [2,2]` with the value that stands in padding as the upper 16 bits. So a mask and a shift give pairs of
/// weights in 16-bit lanes. Checked length: any content is harmless.
#[derive(Clone, Copy, Debug)]
pub struct PackedNines<'p> {
    words: &'p [[u32; WORDS]],
}

impl<'p> PackedNines<'p> {
    /// Number of words for `channels` kernels; `None` if that overflows.
    pub fn len(channels: usize) -> Option<usize> {
        channels.checked_mul(WORDS)
    }

    /// The kernels in these words; `None` unless they are those of `channels`.
    pub fn new(words: &'p [u32], channels: usize) -> Option<Self> {
        let (words, rest) = words.as_chunks::<WORDS>();
        (rest.is_empty() && words.len() == channels && channels > 0).then_some(Self { words })
    }

    /// Number of kernels.
    pub fn channels(&self) -> usize {
        self.words.len()
    }

    /// All words.
    pub fn words(&self) -> &'p [[u32; WORDS]] {
        self.words
    }

    /// The kernel of each channel.
    #[inline(always)]
    pub fn kernels(&self) -> impl Iterator<Item = Nine> + use<'p> {
        self.words.iter().map(|&[bias, multiplier, first, second, third]| {
            let [w00, w01, w10, w11] = first.to_le_bytes().map(|w| w as i8);
            let [w02, w20, w12, w21] = second.to_le_bytes().map(|w| w as i8);
            let [_, w22, pad, _] = third.to_le_bytes().map(|w| w as i8);
            let weights = [[w00, w01, w02], [w10, w11, w12], [w20, w21, w22]];
            Nine { bias: bias as i32 >> 8, multiplier: multiplier as i32, weights, padding: pad }
        })
    }
}

/// The kernel of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nine {
    /// Bias.
    pub bias: i32,
    /// Multiplier.
    pub multiplier: i32,
    /// Weights by row and column.
    pub weights: [[i8; 3]; 3],
    /// What stands in padding.
    pub padding: i8,
}

impl Nine {
    /// The kernel's words.
    pub fn pack(&self) -> [u32; WORDS] {
        let [[w00, w01, w02], [w10, w11, w12], [w20, w21, w22]] = self.weights;
        let word = |bytes: [i8; 4]| bytemuck::must_cast::<_, u32>(bytes);
        let sign = self.padding >> 7;
        [
            self.bias.wrapping_mul(256) as u32,
            self.multiplier as u32,
            word([w00, w01, w10, w11]),
            word([w02, w20, w12, w21]),
            word([0, w22, self.padding, sign]),
        ]
    }
}

/// The rows under the kernel of one output row.
#[derive(Clone, Copy, Debug)]
pub struct ThreeRows<'a> {
    /// Rows; `None` in the padding.
    pub rows: [Option<&'a [i8]>; 3],
    /// Columns from a window to the next: 1 or 2.
    pub stride: usize,
    /// Whether the first column of the first window is padding.
    pub left: bool,
    /// Whether the last column of the last window is padding.
    pub right: bool,
}

impl ThreeRows<'_> {
    /// Most columns of an output row: a kernel counts its rounds in half a register.
    pub const LONGEST: usize = 1 << 14;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn what_is_packed_is_read(
            bias in -(1i32 << 23)..1 << 23, multiplier in any::<i32>(), weights in any::<[[i8; 3]; 3]>(), padding in any::<i8>(),
        ) {
            let nine = Nine { bias, multiplier, weights, padding };
            let words = nine.pack();
            prop_assert_eq!(PackedNines::new(&words, 1).unwrap().kernels().collect::<Vec<_>>(), [nine]);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(PackedNines::new(&[0; 10], 2).is_some());
        assert!(PackedNines::new(&[0; 9], 2).is_none());
        assert!(PackedNines::new(&[], 0).is_none());
    }
}
