//! From accumulators to outputs: [`crate::requantize::high_word`] of eight lanes.

use core::arch::x86_64::*;

/// Lanes.
pub const EIGHT: usize = 8;

/// Maps accumulators with 8 fraction bits to int8.
#[target_feature(enable = "avx2")]
#[inline]
pub fn high_words(acc: __m256i, multiplier: __m256i, zero_point: i32) -> [i8; EIGHT] {
    let half = _mm256_set1_epi64x(1 << 31);
    let even = _mm256_add_epi64(_mm256_mul_epi32(acc, multiplier), half);
    let (odd_acc, odd_multiplier) = (_mm256_shuffle_epi32::<0xf5>(acc), _mm256_shuffle_epi32::<0xf5>(multiplier));
    let odd = _mm256_add_epi64(_mm256_mul_epi32(odd_acc, odd_multiplier), half);
    let high = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
    let sums = _mm256_add_epi32(high, _mm256_set1_epi32(zero_point));
    let words = _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let [low, _]: [[i8; EIGHT]; 2] = bytemuck::must_cast(_mm_packs_epi16(words, words));
    low
}

/// Writes the first `kept` elements, as far as there is room for them.
#[inline]
pub fn store(outputs: [i8; EIGHT], kept: usize, out: &mut [i8]) {
    match out.first_chunk_mut() {
        Some(out) if kept >= EIGHT => *out = outputs,
        _ => out.iter_mut().zip(outputs).take(kept).for_each(|(to, from)| *to = from),
    }
}
