//! Depthwise convolution of one output pixel: two taps of eight channels at a time.

use super::depthwise3::pairs;
use super::outputs::{EIGHT, high_words, store};
use crate::kernels::fours::Run;
use crate::kernels::portable;
use crate::kernels::taps::PackedTaps;
use core::arch::x86_64::*;

/// Computes an output pixel; `pixels` has one pixel a tap.
#[target_feature(enable = "avx2")]
pub fn depthwise(packed: &PackedTaps<'_>, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]) {
    let mut runs = packed.runs();
    let mut start = 0usize;
    while pixels.iter().all(|pixel| pixel.len() >= start.wrapping_add(EIGHT))
        && let Some(out) = out.get_mut(start..)
        && out.len() >= EIGHT
        && let (Some(lower), Some(upper)) = (runs.next(), runs.next())
    {
        let acc = sums(&lower, &upper, pixels, start);
        let multiplier = bytemuck::must_cast([lower.multiplier, upper.multiplier]);
        store(high_words(_mm256_slli_epi32::<8>(acc), multiplier, zero_point), EIGHT, out);
        start = start.wrapping_add(EIGHT);
    }
    portable::depthwise_from(packed, start >> 2, pixels, zero_point, out);
}

/// Biases and products of two blocks of channels, from channel `start` on.
#[target_feature(enable = "avx2")]
#[inline]
fn sums(lower: &Run<'_>, upper: &Run<'_>, pixels: &[&[i8]], start: usize) -> __m256i {
    let mut acc = bytemuck::must_cast([lower.bias, upper.bias]);
    let mut taps = lower.weights.iter().zip(upper.weights).zip(pixels);
    while let Some((weights, pixel)) = taps.next() {
        let first = [word(weights), eight(pixel, start)];
        let second = match taps.next() {
            Some((weights, pixel)) => [word(weights), eight(pixel, start)],
            None => [0; 2],
        };
        let ([weights, pixel], [next_weights, next_pixel]) = (first, second);
        let products = _mm256_madd_epi16(pairs(weights, next_weights), pairs(pixel, next_pixel));
        acc = _mm256_add_epi32(acc, products);
    }
    acc
}

/// Weights of a tap for eight channels.
#[inline]
fn word((&lower, &upper): (&u32, &u32)) -> u64 {
    u64::from(lower) | u64::from(upper) << 32
}

/// Eight elements.
#[inline]
fn eight(pixel: &[i8], start: usize) -> u64 {
    match pixel.get(start..) {
        Some(rest) => rest.first_chunk::<EIGHT>().map_or(0, |&eight| bytemuck::must_cast(eight)),
        None => 0,
    }
}
