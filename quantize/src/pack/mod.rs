//! Weights, biases and multipliers in the order in which the kernels read them.

use residua::kernels::nines::Nine;
use residua::kernels::packed::{PackedMatrix, pack};
use residua::kernels::taps::{PackedTaps, pack_taps};
use residua::requantize::{HIGH_WORD_SHIFT, MOST_MULTIPLIER};

/// Integers of the output channels of a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    /// int8 weights, output channel outermost.
    pub weights: Vec<i8>,
    /// Biases with the input's zero point folded in.
    pub biases: Vec<i32>,
    /// From accumulator to output: input scale · weight scale / output scale.
    pub factors: Vec<f64>,
}

/// Whether an accumulator holds the sum whatever the activations: it has 24 bits beside its 8 fraction bits.
pub fn fits(weights: &[i8], bias: i64) -> bool {
    let extreme =
        |low: i64, high: i64| -> i64 { weights.iter().map(|&w| i64::from(w)).map(|w| (w * low).max(w * high)).sum() };
    let (most, least) = (bias + extreme(-128, 127), bias - extreme(128, -127));
    most < 1 << 23 && least >= -(1 << 23)
}

/// The packed matrices of a convolution's groups, as plan bytes.
pub fn groups(channels: &Channels, groups: usize) -> Vec<u8> {
    let outputs = channels.biases.len() / groups;
    let fan_in = channels.weights.len() / channels.biases.len();
    let parts = channels.weights.chunks_exact(outputs * fan_in).zip(channels.biases.chunks_exact(outputs));
    let factors = channels.factors.chunks_exact(outputs);
    parts.zip(factors).flat_map(|((weights, biases), factors)| matrix(weights, biases, factors)).collect()
}

/// The packed matrix of a dense layer over rows of `row_len` elements, as plan bytes.
pub fn dense(channels: &Channels, row_len: usize) -> Vec<u8> {
    let filled: Vec<i8> = channels
        .weights
        .chunks_exact(row_len)
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, row_len.next_multiple_of(4) - row_len)))
        .collect();
    matrix(&filled, &channels.biases, &channels.factors)
}

/// The packed matrix of [`dense`] over `rows` rows without what fills up rows: that of a convolution whose window they are.
pub fn dense_rows_joined(bytes: &[u8], rows: usize, row_len: usize, outputs: usize) -> Vec<u8> {
    let words: Vec<u32> = bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    let filled = row_len.next_multiple_of(4);
    let Some(packed) = PackedMatrix::new(&words, filled * rows, outputs) else { return bytes.to_vec() };
    let row = |o: usize, y: usize| (0..row_len).map(move |i| packed.weight(o, y * filled + i));
    let weights: Vec<i8> = (0..outputs).flat_map(|o| (0..rows).flat_map(move |y| row(o, y))).collect();
    let (biases, multipliers): (Vec<i32>, Vec<i32>) =
        (0..outputs).map(|o| (packed.bias(o), packed.multiplier(o))).unzip();
    packed_words(&weights, &biases, &multipliers)
}

/// The packed kernels of a depthwise convolution, as plan bytes.
pub fn taps(channels: &Channels) -> Vec<u8> {
    let taps = channels.weights.len() / channels.biases.len();
    let mut words = vec![0; PackedTaps::len(taps, channels.biases.len()).unwrap_or(0)];
    let packed = pack_taps(&channels.weights, &channels.biases, &multipliers(&channels.factors), &mut words);
    debug_assert!(packed.is_some(), "lengths match");
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The packed kernels of a depthwise convolution of 3×3 taps with the value of each channel in padding, as plan bytes.
pub fn nines(channels: &Channels, padding: &[i8]) -> Vec<u8> {
    let kernels = channels.weights.as_chunks::<3>().0.as_chunks::<3>().0;
    let numbers = channels.biases.iter().zip(multipliers(&channels.factors)).zip(padding);
    let kernels = kernels.iter().zip(numbers).map(|(&weights, ((&bias, multiplier), &padding))| Nine {
        bias,
        multiplier,
        weights,
        padding,
    });
    kernels.flat_map(|kernel| kernel.pack()).flat_map(u32::to_le_bytes).collect()
}

fn multipliers(factors: &[f64]) -> Vec<i32> {
    let unit = f64::from(HIGH_WORD_SHIFT).exp2();
    factors.iter().map(|f| (f * unit).round().clamp(1.0, MOST_MULTIPLIER.into()) as i32).collect()
}

fn matrix(weights: &[i8], biases: &[i32], factors: &[f64]) -> Vec<u8> {
    packed_words(weights, biases, &multipliers(factors))
}

fn packed_words(weights: &[i8], biases: &[i32], multipliers: &[i32]) -> Vec<u8> {
    let fan_in = weights.len() / biases.len();
    let mut words = vec![0; PackedMatrix::len(fan_in, biases.len()).unwrap_or(0)];
    let packed = pack(weights, biases, multipliers, &mut words);
    debug_assert!(packed.is_some(), "lengths match and no weight is -128");
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_that_fit_do_for_all_activations(
            weights in proptest::collection::vec(-127i8..=127, 1..700), bias in -(1i64 << 23)..1 << 23,
        ) {
            let sum = |activation: fn(i64) -> i64| -> i64 {
                bias + weights.iter().map(|&w| i64::from(w) * activation(w.into())).sum::<i64>()
            };
            let most = sum(|w| if w > 0 { 127 } else { -128 });
            let least = sum(|w| if w > 0 { -128 } else { 127 });
            prop_assert_eq!(fits(&weights, bias), most < 1 << 23 && least >= -(1 << 23));
        }
    }
}
