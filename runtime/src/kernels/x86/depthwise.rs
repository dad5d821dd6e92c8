//! Depthwise convolution of one output pixel: two taps of four channels at a time.

use crate::kernels::portable;
use crate::kernels::taps::{BLOCK, PackedTaps};
use crate::requantize::high_word;
use core::arch::x86_64::*;

/// Computes an output pixel; `pixels` has one pixel a tap.
#[target_feature(enable = "avx2")]
pub fn depthwise(packed: &PackedTaps<'_>, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]) {
    let shortest = pixels.iter().fold(out.len(), |len, pixel| len.min(pixel.len()));
    let whole = shortest >> 2;
    let blocks = out.as_chunks_mut::<BLOCK>().0.iter_mut().take(whole);
    for ((run, out), start) in packed.runs().zip(blocks).zip((0..).step_by(BLOCK)) {
        let mut acc = bytemuck::must_cast(run.bias);
        let four = |pixel: &[i8]| {
            let four: Option<&[i8; BLOCK]> = pixel.get(start..).and_then(|pixel| pixel.first_chunk());
            four.map_or(0, |&four| bytemuck::must_cast(four))
        };
        let (weights, last_weight) = run.weights.as_chunks::<2>();
        let (pixels, last_pixel) = pixels.as_chunks::<2>();
        for (&[w0, w1], &[p0, p1]) in weights.iter().zip(pixels) {
            acc = add_products(acc, [w0, w1], [four(p0), four(p1)]);
        }
        if let (&[weight], &[pixel]) = (last_weight, last_pixel) {
            acc = add_products(acc, [weight, 0], [four(pixel), 0]);
        }
        let acc: [i32; BLOCK] = bytemuck::must_cast(_mm_slli_epi32::<8>(acc));
        for ((out, acc), multiplier) in out.iter_mut().zip(acc).zip(run.multiplier) {
            *out = high_word(acc, multiplier, zero_point);
        }
    }
    portable::depthwise_from(packed, whole, pixels, zero_point, out);
}

/// Adds the products of two taps, each of four channels.
#[target_feature(enable = "avx2")]
#[inline]
fn add_products(acc: __m128i, weights: [u32; 2], pixels: [u32; 2]) -> __m128i {
    let [weights, pixels] = [weights, pixels].map(|[first, second]| {
        let [first, second] = [first, second].map(|word| _mm_cvtsi32_si128(word as i32));
        _mm_cvtepi8_epi16(_mm_unpacklo_epi8(first, second))
    });
    _mm_add_epi32(acc, _mm_madd_epi16(weights, pixels))
}
