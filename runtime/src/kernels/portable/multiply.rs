//! Matrix products.

use super::expand::four;
use crate::kernels::Output;
use crate::kernels::packed::{PackedMatrix, Run};
use crate::requantize::high_word;

/// One step: four inputs of one channel and one pixel.
#[inline(always)]
fn step(acc: i32, weights: [i16; 2], odd: [i16; 2], even: [i16; 2]) -> i32 {
    let mul = |a: i16, b: i16| i32::from(a).wrapping_mul(b.into());
    let [w0, w1] = weights;
    let [odd0, odd1] = odd;
    let [even0, even1] = even;
    acc.wrapping_add(mul(w0, odd0))
        .wrapping_add(mul(w1, odd1))
        .wrapping_add(mul((w0 as i8).into(), even0))
        .wrapping_add(mul((w1 as i8).into(), even1))
}

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
pub fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    multiply_from(count, matrix, 0, pixels, out);
}

/// [`multiply`] from a pair of channels on.
pub fn multiply_from(count: usize, matrix: &PackedMatrix<'_>, first: usize, pixels: &[u32], out: &mut Output<'_>) {
    match count {
        3 => multiply_block::<3>(matrix, first, pixels, out),
        2 => multiply_block::<2>(matrix, first, pixels, out),
        _ => {}
    }
}

fn multiply_block<const P: usize>(matrix: &PackedMatrix<'_>, first: usize, pixels: &[u32], out: &mut Output<'_>) {
    let lanes: &[[i16; 2]] = bytemuck::must_cast_slice(pixels);
    for (pair, run) in matrix.runs().enumerate().skip(first) {
        let mut acc = run.init.map(|init| [init; P]);
        let weights: &[[i16; 2]] = bytemuck::must_cast_slice(run.weights);
        for (weights, pixels) in weights.as_chunks::<2>().0.iter().zip(lanes.chunks_exact(P.wrapping_mul(2))) {
            let Some((odds, evens)) = pixels.split_first_chunk::<P>() else { continue };
            for (acc, &weights) in acc.iter_mut().zip(weights) {
                for ((acc, &odd), &even) in acc.iter_mut().zip(odds).zip(evens) {
                    *acc = step(*acc, weights, odd, even);
                }
            }
        }
        store(matrix, pair, &run, acc, out);
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
pub fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    multiply_one_from(matrix, 0, pixel, out);
}

/// [`multiply_one`] from a pair of channels on.
pub fn multiply_one_from(matrix: &PackedMatrix<'_>, first: usize, pixel: &[i8], out: &mut Output<'_>) {
    for (pair, run) in matrix.runs().enumerate().skip(first) {
        let mut acc = run.init.map(|init| [init; 1]);
        let weights: &[[i16; 2]] = bytemuck::must_cast_slice(run.weights);
        for (weights, &pixel) in weights.as_chunks::<2>().0.iter().zip(pixel.as_chunks::<4>().0) {
            let [odd, even] = four(pixel);
            for ([acc], &weights) in acc.iter_mut().zip(weights) {
                *acc = step(*acc, weights, odd, even);
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

/// Adds the products of a row of activations with the steps of all channels from step `first` on to `sums`.
pub fn accumulate(matrix: &PackedMatrix<'_>, first: usize, row: &[i8], sums: &mut [i32]) {
    for (run, sums) in matrix.runs().zip(sums.chunks_mut(2)) {
        let weights: &[[i16; 2]] = bytemuck::must_cast_slice(run.weights);
        let weights = weights.as_chunks::<2>().0.get(first..).unwrap_or(&[]);
        let (fours, rest) = row.as_chunks::<4>();
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(last, &rest)| *last = rest);
        // Weights behind the end of a row are zero.
        let pixels = fours.iter().chain([&last]);
        let mut acc = [0; 2];
        for (weights, &pixel) in weights.iter().take(row.len().div_ceil(4)).zip(pixels) {
            let [odd, even] = four(pixel);
            for (acc, &weights) in acc.iter_mut().zip(weights) {
                *acc = step(*acc, weights, odd, even);
            }
        }
        sums.iter_mut().zip(acc).for_each(|(sum, acc)| *sum = sum.wrapping_add(acc));
    }
}
