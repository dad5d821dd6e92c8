//! Matrix products in blocks of pixels by output channels: 3 by 2, 2 by 2, and 1 by 4 where there is but one pixel.

use crate::kernels::packed::PackedMatrix;
use crate::kernels::{Output, portable};

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Product {
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
    /// 24: times that the unrolled loop of eight steps is entered or repeated.
    rounds: usize,
    /// 28: address at which it is entered first, which leaves as many steps as are over.
    entry: usize,
}

/// Steps in the unrolled loop.
const UNROLLED: usize = 8;

/// Rounds of the loop, and steps to leave out in the first.
#[inline(always)]
fn rounds(steps: usize) -> (usize, usize) {
    let rounds = steps.wrapping_add(UNROLLED - 1) >> 3;
    (rounds, rounds.wrapping_mul(UNROLLED).wrapping_sub(steps))
}

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
pub(crate) fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    let paired = matrix.channels() & !1;
    let enough = pixels.len() >= matrix.steps().wrapping_mul(count)
        && out.elements.len() >= count.wrapping_sub(1).wrapping_mul(out.stride).wrapping_add(paired);
    if enough && paired > 0 {
        let (rounds, skipped) = rounds(matrix.steps());
        let start = out.elements.as_mut_ptr();
        let mut product = Product {
            weights: matrix.words().as_ptr(),
            pixels: pixels.as_ptr(),
            out: start,
            end: start.wrapping_add(paired),
            stride: out.stride,
            zero_point: out.zero_point,
            rounds,
            entry: skipped,
        };
        // SAFETY: the matrix has `paired / 2` runs of its number of steps, at least 1; `enough` says that the pixels have as
        // many steps and that `paired` elements of each of the `count` outputs are inside.
        unsafe {
            match count {
                3 => multiply3(&mut product),
                2 => multiply2(&mut product),
                _ => {}
            }
        }
    }
    if matrix.channels() > paired {
        portable::multiply_from(count, matrix, paired >> 1, pixels, out);
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
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
        };
        // SAFETY: the matrix has `in_fours / 2` runs of its number of steps, at least 1; `enough` says that the pixel has as
        // many steps (read as words of any alignment) and that `in_fours` elements of the output are inside.
        unsafe { multiply1(&mut product) }
    }
    if matrix.channels() > in_fours {
        portable::multiply_one_from(matrix, in_fours >> 1, pixel, out);
    }
}

/// A step of three pixels and two channels, 24 products: words of weights to r6 and r7, of pixels to r8 to r10.
macro_rules! step3 {
    () => {
        "ldr r6, [r11], #4
         ldr r7, [r11], #4
         ldr r8, [r12], #4
         ldr r9, [r12], #4
         ldr r10, [r12], #4
         uxtb16 lr, r8
         smlsdx r0, r6, lr, r0
         smlsdx r3, r7, lr, r3
         uxtb16 lr, r9
         smlsdx r1, r6, lr, r1
         smlsdx r4, r7, lr, r4
         uxtb16 lr, r10
         smlsdx r2, r6, lr, r2
         smlsdx r5, r7, lr, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r8, r6, r0
         smlsdx r1, r9, r6, r1
         smlsdx r2, r10, r6, r2
         smlsdx r3, r8, r7, r3
         smlsdx r4, r9, r7, r4
         smlsdx r5, r10, r7, r5"
    };
}

/// The last step of the loop, which counts rounds in the word on top of the stack; sets the flags for its end.
macro_rules! last_step3 {
    () => {
        "ldr lr, [sp]
         ldr r6, [r11], #4
         ldr r7, [r11], #4
         ldr r8, [r12], #4
         ldr r9, [r12], #4
         ldr r10, [r12], #4
         subs lr, #1
         str lr, [sp]
         uxtb16 lr, r8
         smlsdx r0, r6, lr, r0
         smlsdx r3, r7, lr, r3
         uxtb16 lr, r9
         smlsdx r1, r6, lr, r1
         smlsdx r4, r7, lr, r4
         uxtb16 lr, r10
         smlsdx r2, r6, lr, r2
         smlsdx r5, r7, lr, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r8, r6, r0
         smlsdx r1, r9, r6, r1
         smlsdx r2, r10, r6, r2
         smlsdx r3, r8, r7, r3
         smlsdx r4, r9, r7, r4
         smlsdx r5, r10, r7, r5"
    };
}

/// A step of two pixels and two channels, 16 products.
macro_rules! step2 {
    () => {
        "ldr r4, [r11], #4
         ldr r5, [r11], #4
         ldr r6, [r12], #4
         ldr r7, [r12], #4
         uxtb16 r8, r6
         uxtb16 r9, r7
         smlsdx r0, r4, r8, r0
         smlsdx r1, r4, r9, r1
         smlsdx r2, r5, r8, r2
         smlsdx r3, r5, r9, r3
         sxtb16 r4, r4
         sxtb16 r5, r5
         smlsdx r0, r6, r4, r0
         smlsdx r1, r7, r4, r1
         smlsdx r2, r6, r5, r2
         smlsdx r3, r7, r5, r3"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn multiply3(product: *mut Product) {
    dsp_asm!(
        // On the stack: rounds to go, product.
        "push {{r0, r4-r11, lr}}",
        "sub sp, #4",
        // The steps of the loop are 88 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #88",
        "adr.w r3, 3f",
        "mla r1, r1, r2, r3",
        "orr r1, r1, #1",
        "str r1, [r0, #28]",
        "ldr r11, [r0]",
        "2:",
        "ldr r10, [sp, #4]",
        "ldr r12, [r10, #4]",
        "ldr lr, [r10, #24]",
        "ldr r0, [r11], #4",
        "ldr r3, [r11], #4",
        "str lr, [sp]",
        "mov r1, r0",
        "mov r2, r0",
        "mov r4, r3",
        "mov r5, r3",
        "ldr pc, [r10, #28]",
        ".p2align 2",
        "3:",
        step3!(),
        step3!(),
        step3!(),
        step3!(),
        step3!(),
        step3!(),
        step3!(),
        last_step3!(),
        "bne.w 3b",
        "ldr lr, [sp, #4]",
        "ldr r6, [r11], #4",
        "ldr r7, [r11], #4",
        "ldr r8, [lr, #20]",
        "ldr r9, [lr, #8]",
        "ldr r10, [lr, #16]",
        "ldr r12, [lr, #12]",
        "smmlar r0, r0, r6, r8",
        "smmlar r1, r1, r6, r8",
        "smmlar r2, r2, r6, r8",
        "smmlar r3, r3, r7, r8",
        "smmlar r4, r4, r7, r8",
        "smmlar r5, r5, r7, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "bfi r0, r3, #8, #8",
        "bfi r1, r4, #8, #8",
        "bfi r2, r5, #8, #8",
        "strh r1, [r9, r10]",
        "strh r2, [r9, r10, lsl #1]",
        "strh r0, [r9], #2",
        "str r9, [lr, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "add sp, #4",
        "pop {{r0, r4-r11, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn multiply2(product: *mut Product) {
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        // The steps of the loop are 64 bytes each.
        "ldr r1, [r0, #28]",
        "adr.w r3, 3f",
        "add r1, r3, r1, lsl #6",
        "orr r1, r1, #1",
        "str r1, [r0, #28]",
        "ldr r11, [r0]",
        "2:",
        "ldr r10, [sp]",
        "ldr r12, [r10, #4]",
        "ldr lr, [r10, #24]",
        "ldr r0, [r11], #4",
        "ldr r2, [r11], #4",
        "mov r1, r0",
        "mov r3, r2",
        "ldr pc, [r10, #28]",
        ".p2align 2",
        "3:",
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        "subs lr, lr, #1",
        "bne.w 3b",
        "ldr r4, [r11], #4",
        "ldr r5, [r11], #4",
        "ldr r8, [r10, #20]",
        "ldr r9, [r10, #8]",
        "ldr r6, [r10, #16]",
        "ldr r12, [r10, #12]",
        "smmlar r0, r0, r4, r8",
        "smmlar r1, r1, r4, r8",
        "smmlar r2, r2, r5, r8",
        "smmlar r3, r3, r5, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "bfi r0, r2, #8, #8",
        "bfi r1, r3, #8, #8",
        "strh r1, [r9, r6]",
        "strh r0, [r9], #2",
        "str r9, [r10, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "pop {{r0, r4-r11, pc}}",
    )
}

/// A step of one pixel and four channels: 16 products.
macro_rules! step1 {
    () => {
        "ldr r9, [r12], #4
         ldr r4, [r11], #4
         ldr r5, [r11], #4
         ldr r6, [r10], #4
         ldr r7, [r10], #4
         eor r9, r9, #0x00800080
         uxtb16 r8, r9
         smlsdx r0, r4, r8, r0
         smlsdx r1, r5, r8, r1
         smlsdx r2, r6, r8, r2
         smlsdx r3, r7, r8, r3
         sxtb16 r4, r4
         sxtb16 r5, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r9, r4, r0
         smlsdx r1, r9, r5, r1
         smlsdx r2, r9, r6, r2
         smlsdx r3, r9, r7, r3"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn multiply1(product: *mut Product) {
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        // The steps of the loop are 76 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #76",
        "adr.w r3, 3f",
        "mla r1, r1, r2, r3",
        "orr r1, r1, #1",
        "str r1, [r0, #28]",
        "ldr r10, [r0]",
        // Two runs at a time: that of the lower pair of channels at r11, of the upper one at r10.
        "2:",
        "ldr r8, [sp]",
        "mov r11, r10",
        "ldr r9, [r8, #16]",
        "ldr r12, [r8, #4]",
        "ldr lr, [r8, #24]",
        "add r10, r11, r9",
        "ldr r0, [r11], #4",
        "ldr r1, [r11], #4",
        "ldr r2, [r10], #4",
        "ldr r3, [r10], #4",
        "ldr pc, [r8, #28]",
        ".p2align 2",
        "3:",
        step1!(),
        step1!(),
        step1!(),
        step1!(),
        step1!(),
        step1!(),
        step1!(),
        step1!(),
        "subs lr, lr, #1",
        "bne.w 3b",
        "ldr lr, [sp]",
        "ldr r4, [r11], #4",
        "ldr r5, [r11], #4",
        "ldr r6, [r10], #4",
        "ldr r7, [r10], #4",
        "ldr r8, [lr, #20]",
        "ldr r9, [lr, #8]",
        "smmlar r0, r0, r4, r8",
        "smmlar r1, r1, r5, r8",
        "smmlar r2, r2, r6, r8",
        "smmlar r3, r3, r7, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "strb r0, [r9], #1",
        "strb r1, [r9], #1",
        "strb r2, [r9], #1",
        "strb r3, [r9], #1",
        "ldr r0, [lr, #12]",
        "str r9, [lr, #8]",
        "cmp r9, r0",
        "bne.w 2b",
        "pop {{r0, r4-r11, pc}}",
    )
}
