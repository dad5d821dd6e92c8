//! Matrix products in blocks of pixels by output channels: 3 or 2 by 2 or 4, and 1 by 4 where there is but one pixel.

use super::isa::multiply::{CHANNELS, UNROLLED, multiply1, multiply2, multiply3};
use crate::kernels::packed::PackedMatrix;
use crate::kernels::{Output, portable};

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
pub(in crate::kernels) struct Product {
    /// 0: packed words, at the first run.
    weights: *const u32,
    /// 4: expanded pixels, or one pixel.
    pixels: *const u32,
    /// 8: output of the first pixel's next channel; moves.
    out: *mut i8,
    /// 12: where `out` is at the end.
    end: *mut i8,
    /// 16: elements from pixel to pixel, or bytes of a run.
    stride: usize,
    /// 20: zero point of the output.
    zero_point: i32,
    /// 24: times that the unrolled loop is entered or repeated.
    rounds: usize,
    /// 28: address at which it is entered first, which leaves as many steps as are over.
    entry: usize,
    /// 32: bytes of a run.
    run: usize,
}

/// Rounds of the loop, and steps to leave out in the first.
#[inline(always)]
fn rounds(steps: usize) -> (usize, usize) {
    let rounds = steps.div_ceil(UNROLLED);
    (rounds, rounds.wrapping_mul(UNROLLED).wrapping_sub(steps))
}

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
#[inline(never)]
pub(crate) fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    let whole = matrix.channels() & !(CHANNELS - 1);
    let enough = pixels.len() >= matrix.steps().wrapping_mul(count)
        && out.elements.len() >= count.wrapping_sub(1).wrapping_mul(out.stride).wrapping_add(whole);
    if enough && whole > 0 {
        let (rounds, skipped) = rounds(matrix.steps());
        let start = out.elements.as_mut_ptr();
        let mut product = Product {
            weights: matrix.words().as_ptr(),
            pixels: pixels.as_ptr(),
            out: start,
            end: start.wrapping_add(whole),
            stride: out.stride,
            zero_point: out.zero_point,
            rounds,
            entry: skipped,
            run: matrix.run_len().wrapping_mul(4),
        };
        // SAFETY: the matrix has `whole / 2` runs of its number of steps, at least 1; `enough` says that the pixels have as
        // many steps and that `whole` elements of each of the `count` outputs are inside.
        unsafe {
            match count {
                3 => multiply3(&mut product),
                2 => multiply2(&mut product),
                _ => {}
            }
        }
    }
    if matrix.channels() > whole {
        portable::multiply_rest(count, matrix, whole, bytemuck::must_cast_slice(pixels), true, out);
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
#[inline(never)]
pub(crate) fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    let in_fours = matrix.channels() & !3;
    let enough = pixel.len() >= matrix.steps().wrapping_mul(4) && out.elements.len() >= in_fours;
    if enough && in_fours > 0 {
        let (rounds, skipped) = rounds(matrix.steps());
        let start = out.elements.as_mut_ptr();
        let mut product = Product {
            weights: matrix.words().as_ptr(),
            pixels: pixel.as_ptr().cast(),
            out: start,
            end: start.wrapping_add(in_fours),
            stride: matrix.run_len().wrapping_mul(4),
            zero_point: out.zero_point,
            rounds,
            entry: skipped,
            run: matrix.run_len().wrapping_mul(4),
        };
        // SAFETY: the matrix has `in_fours / 2` runs of its number of steps, at least 1; `enough` says that the pixel has as
        // many steps (read as words of any alignment) and that `in_fours` elements of the output are inside.
        unsafe { multiply1(&mut product) }
    }
    if matrix.channels() > in_fours {
        portable::multiply_rest(1, matrix, in_fours, pixel, false, out);
    }
}
