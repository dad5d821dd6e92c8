//! Depthwise convolution of 3×3 taps: an output row, channel by channel.

use crate::kernels::nines::{PackedNines, ThreeRows};
use crate::requantize::high_word;

/// Computes the channels from `first` on of an output row of `packed.channels()` channels.
pub fn depthwise3_from(
    packed: &PackedNines<'_>,
    first: usize,
    window: &ThreeRows<'_>,
    zero_point: i32,
    out: &mut [i8],
) {
    let channels = packed.channels().max(1);
    for (c, kernel) in packed.kernels().enumerate().skip(first) {
        let padding = i32::from(kernel.padding);
        let mut weights = kernel.weights.map(|row| row.map(i32::from));
        let mut bias = kernel.bias;
        for (row, weights) in window.rows.iter().zip(&mut weights) {
            if row.is_none() {
                let sum = weights.iter().fold(0i32, |sum, &w| sum.wrapping_add(w));
                bias = bias.wrapping_add(sum.wrapping_mul(padding));
                *weights = [0; 3];
            }
        }
        let mut rows = window.rows.map(|row| row.and_then(|row| row.get(c..)).unwrap_or(&[]).iter().step_by(channels));
        let mut column = || rows.each_mut().map(|row| row.next().map_or(padding, |&value| value.into()));
        let [first, middle, last] = core::array::from_fn(|k| {
            weights.map(|[w0, w1, w2]| match k {
                0 => w0,
                1 => w1,
                _ => w2,
            })
        });
        let mut left = if window.left { [padding; 3] } else { column() };
        let mut centre = column();
        for out in out.get_mut(c..).unwrap_or(&mut []).iter_mut().step_by(channels) {
            let right = column();
            let acc = dot(dot(dot(bias, first, left), middle, centre), last, right);
            *out = high_word(acc << 8, kernel.multiplier, zero_point);
            (left, centre) = if window.stride == 1 { (centre, right) } else { (right, column()) };
        }
    }
}

/// Computes an output row of `packed.channels()` channels.
pub fn depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    depthwise3_from(packed, 0, window, zero_point, out);
}

#[inline(always)]
fn dot(acc: i32, weights: [i32; 3], values: [i32; 3]) -> i32 {
    weights.iter().zip(values).fold(acc, |acc, (&w, v)| acc.wrapping_add(w.wrapping_mul(v)))
}
