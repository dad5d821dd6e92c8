//! Matrix products.

use super::expand::OFFSET;
use crate::kernels::Output;
use crate::kernels::packed::{PackedMatrix, Run};
use crate::requantize::high_word;

/// One step: four inputs of one channel and one pixel.
#[inline(always)]
fn step(acc: i32, weights: u32, pixel: u32) -> i32 {
    let mul = |a: i16, b: i16| i32::from(a).wrapping_mul(b.into());
    let [w0, w1] = [weights as i16, (weights >> 16) as i16];
    let [v0, v1] = [i16::from(weights as i8), i16::from((weights >> 16) as i8)];
    let [x0, x1] = [pixel as i16, (pixel >> 16) as i16];
    let [y0, y1] = [i16::from(pixel as u8), i16::from((pixel >> 16) as u8)];
    acc.wrapping_add(mul(w0, y1)).wrapping_sub(mul(w1, y0)).wrapping_add(mul(x0, v1)).wrapping_sub(mul(x1, v0))
}

/// The word of four activations.
#[inline(always)]
fn four(activations: [i8; 4]) -> u32 {
    bytemuck::must_cast::<_, u32>(activations) ^ OFFSET
}

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
pub fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    match count {
        3 => multiply_block::<3>(matrix, pixels, out),
        2 => multiply_block::<2>(matrix, pixels, out),
        _ => {}
    }
}

fn multiply_block<const P: usize>(matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    for (pair, run) in matrix.runs().enumerate() {
        let mut acc = run.init.map(|init| [init; P]);
        for (weights, pixels) in run.weights.as_chunks::<2>().0.iter().zip(pixels.as_chunks::<P>().0) {
            for (acc, &weights) in acc.iter_mut().zip(weights) {
                for (acc, &pixel) in acc.iter_mut().zip(pixels) {
                    *acc = step(*acc, weights, pixel);
                }
            }
        }
        store(matrix, pair, &run, acc, out);
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
pub fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    for (pair, run) in matrix.runs().enumerate() {
        let mut acc = run.init.map(|init| [init; 1]);
        for (weights, &pixel) in run.weights.as_chunks::<2>().0.iter().zip(pixel.as_chunks::<4>().0) {
            for ([acc], &weights) in acc.iter_mut().zip(weights) {
                *acc = step(*acc, weights, four(pixel));
            }
        }
        store(matrix, pair, &run, acc, out);
    }
}

#[inline(always)]
fn store<const P: usize>(
    matrix: &PackedMatrix<'_>,
    pair: usize,
    run: &Run<'_>,
    acc: [[i32; P]; 2],
    out: &mut Output<'_>,
) {
    let channel = pair.wrapping_mul(2);
    let kept = matrix.channels().wrapping_sub(channel);
    for (which, (acc, multiplier)) in acc.into_iter().zip(run.multiplier).enumerate().take(kept) {
        let mut at = channel.wrapping_add(which);
        for acc in acc {
            if let Some(element) = out.elements.get_mut(at) {
                *element = high_word(acc, multiplier, out.zero_point);
            }
            at = at.wrapping_add(out.stride);
        }
    }
}

/// Adds the products of row `index` of a dense layer's input, with 8 fraction bits, to the sums of all channels.
pub fn accumulate(matrix: &PackedMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]) {
    accumulate_from(matrix, index.wrapping_mul(row.len().div_ceil(PackedMatrix::GRAIN)), row, sums);
}

/// The same for elements that meet the weights from step `first` on.
pub fn accumulate_from(matrix: &PackedMatrix<'_>, first: usize, row: &[i8], sums: &mut [i32]) {
    for (run, sums) in matrix.runs().zip(sums.chunks_mut(2)) {
        let weights = run.weights.as_chunks::<2>().0.get(first..).unwrap_or(&[]);
        let (fours, rest) = row.as_chunks::<4>();
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(last, &rest)| *last = rest);
        // Weights behind the end of a row are zero.
        let pixels = fours.iter().chain([&last]);
        let mut acc = [0; 2];
        for (weights, &pixel) in weights.iter().take(row.len().div_ceil(4)).zip(pixels) {
            for (acc, &weights) in acc.iter_mut().zip(weights) {
                *acc = step(*acc, weights, four(pixel));
            }
        }
        sums.iter_mut().zip(acc).for_each(|(sum, acc)| *sum = sum.wrapping_add(acc));
    }
}
