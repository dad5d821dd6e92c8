//! Depthwise convolution of 3×3 taps: an output row, eight channels at a time.
//!
//! A column of three elements a channel is two vectors of 16-bit pairs: the upper two elements, and the third beside a zero.
//! Each column is read once.

use super::outputs::{EIGHT, high_words, store};
use crate::kernels::nines::{Nine, PackedNines, ThreeRows};
use crate::kernels::portable;
use core::arch::x86_64::*;

/// Elements or weights of a column under the kernel.
type Column = [__m256i; 2];

/// Computes an output row of `packed.channels()` channels.
#[target_feature(enable = "avx2")]
pub fn depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    let channels = packed.channels();
    let mut kernels = packed.kernels();
    for first in (0..channels & !(EIGHT - 1)).step_by(EIGHT) {
        if let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)] =
            [(); EIGHT].map(|()| kernels.next())
        {
            eight(&[a, b, c, d, e, f, g, h], first, channels, window, zero_point, out);
        }
    }
    portable::depthwise3_from(packed, channels & !(EIGHT - 1), window, zero_point, out);
}

/// Computes the channels from `first` on.
#[target_feature(enable = "avx2")]
fn eight(
    kernels: &[Nine; EIGHT],
    first: usize,
    channels: usize,
    window: &ThreeRows<'_>,
    zero_point: i32,
    out: &mut [i8],
) {
    let bias = bytemuck::must_cast(kernels.map(|kernel| kernel.bias));
    let multiplier = bytemuck::must_cast(kernels.map(|kernel| kernel.multiplier));
    let padding = bytemuck::must_cast(kernels.map(|kernel| kernel.padding));
    let mut weights = [column([padding; 3]); 3];
    for (k, weights) in weights.iter_mut().enumerate() {
        let mut rows = [[0; EIGHT]; 3];
        for (y, row) in rows.iter_mut().enumerate() {
            for (weight, kernel) in row.iter_mut().zip(kernels) {
                *weight = kernel.weights.get(y).and_then(|row| row.get(k)).copied().unwrap_or(0);
            }
        }
        *weights = column(bytemuck::must_cast(rows));
    }
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
        let mut acc = bias;
        for ([upper, lower], [first, third]) in [left, centre, right].into_iter().zip(weights) {
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(upper, first));
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(lower, third));
        }
        let outputs = high_words(_mm256_slli_epi32::<8>(acc), multiplier, zero_point);
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
fn pairs(upper: u64, lower: u64) -> __m256i {
    let (upper, lower) = (_mm_cvtsi64_si128(upper as i64), _mm_cvtsi64_si128(lower as i64));
    _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(upper, lower))
}
