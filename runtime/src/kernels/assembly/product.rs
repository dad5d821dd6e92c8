//! Matrix products in blocks of pixels by output channels: 3 or 2 by 2 or 4, and 1 by 4 where there is but one pixel.

use super::isa::multiply::{CHANNELS, UNROLLED, multiply1, multiply2, multiply3};
use crate::kernels::Output;
use crate::kernels::packed::PackedMatrix;

/// Output channels of a block of one pixel; no other block has more.
const MOST_CHANNELS: usize = 4;

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
    /// 16: elements from pixel to pixel; for one pixel, as `run`.
    stride: usize,
    /// 20: zero point of the output.
    zero_point: i32,
    /// 24: times that the unrolled loop is entered or repeated.
    rounds: usize,
    /// 28: address at which it is entered first, which leaves as many steps as are over.
    entry: usize,
    /// 32: bytes from a run to that of the next two channels.
    run: usize,
}

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
pub(crate) fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    let kernel = if count == 3 { multiply3 } else { multiply2 };
    if (2..=3).contains(&count) {
        multiply_blocks(kernel, CHANNELS, count, matrix, bytemuck::must_cast_slice(pixels), out);
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
pub(crate) fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    multiply_blocks(multiply1, MOST_CHANNELS, 1, matrix, pixel, out);
}

/// Multiplies `count` pixels by a kernel for these and `block` channels.
#[inline(never)]
fn multiply_blocks(
    kernel: unsafe extern "C" fn(*mut Product),
    block: usize,
    count: usize,
    matrix: &PackedMatrix<'_>,
    pixels: &[i8],
    out: &mut Output<'_>,
) {
    let (steps, out_stride) = (matrix.steps(), out.stride);
    let whole = matrix.channels() & block.wrapping_neg();
    let last = count.wrapping_sub(1).wrapping_mul(out.stride);
    if pixels.len() < steps.wrapping_mul(count).wrapping_mul(4) || out.elements.len() < last.wrapping_add(whole) {
        return;
    }
    let run = matrix.run_len().wrapping_mul(4);
    let rounds = steps.div_ceil(UNROLLED);
    let skipped = rounds.wrapping_mul(UNROLLED).wrapping_sub(steps);
    let start = out.elements.as_mut_ptr();
    let mut product = Product {
        weights: matrix.words().as_ptr(),
        pixels: pixels.as_ptr().cast(),
        out: start,
        end: start.wrapping_add(whole),
        stride: if count == 1 { run } else { out.stride },
        zero_point: out.zero_point,
        rounds,
        entry: skipped,
        run,
    };
    if whole > 0 {
        // SAFETY: the matrix has `whole / 2` runs of its number of steps, at least 1; the pixels, checked above, have as
        // many steps (words of any alignment where it is one), and `whole` elements of each output are inside.
        unsafe { kernel(&mut product) }
    }
    // Channels that fill no block, to a block of its own; a single pair is read twice where the block has two.
    let rest = matrix.channels().wrapping_sub(whole);
    let runs = matrix.words().get((whole >> 1).wrapping_mul(matrix.run_len())..);
    if let Some(words) = runs.filter(|_| rest > 0) {
        let mut elements = [0i8; 3 * MOST_CHANNELS];
        product.weights = words.as_ptr();
        product.out = elements.as_mut_ptr();
        product.end = product.out.wrapping_add(block);
        product.run = if rest > 2 { run } else { 0 };
        product.stride = if count == 1 { product.run } else { MOST_CHANNELS };
        product.entry = skipped;
        // SAFETY: as above, for one run or two that are there; `count` outputs, `MOST_CHANNELS` apart, are in `elements`.
        unsafe { kernel(&mut product) }
        let mut at = whole;
        for pixel in elements.as_chunks::<MOST_CHANNELS>().0.iter().take(count) {
            let out = out.elements.get_mut(at..).unwrap_or(&mut []);
            out.iter_mut().zip(pixel).take(rest).for_each(|(to, from)| *to = *from);
            at = at.wrapping_add(out_stride);
        }
    }
}
