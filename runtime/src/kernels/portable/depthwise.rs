//! Depthwise convolution of one output pixel.

use crate::kernels::fours::BLOCK;
use crate::kernels::taps::PackedTaps;
use crate::requantize::high_word;

/// Computes an output pixel from block `first` of channels on; `pixels` has one pixel a tap.
pub fn depthwise_from(packed: &PackedTaps<'_>, first: usize, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]) {
    for (block, (run, out)) in packed.runs().zip(out.chunks_mut(BLOCK)).enumerate().skip(first) {
        let start = block.wrapping_mul(BLOCK);
        let mut acc = run.bias;
        for (weights, pixel) in run.weights.iter().zip(pixels) {
            let values = pixel.get(start..).unwrap_or(&[]);
            for ((acc, weight), &value) in acc.iter_mut().zip(weights.to_le_bytes()).zip(values) {
                *acc = acc.wrapping_add(i32::from(weight as i8).wrapping_mul(value.into()));
            }
        }
        for ((out, acc), multiplier) in out.iter_mut().zip(acc).zip(run.multiplier) {
            *out = high_word(acc << 8, multiplier, zero_point);
        }
    }
}

/// Computes an output pixel; `pixels` has one pixel a tap.
pub fn depthwise(packed: &PackedTaps<'_>, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]) {
    depthwise_from(packed, 0, pixels, zero_point, out);
}
