//! Matrix products in blocks of 3, 2 or 1 pixels by 4 output channels, whose weights lie together: the memory that the assembly
//! works on is checked here.

use super::isa::kernel;
use crate::kernels::{Matrix, Output};

/// Output channels of a block.
const CHANNELS: usize = 4;
/// Most pixels of a block.
const PIXELS: usize = 3;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
pub(in crate::kernels) struct Product {
    /// 0: words of the next block; moves.
    words: *const u32,
    /// 4: pixels, the fours of which stand in turn.
    pixels: *const i8,
    /// 8: output of the first pixel's next channel; moves.
    out: *mut i8,
    /// 12: where `out` is at the end.
    end: *mut i8,
    /// 16: elements from pixel to pixel.
    stride: usize,
    /// 20: twice the zero point of the output, and one.
    rounding: i32,
    /// 24: bytes of a block before its weights.
    before: usize,
    /// 28: bytes of a block's weights.
    weights: usize,
    /// 32: 1 if steps are odd, else 0.
    odd: usize,
}

/// Multiplies `count` (2 or 3) pixels, the fours of which stand in turn, with all channels.
pub(crate) fn multiply(count: usize, matrix: &Matrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    compute(count, matrix, bytemuck::must_cast_slice(pixels), out);
}

/// Multiplies one pixel with all channels; `pixel` has four activations for each step.
pub(crate) fn multiply_one(matrix: &Matrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    compute(1, matrix, pixel, out);
}

#[inline(never)]
fn compute(count: usize, matrix: &Matrix<'_>, pixels: &[i8], out: &mut Output<'_>) {
    let Some(kernel) = kernel(count) else { return };
    let whole = matrix.channels() & !(CHANNELS - 1);
    let last = count.wrapping_sub(1).wrapping_mul(out.stride);
    let enough = pixels.len() >= matrix.steps().wrapping_mul(4).wrapping_mul(count);
    if !enough || out.elements.len() < last.wrapping_add(whole) {
        return;
    }
    let start = out.elements.as_mut_ptr();
    let mut product = Product {
        words: matrix.words().as_ptr(),
        pixels: pixels.as_ptr(),
        out: start,
        end: start.wrapping_add(whole),
        stride: out.stride,
        rounding: out.zero_point.wrapping_mul(2).wrapping_add(1),
        before: matrix.before().wrapping_mul(4),
        weights: matrix.steps().wrapping_mul(Matrix::STEP_BYTES),
        odd: matrix.steps() & 1,
    };
    if whole > 0 {
        // SAFETY: the matrix has `whole / 4` blocks of its number of steps, at least 1; the pixels, checked above, have as many
        // steps, and `whole` elements of each of the `count` outputs are inside.
        unsafe { kernel(&mut product) }
    }
    if matrix.channels() > whole {
        compute_rest(count, matrix, &mut product, out);
    }
}

/// Channels that fill no block, to a block of its own; the product is that of [`compute`], behind the whole blocks.
#[inline(never)]
fn compute_rest(count: usize, matrix: &Matrix<'_>, product: &mut Product, out: &mut Output<'_>) {
    let block = (product.before.wrapping_add(product.weights) >> 2).wrapping_add(CHANNELS);
    let words = matrix.words().get(matrix.words().len().wrapping_sub(block)..);
    let (Some(words), Some(kernel)) = (words, kernel(count)) else { return };
    let mut elements = [[0i8; CHANNELS]; PIXELS];
    product.words = words.as_ptr();
    product.out = elements.as_mut_ptr().cast();
    product.end = product.out.wrapping_add(CHANNELS);
    product.stride = CHANNELS;
    // SAFETY: as in [`compute`], for the last block; `elements` has room for the outputs of `count` pixels.
    unsafe { kernel(product) }
    for (pixel, from) in elements.iter().enumerate().take(count) {
        let start = out.stride.wrapping_mul(pixel).wrapping_add(matrix.channels() & !(CHANNELS - 1));
        let to = out.elements.get_mut(start..).unwrap_or_default();
        to.iter_mut().zip(from).take(matrix.channels() & (CHANNELS - 1)).for_each(|(to, from)| *to = *from);
    }
}
