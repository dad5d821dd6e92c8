//! Matrix products with sums in the halves of a word.

use crate::kernels::Output;
use crate::kernels::halves::{HalvesMatrix, weights};

/// Multiplies `count` pixels, the fours of which stand in turn, with all channels.
#[inline(never)]
pub fn multiply(count: usize, matrix: &HalvesMatrix<'_>, pixels: &[i8], out: &mut Output<'_>) {
    let step = count.wrapping_mul(4);
    if pixels.len() < matrix.steps().wrapping_mul(step) {
        return;
    }
    for (block, run) in matrix.blocks().enumerate() {
        let channels = block.wrapping_mul(4)..matrix.channels();
        let (zeros, factors) = run.factors();
        for pixel in 0..count {
            let start = out.stride.wrapping_mul(pixel);
            let at = |k: usize| (k >> 2).wrapping_mul(step).wrapping_add(pixel.wrapping_mul(4)).wrapping_add(k & 3);
            let sums = run.sums(|k| pixels.get(at(k)).copied().unwrap_or(0));
            for ((sum, factor), channel) in sums.into_iter().zip(factors).zip(channels.clone()) {
                if let Some(element) = out.elements.get_mut(start.wrapping_add(channel)) {
                    *element = requantize(sum << (zeros & 31), factor, out.zero_point);
                }
            }
        }
    }
}

/// [`high_word`](crate::requantize::high_word) of a sum and a factor that have its fraction bits and one more, which rounds it.
#[inline(always)]
fn requantize(sum: i32, factor: u32, zero_point: i32) -> i8 {
    let product = i64::from(sum).wrapping_mul(factor.into());
    let rounding = zero_point.wrapping_mul(2).wrapping_add(1);
    (((product >> 32) as i32).wrapping_add(rounding) >> 1).clamp(-128, 127) as i8
}

/// Adds the products of row `index` of a dense layer's input, with 8 fraction bits, to the sums of all channels.
pub fn accumulate(matrix: &HalvesMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]) {
    let first = index.wrapping_mul(row.len().next_multiple_of(HalvesMatrix::GRAIN));
    for (run, sums) in matrix.blocks().zip(sums.chunks_mut(4)) {
        let taps = run.weights().get(first..).unwrap_or(&[]);
        let mut of_row = [0i32; 4];
        for (&tap, &activation) in taps.iter().zip(row) {
            for (sum, weight) in of_row.iter_mut().zip(weights(tap)) {
                *sum = sum.wrapping_add(i32::from(weight).wrapping_mul(activation.into()));
            }
        }
        sums.iter_mut().zip(of_row).for_each(|(sum, of_row)| *sum = sum.wrapping_add(of_row << 8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::halves::pack;
    use crate::operators::testing::int8s;
    use crate::requantize::{MOST_MULTIPLIER, high_word};
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// Weights whose sizes call for chunks of all lengths: few are large.
    fn weights(seed: u64, len: usize, shift: u32) -> Vec<i8> {
        let shifts = int8s(seed ^ 0x1234)(len);
        let of = |(w, s): (i8, i8)| if s & 15 == 0 { w.max(-127) } else { w.max(-127) >> shift };
        int8s(seed)(len).into_iter().zip(shifts).map(of).collect()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read(
            fan_in in prop_oneof![1usize..20, 120usize..140], shift in 0u32..7, seed in any::<u64>(),
            numbers in proptest::collection::vec((-(1i32 << 22)..1 << 22, 0..=MOST_MULTIPLIER), 1..10),
        ) {
            let (biases, multipliers): (Vec<i32>, Vec<i32>) = numbers.into_iter().unzip();
            let channels = biases.len();
            let weights = weights(seed, fan_in * channels, shift);
            let mut words = vec![7; HalvesMatrix::len(fan_in, channels).unwrap()];
            pack(&weights, &biases, &multipliers, &mut words).unwrap();
            let matrix = HalvesMatrix::new(&words, fan_in, channels).unwrap();
            for c in 0..channels {
                prop_assert_eq!((matrix.bias(c), matrix.multiplier(c)), (biases[c], multipliers[c]));
                for k in 0..fan_in {
                    prop_assert_eq!(matrix.weight(c, k), weights[c * fan_in + k]);
                }
            }
            let numbers: Vec<_> = biases.iter().map(|b| b << 8).zip(multipliers).collect();
            prop_assert_eq!(matrix.numbers().collect::<Vec<_>>(), numbers);
        }

        /// Activations at their bounds, with the signs of a channel's weights or of any, are what overflows a half first.
        #[test]
        fn products_are_those_of_the_definition(
            fan_in in prop_oneof![1usize..20, 120usize..140], channels in 1usize..10, count in 1usize..4, shift in 0u32..7,
            extreme in 0usize..4, scale in 0u32..31, zero_point in -128i32..=127, seed in any::<u64>(),
        ) {
            let mut bytes = int8s(!seed);
            let weights = weights(seed, fan_in * channels, shift);
            let biases: Vec<i32> = bytes(channels).iter().map(|&b| i32::from(b) * 64).collect();
            let multiplier = |&m: &i8| ((i32::from(m) + 129).wrapping_shl(scale) & i32::MAX).min(MOST_MULTIPLIER);
            let multipliers: Vec<i32> = bytes(channels).iter().map(multiplier).collect();
            let filled = fan_in.next_multiple_of(4);
            let mut pixels: Vec<Vec<i8>> = (0..count).map(|_| bytes(filled)).collect();
            for (pixel, bound) in pixels.iter_mut().zip([i8::MIN, i8::MAX]).take(extreme) {
                let channel = extreme % channels;
                for (a, &w) in pixel.iter_mut().zip(&weights[channel * fan_in..][..fan_in]) {
                    *a = if w > 0 { bound } else { !bound };
                }
            }
            let mut words = vec![0; HalvesMatrix::len(fan_in, channels).unwrap()];
            pack(&weights, &biases, &multipliers, &mut words).unwrap();
            let matrix = HalvesMatrix::new(&words, fan_in, channels).unwrap();
            let in_turn = (0..filled / 4).flat_map(|step| pixels.iter().map(move |pixel| &pixel[4 * step..][..4]));
            let in_turn: Vec<u32> = in_turn.map(|four| bytemuck::must_cast([four[0], four[1], four[2], four[3]])).collect();
            let stride = channels + 3;
            let mut found = vec![7; stride * count];
            let mut out = Output { elements: &mut found, stride, zero_point };
            multiply(count, &matrix, bytemuck::must_cast_slice(&in_turn), &mut out);
            let mut sums = vec![3; channels];
            accumulate(&matrix, 0, &pixels[0][..fan_in], &mut sums);
            for (p, pixel) in pixels.iter().enumerate() {
                for c in 0..channels {
                    let kernel = &weights[c * fan_in..][..fan_in];
                    let products = kernel.iter().zip(pixel).map(|(&w, &a)| i32::from(w) * i32::from(a)).sum::<i32>();
                    let expected = high_word((biases[c] + products) << 8, multipliers[c], zero_point);
                    prop_assert_eq!(found[p * stride + c], expected, "pixel {}, channel {}", p, c);
                    prop_assert!(p > 0 || sums[c] == 3 + (products << 8));
                }
            }
        }

        #[test]
        fn any_content_is_harmless(fan_in in 1usize..140, channels in 1usize..10, count in 1usize..4, seed in any::<u64>()) {
            let bytes = int8s(seed)(HalvesMatrix::len(fan_in, channels).unwrap() * 4);
            let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|&word| bytemuck::must_cast(word)).collect();
            let matrix = HalvesMatrix::new(&words, fan_in, channels).unwrap();
            let mut found = vec![7; channels * count];
            let pixels = vec![-1; matrix.steps() * 4 * count];
            multiply(count, &matrix, &pixels, &mut Output { elements: &mut found, stride: channels, zero_point: 0 });
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused() {
        let mut words = vec![0; HalvesMatrix::len(2, 1).unwrap()];
        assert_eq!(pack(&[1, -128], &[0], &[1], &mut words), None);
        assert_eq!(pack(&[1, 2], &[0], &[-1], &mut words), None);
        assert_eq!(pack(&[1, 2], &[0], &[MOST_MULTIPLIER + 1], &mut words), None);
        assert_eq!(pack(&[1, 2, 3], &[0, 0], &[1, 1], &mut words), None);
        assert_eq!(pack(&[1, 2], &[], &[], &mut []), None);
        assert_eq!(pack(&[1, 2], &[0], &[1], &mut vec![0; words.len() + 1]), None);
        assert!(HalvesMatrix::new(&[], 0, 0).is_none());
    }
}
