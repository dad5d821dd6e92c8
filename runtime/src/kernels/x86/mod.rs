//! x86-64 with AVX2, so that simulation is fast. Whether the core has it is looked up at run time; without it the portable
//! form serves.

// Calls to code for an instruction set.
#![allow(unsafe_code)]

mod depthwise;
mod depthwise3;
mod detect;
mod outputs;
mod product;

use super::nines::{PackedNines, ThreeRows};
use super::packed::PackedMatrix;
use super::taps::PackedTaps;
use super::{Output, portable};
use detect::has_avx2;

/// Defines functions that take the form of the module named, where the core has AVX2, and the portable one else.
macro_rules! fast {
    ($( $(#[$doc:meta])* $module:ident::$name:ident($($argument:ident: $type:ty),*); )*) => { $(
        $(#[$doc])*
        #[inline]
        pub fn $name($($argument: $type),*) {
            if has_avx2() {
                // SAFETY: the core has AVX2.
                unsafe { $module::$name($($argument),*) }
            } else {
                portable::$name($($argument),*)
            }
        }
    )* };
}

fast! {
    /// [`portable::multiply`]
    product::multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>);
    /// [`portable::multiply_one`]
    product::multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>);
    /// [`portable::accumulate`]
    product::accumulate(matrix: &PackedMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]);
    /// [`portable::depthwise`]
    depthwise::depthwise(packed: &PackedTaps<'_>, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]);
    /// [`portable::depthwise3`]
    depthwise3::depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::nines::Nine;
    use crate::kernels::taps::pack_taps;
    use crate::operators::testing::{channel_numbers, int8s, packed};
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// Numbers that spread outputs over the int8 range.
    fn numbers(seed: u64, channels: usize, taps: usize) -> (Vec<i32>, Vec<i32>) {
        let (bias, multiplier, _) = channel_numbers(seed, channels, taps);
        (bias, multiplier.iter().map(|m| (m >> 12).max(1)).collect())
    }

    /// Words of any content, or of packed weights.
    fn words(seed: u64, fan_in: usize, channels: usize, any: bool) -> Vec<u32> {
        if any {
            let bytes = int8s(seed)(PackedMatrix::len(fan_in, channels).unwrap() * 4);
            return bytes.as_chunks::<4>().0.iter().map(|&word| bytemuck::must_cast(word)).collect();
        }
        packed(seed, channels, fan_in).0
    }

    proptest! {
        #[test]
        fn products_are_those_of_the_portable_form(
            fan_in in prop_oneof![1usize..70, 4080usize..4120], channels in 1usize..40, count in 1usize..4, gap in 0usize..9,
            missing in 0usize..3, any in any::<bool>(), seed in any::<u64>(),
        ) {
            let words = words(seed, fan_in, channels, any);
            let matrix = PackedMatrix::new(&words, fan_in, channels).unwrap();
            let pixels: Vec<u32> =
                int8s(!seed)(matrix.steps() * count * 4).as_chunks::<4>().0.iter().map(|&four| bytemuck::must_cast(four)).collect();
            let stride = channels + gap;
            let mut outputs = [(); 2].map(|()| vec![7; (stride * count).saturating_sub(missing)]);
            for (out, fast) in outputs.iter_mut().zip([false, true]) {
                let mut out = Output { elements: out, stride, zero_point: -5 };
                match (count, fast) {
                    (1, false) => portable::multiply_one(&matrix, bytemuck::must_cast_slice(&pixels), &mut out),
                    (1, true) => multiply_one(&matrix, bytemuck::must_cast_slice(&pixels), &mut out),
                    (_, false) => portable::multiply(count, &matrix, &pixels, &mut out),
                    (_, true) => multiply(count, &matrix, &pixels, &mut out),
                }
            }
            let [expected, found] = outputs;
            prop_assert_eq!(expected, found);
        }

        #[test]
        fn sums_are_those_of_the_portable_form(
            rows in 1usize..4, row_len in prop_oneof![1usize..70, 4090usize..4110], channels in 1usize..30, any in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let steps = row_len.div_ceil(4);
            let fan_in = steps * 4 * rows;
            let words = words(seed, fan_in, channels, any);
            let matrix = PackedMatrix::new(&words, fan_in, channels).unwrap();
            let mut sums = [(); 2].map(|()| vec![3; channels]);
            for row in 0..rows {
                let elements = int8s(seed ^ row as u64)(row_len);
                let [expected, found] = &mut sums;
                portable::accumulate(&matrix, row, &elements, expected);
                accumulate(&matrix, row, &elements, found);
            }
            let [expected, found] = sums;
            prop_assert_eq!(expected, found);
        }

        #[test]
        fn depthwise_is_the_portable_form(taps in 1usize..20, channels in 1usize..40, seed in any::<u64>()) {
            let mut bytes = int8s(seed);
            let (bias, multiplier) = numbers(seed, channels, taps);
            let mut words = vec![0; PackedTaps::len(taps, channels).unwrap()];
            pack_taps(&bytes(taps * channels), &bias, &multiplier, &mut words).unwrap();
            let kernels = PackedTaps::new(&words, taps, channels).unwrap();
            let pixels: Vec<Vec<i8>> = (0..taps).map(|_| bytes(channels)).collect();
            let pixels: Vec<&[i8]> = pixels.iter().map(Vec::as_slice).collect();
            let [mut expected, mut found] = [(); 2].map(|()| vec![7; channels]);
            portable::depthwise(&kernels, &pixels, 9, &mut expected);
            depthwise(&kernels, &pixels, 9, &mut found);
            prop_assert_eq!(expected, found);
        }

        #[test]
        fn depthwise3_is_the_portable_form(
            columns in 1usize..9, channels in 1usize..40, stride in 1usize..3, left in any::<bool>(), right in any::<bool>(),
            present in any::<[bool; 3]>(), seed in any::<u64>(),
        ) {
            let mut bytes = int8s(seed);
            let (bias, multiplier) = numbers(seed, channels, 9);
            let words: Vec<u32> = bias.iter().zip(multiplier).flat_map(|(&bias, multiplier)| {
                let mut row = || bytes(3).try_into().unwrap();
                let weights = [row(), row(), row()];
                Nine { bias, multiplier, weights, padding: bytes(1)[0] }.pack()
            }).collect();
            let kernels = PackedNines::new(&words, channels).unwrap();
            let read = ((columns - 1) * stride + 3).saturating_sub(usize::from(left) + usize::from(right));
            let rows: [Vec<i8>; 3] = [(); 3].map(|()| bytes(read * channels));
            let rows = [0, 1, 2].map(|k| present[k].then_some(rows[k].as_slice()));
            let window = ThreeRows { rows, stride, left, right };
            let [mut expected, mut found] = [(); 2].map(|()| vec![7; columns * channels]);
            portable::depthwise3(&kernels, &window, -7, &mut expected);
            depthwise3(&kernels, &window, -7, &mut found);
            prop_assert_eq!(expected, found);
        }
    }
}
