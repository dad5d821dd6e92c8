//! Matrix products with the weights of four channels at a time.

use crate::kernels::Output;
use crate::kernels::quads::{QuadMatrix, weights};
use crate::requantize::high_word;

/// Multiplies `count` pixels, the fours of which stand in turn, with all channels.
#[inline(never)]
pub fn multiply(count: usize, matrix: &QuadMatrix<'_>, pixels: &[i8], out: &mut Output<'_>) {
    let (fours, _) = pixels.as_chunks::<4>();
    for (block, run) in matrix.blocks().enumerate() {
        let channels = block.wrapping_mul(4)..matrix.channels();
        for pixel in 0..count {
            let activations = fours.iter().skip(pixel).step_by(count.max(1)).flatten();
            let sums = sums(run.bias, run.weights, activations);
            let start = out.stride.wrapping_mul(pixel);
            for ((sum, multiplier), channel) in sums.into_iter().zip(run.multiplier).zip(channels.clone()) {
                if let Some(element) = out.elements.get_mut(start.wrapping_add(channel)) {
                    *element = high_word(sum << 8, multiplier, out.zero_point);
                }
            }
        }
    }
}

/// Adds the products of row `index` of a dense layer's input, with 8 fraction bits, to the sums of all channels.
pub fn accumulate(matrix: &QuadMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]) {
    let first = index.wrapping_mul(row.len().next_multiple_of(QuadMatrix::GRAIN));
    for (run, to) in matrix.blocks().zip(sums.chunks_mut(4)) {
        let of_row = self::sums([0; 4], run.weights.get(first..).unwrap_or(&[]), row);
        to.iter_mut().zip(of_row).for_each(|(sum, of_row)| *sum = sum.wrapping_add(of_row << 8));
    }
}

/// The sums of four channels.
#[inline(always)]
fn sums<'a>(init: [i32; 4], words: &[u32], activations: impl IntoIterator<Item = &'a i8>) -> [i32; 4] {
    let mut sums = init;
    for (&word, &activation) in words.iter().zip(activations) {
        for (sum, weight) in sums.iter_mut().zip(weights(word)) {
            *sum = sum.wrapping_add(i32::from(weight).wrapping_mul(activation.into()));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::quads::pack;
    use crate::operators::testing::int8s;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn what_is_packed_is_read_and_multiplied(
            fan_in in 1usize..40, count in 1usize..4, seed in any::<u64>(), zero_point in -128i32..=127,
            numbers in proptest::collection::vec((-(1i32 << 22)..1 << 22, any::<i32>()), 1..10),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let channels = biases.len();
            let weights = int8s(seed)(fan_in * channels);
            let mut words = vec![7; QuadMatrix::len(fan_in, channels).unwrap()];
            pack(&weights, &biases, &multipliers, &mut words).unwrap();
            let matrix = QuadMatrix::new(&words, fan_in, channels).unwrap();
            let numbers: Vec<_> = biases.iter().map(|b| b << 8).zip(multipliers.iter().copied()).collect();
            prop_assert_eq!(matrix.numbers().collect::<Vec<_>>(), numbers);
            let mut bytes = int8s(!seed);
            let pixels: Vec<Vec<i8>> = (0..count).map(|_| bytes(fan_in.next_multiple_of(4))).collect();
            let in_turn = (0..matrix.steps()).flat_map(|step| pixels.iter().map(move |pixel| &pixel[4 * step..][..4]));
            let in_turn = in_turn.collect::<Vec<_>>().concat();
            let stride = channels + 3;
            let mut found = vec![7; stride * count];
            multiply(count, &matrix, &in_turn, &mut Output { elements: &mut found, stride, zero_point });
            let mut sums = vec![3; channels];
            accumulate(&matrix, 0, &pixels[0][..fan_in], &mut sums);
            for c in 0..channels {
                prop_assert_eq!((matrix.bias(c), matrix.multiplier(c)), (biases[c], multipliers[c]));
                let kernel = &weights[c * fan_in..][..fan_in];
                for (k, &weight) in kernel.iter().enumerate() {
                    prop_assert_eq!(matrix.weight(c, k), weight);
                }
                for (p, pixel) in pixels.iter().enumerate() {
                    let products = kernel.iter().zip(pixel).map(|(&w, &a)| i32::from(w) * i32::from(a)).sum::<i32>();
                    prop_assert_eq!(found[p * stride + c], high_word((biases[c] + products) << 8, multipliers[c], zero_point));
                    prop_assert!(p > 0 || sums[c] == 3 + (products << 8));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let mut words = vec![0; QuadMatrix::len(2, 1).unwrap()];
        assert_eq!(pack(&[1, 2, 3], &[0, 0], &[1, 1], &mut words), None);
        assert_eq!(pack(&[1, 2], &[], &[], &mut []), None);
        assert_eq!(pack(&[1, 2], &[0], &[1], &mut vec![0; words.len() + 1]), None);
        assert!(QuadMatrix::new(&[], 0, 0).is_none());
    }
}
