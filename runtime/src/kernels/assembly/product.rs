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

/// A kernel of a block of pixels and channels.
struct Kernel {
    run: unsafe extern "C" fn(*mut Product),
    pixels: usize,
    channels: usize,
}

const ONE: Kernel = Kernel { run: multiply1, pixels: 1, channels: MOST_CHANNELS };
const TWO: Kernel = Kernel { run: multiply2, pixels: 2, channels: CHANNELS };
const THREE: Kernel = Kernel { run: multiply3, pixels: 3, channels: CHANNELS };

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
pub(crate) fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    let kernel = if count == 3 { &THREE } else { &TWO };
    kernel.multiply(matrix, bytemuck::must_cast_slice(pixels), out);
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
pub(crate) fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    ONE.multiply(matrix, pixel, out);
}

impl Kernel {
    #[inline(never)]
    fn multiply(&self, matrix: &PackedMatrix<'_>, pixels: &[i8], out: &mut Output<'_>) {
        let steps = matrix.steps();
        let whole = matrix.channels() & self.channels.wrapping_neg();
        let last = self.pixels.wrapping_sub(1).wrapping_mul(out.stride);
        let enough = pixels.len() >= steps.wrapping_mul(self.pixels).wrapping_mul(4);
        if !enough || out.elements.len() < last.wrapping_add(whole) {
            return;
        }
        let run = matrix.run_len().wrapping_mul(4);
        let rounds = steps.div_ceil(UNROLLED);
        let start = out.elements.as_mut_ptr();
        let mut product = Product {
            weights: matrix.words().as_ptr(),
            pixels: pixels.as_ptr().cast(),
            out: start,
            end: start.wrapping_add(whole),
            stride: if self.pixels == 1 { run } else { out.stride },
            zero_point: out.zero_point,
            rounds,
            entry: rounds.wrapping_mul(UNROLLED).wrapping_sub(steps),
            run,
        };
        if whole > 0 {
            // SAFETY: the matrix has `whole / 2` runs of its number of steps, at least 1; the pixels, checked above, have as
            // many steps (words of any alignment where it is one), and `whole` elements of each output are inside.
            unsafe { (self.run)(&mut product) }
        }
        // Channels that fill no block, to a block of its own; a single pair is read twice where the block has two.
        let rest = matrix.channels().wrapping_sub(whole);
        let runs = matrix.words().get((whole >> 1).wrapping_mul(matrix.run_len())..);
        if let Some(words) = runs.filter(|_| rest > 0) {
            let mut elements = [0i8; 3 * MOST_CHANNELS];
            product.weights = words.as_ptr();
            product.out = elements.as_mut_ptr();
            product.end = product.out.wrapping_add(self.channels);
            product.run = if rest > 2 { run } else { 0 };
            product.stride = if self.pixels == 1 { product.run } else { MOST_CHANNELS };
            product.entry = rounds.wrapping_mul(UNROLLED).wrapping_sub(steps);
            // SAFETY: as above, for one run or two that are there; the outputs, `MOST_CHANNELS` apart, are in `elements`.
            unsafe { (self.run)(&mut product) }
            for pixel in 0..self.pixels {
                for channel in 0..rest {
                    let to =
                        out.elements.get_mut(pixel.wrapping_mul(out.stride).wrapping_add(whole).wrapping_add(channel));
                    let from = elements.get(pixel.wrapping_mul(MOST_CHANNELS).wrapping_add(channel));
                    if let (Some(to), Some(from)) = (to, from) {
                        *to = *from;
                    }
                }
            }
        }
    }
}
