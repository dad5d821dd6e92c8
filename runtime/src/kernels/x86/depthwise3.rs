//! Depthwise convolution of 3×3 taps: an output row, eight channels at a time.
//!
//! A column of three elements a channel is two vectors of 16-bit pairs: the upper two elements, and the third beside a zero.
//! Each column is read once.

use super::outputs::{EIGHT, high_words, store};
use crate::kernels::nines::{PackedNines, ThreeRows};
use crate::kernels::portable;
use core::arch::x86_64::*;

/// Elements or weights of a column under the kernel.
type Column = [__m256i; 2];

/// Computes an output row of `packed.channels()` channels.
#[target_feature(enable = "avx2")]
pub fn depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    let channels = packed.channels();
    let (eights, _) = packed.words().as_chunks();
    for (words, first) in eights.iter().zip((0..).step_by(EIGHT)) {
        eight(&Kernels::new(words), first, channels, window, zero_point, out);
    }
    portable::depthwise3_from(packed, channels & !(EIGHT - 1), window, zero_point, out);
}

/// The kernels of eight channels.
struct Kernels {
    bias: __m256i,
    multiplier: __m256i,
    columns: [Column; 3],
    /// What stands in padding, a byte a channel.
    padding: u64,
}

impl Kernels {
    /// From the words of each channel, see [`PackedNines`].
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new(words: &[[u32; 5]; EIGHT]) -> Self {
        let mut each = [[0; EIGHT]; 5];
        for (channel, words) in words.iter().enumerate() {
            for (each, &word) in each.iter_mut().zip(words) {
                if let Some(each) = each.get_mut(channel) {
                    *each = word;
                }
            }
        }
        let [bias, multiplier, first, second, third] = each;
        let mut padding = [0; EIGHT];
        padding.iter_mut().zip(third).for_each(|(padding, word)| *padding = (word >> 16) as u8);
        let (first, second, third) =
            (bytemuck::must_cast(first), bytemuck::must_cast(second), bytemuck::must_cast(third));
        let lower = _mm256_set1_epi32(0xffff);
        let thirds = odd(second);
        let columns = [
            [even(first), _mm256_and_si256(thirds, lower)],
            [odd(first), _mm256_srli_epi32::<16>(thirds)],
            [even(second), _mm256_and_si256(odd(third), lower)],
        ];
        let bias = _mm256_srai_epi32::<8>(bytemuck::must_cast(bias));
        Self { bias, multiplier: bytemuck::must_cast(multiplier), columns, padding: u64::from_le_bytes(padding) }
    }
}

/// Bytes 0 and 2 of each word, as a pair.
#[target_feature(enable = "avx2")]
#[inline]
fn even(words: __m256i) -> __m256i {
    odd(_mm256_slli_epi16::<8>(words))
}

/// Bytes 1 and 3 of each word, as a pair.
#[target_feature(enable = "avx2")]
#[inline]
fn odd(words: __m256i) -> __m256i {
    _mm256_srai_epi16::<8>(words)
}

/// Computes the channels from `first` on.
#[target_feature(enable = "avx2")]
fn eight(kernels: &Kernels, first: usize, channels: usize, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    let padding = kernels.padding;
    let mut start = first;
    let mut next = || {
        let mut elements = [padding; 3];
        for (elements, row) in elements.iter_mut().zip(window.rows) {
            if let Some(row) = row
                && let Some(rest) = row.get(start..)
                && let Some(&found) = rest.first_chunk::<EIGHT>()
            {
                *elements = bytemuck::must_cast(found);
            }
        }
        start = start.wrapping_add(channels);
        column(elements)
    };
    let mut left = if window.left { column([padding; 3]) } else { next() };
    let mut centre = next();
    for out in out.chunks_exact_mut(channels.max(1)) {
        let right = next();
        let mut acc = kernels.bias;
        for ([upper, lower], [first, third]) in [left, centre, right].into_iter().zip(kernels.columns) {
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(upper, first));
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(lower, third));
        }
        let outputs = high_words(_mm256_slli_epi32::<8>(acc), kernels.multiplier, zero_point);
        store(outputs, EIGHT, out.get_mut(first..).unwrap_or_default());
        (left, centre) = if window.stride == 1 { (centre, right) } else { (right, next()) };
    }
}

/// Three elements of each of eight channels, by rows, in pairs.
#[target_feature(enable = "avx2")]
#[inline]
fn column([first, second, third]: [u64; 3]) -> Column {
    [pairs(first, second), pairs(third, 0)]
}

/// Elements of two rows, in pairs.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn pairs(upper: u64, lower: u64) -> __m256i {
    let (upper, lower) = (_mm_cvtsi64_si128(upper as i64), _mm_cvtsi64_si128(lower as i64));
    _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(upper, lower))
}
