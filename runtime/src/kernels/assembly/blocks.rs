//! Matrix products in blocks of 3, 2 or 1 pixels by 4 output channels, whose weights lie together: the memory that the assembly
//! works on is checked here.

use super::isa::kernel;
#[cfg(residua_rv32)]
use crate::kernels::portable::halves::multiply_from;
#[cfg(residua_thumb)]
use crate::kernels::portable::quads::multiply_from;
use crate::kernels::{Matrix, Output};

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
    let Some(kernel) = kernel(count) else { return multiply_from(0, count, matrix, pixels, out) };
    let whole = matrix.channels() & !3;
    let weights = matrix.steps().wrapping_mul(Matrix::STEP_BYTES);
    let enough = pixels.len() >= matrix.steps().wrapping_mul(4).wrapping_mul(count)
        && out.elements.len() >= count.wrapping_sub(1).wrapping_mul(out.stride).wrapping_add(whole);
    if enough && whole > 0 {
        let start = out.elements.as_mut_ptr();
        let mut product = Product {
            words: matrix.words().as_ptr(),
            pixels: pixels.as_ptr(),
            out: start,
            end: start.wrapping_add(whole),
            stride: out.stride,
            rounding: out.zero_point.wrapping_mul(2).wrapping_add(1),
            before: matrix.before().wrapping_mul(4),
            weights,
            odd: matrix.steps() & 1,
        };
        // SAFETY: the matrix has `whole / 4` blocks of its number of steps, at least 1; `enough` says that the pixels have as
        // many steps and that `whole` elements of each of the `count` outputs are inside.
        unsafe { kernel(&mut product) }
    }
    if matrix.channels() > whole {
        multiply_from(whole, count, matrix, pixels, out);
    }
}
