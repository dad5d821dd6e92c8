//! Depthwise convolution of one output pixel, four channels at a time.

use crate::kernels::portable;
use crate::kernels::taps::{PackedTaps, Taps};

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Pixel {
    /// 0: packed words, at the first run.
    weights: *const u32,
    /// 4: output of the next block; moves.
    out: *mut i8,
    /// 8: where `out` is at the end.
    end: *mut i8,
    /// 12: zero point of the output.
    zero_point: i32,
    /// 16: behind the last entry of `pixels`.
    pixels_end: *const *const i8,
    /// 20: address at which the loop of three taps is entered, which leaves as many taps as are over.
    entry: usize,
    /// 24: pixel under each tap.
    pixels: [*const i8; Taps::MAX],
}

/// Computes an output pixel; `pixels` has one pixel a tap.
pub(crate) fn depthwise(packed: &PackedTaps<'_>, pixels: &[&[i8]], zero_point: i32, out: &mut [i8]) {
    let in_blocks = packed.channels() & !3;
    let long = pixels.iter().all(|pixel| pixel.len() >= in_blocks);
    let enough = long && pixels.len() == packed.taps() && pixels.len() <= Taps::MAX && out.len() >= in_blocks;
    if enough && in_blocks > 0 {
        let start = out.as_mut_ptr();
        let mut pixel = Pixel {
            weights: packed.words().as_ptr(),
            out: start,
            end: start.wrapping_add(in_blocks),
            zero_point,
            pixels_end: core::ptr::null(),
            entry: 2usize.wrapping_sub(packed.taps().wrapping_add(2).checked_rem(3).unwrap_or(0)),
            pixels: [core::ptr::null(); Taps::MAX],
        };
        pixel.pixels.iter_mut().zip(pixels).for_each(|(to, from)| *to = from.as_ptr());
        pixel.pixels_end = pixel.pixels.as_ptr().wrapping_add(pixels.len());
        // SAFETY: there is a run for each block of four channels below `in_blocks`, with as many taps (at least 1) as there
        // are pixels, and `in_blocks` elements of each pixel (read as words of any alignment) and of the output are inside.
        unsafe { blocks(&mut pixel) }
    }
    if packed.channels() > in_blocks {
        portable::depthwise_from(packed, in_blocks >> 2, pixels, zero_point, out);
    }
}

/// A tap of four channels.
macro_rules! tap {
    () => {
        "ldr.w r1, [r9], #4
         ldr.w r2, [r8], #4
         ldr.w r1, [r1, r10]
         sxtb16 r3, r1
         sxtb16 r12, r2
         sxtb16 r1, r1, ror #8
         sxtb16 r2, r2, ror #8
         smlabb r4, r3, r12, r4
         smlabb r5, r1, r2, r5
         smlatt r6, r3, r12, r6
         smlatt r7, r1, r2, r7"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn blocks(pixel: *mut Pixel) {
    dsp_asm!(
        "push {{r4-r11, lr}}",
        // The taps of the loop are 44 bytes each.
        "ldr r1, [r0, #20]",
        "movs r2, #44",
        "adr.w r3, 3f",
        "mla r1, r1, r2, r3",
        "orr r1, r1, #1",
        "str r1, [r0, #20]",
        "ldr r8, [r0]",
        "ldr r11, [r0, #16]",
        "movs r10, #0",
        "2:",
        // r4-r7: sums; r8: weights; r9: pixels; r10: first channel.
        "add r9, r0, #24",
        "ldmia r8!, {{r4-r7}}",
        "ldr pc, [r0, #20]",
        ".p2align 2",
        "3:",
        tap!(),
        tap!(),
        tap!(),
        "cmp r9, r11",
        "bne.w 3b",
        "ldr r12, [r0, #12]",
        "ldr lr, [r0, #4]",
        "ldr r9, [r0, #8]",
        "ldr r1, [r8], #4",
        "ldr r2, [r8], #4",
        "ldr r3, [r8], #4",
        "lsls r4, r4, #8",
        "lsls r5, r5, #8",
        "lsls r6, r6, #8",
        "lsls r7, r7, #8",
        "smmlar r4, r4, r1, r12",
        "ldr r1, [r8], #4",
        "smmlar r5, r5, r2, r12",
        "smmlar r6, r6, r3, r12",
        "smmlar r7, r7, r1, r12",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "pkhbt r4, r4, r6, lsl #16",
        "str r4, [lr], #4",
        "str lr, [r0, #4]",
        "adds r10, #4",
        "cmp lr, r9",
        "bne.w 2b",
        "pop {{r4-r11, pc}}",
    )
}
