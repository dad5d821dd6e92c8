//! Convolutions of 3×3 taps, two tiles by four output channels at a time, see [`crate::kernels::tiles`].

use crate::kernels::Output;
use crate::kernels::tiles::PackedTiles;

/// Transforms the six columns of `channels` int8 (a multiple of 4) under two tiles beside each other, for a kernel row: the words of each
/// step, form by form, the tiles in turn; nothing where columns are missing or `out` is too small.
#[inline(never)]
pub(crate) fn transform(columns: &[i8], channels: usize, out: &mut [u32]) {
    let fours = channels >> 2;
    let there = channels.checked_mul(6).is_some_and(|len| len <= columns.len());
    if fours > 0 && there && out.len() >> 4 >= fours {
        // SAFETY: six columns of `4 fours` elements are there, and 16 words for each four.
        unsafe { transform_fours(columns.as_ptr(), channels, out.as_mut_ptr(), fours) }
    }
}

/// A step of four channels from r4 to r9, with `$rotate` the second one, to words from r2 on; which it moves.
macro_rules! step {
    ($rotate:literal) => {
        concat!(
            "sxtb16 r10, r5",
            $rotate,
            "\n sxtb16 r11, r6",
            $rotate,
            "\n sadd16 r12, r10, r11
             str r12, [r2], #32
             ssub16 r12, r11, r10
             str r12, [r2, #-24]
             sxtb16 r12, r4",
            $rotate,
            "\n ssub16 r12, r12, r11
             str r12, [r2, #-16]
             sxtb16 r12, r7",
            $rotate,
            "\n ssub16 r10, r12, r10
             str r10, [r2, #-8]
             sxtb16 lr, r8",
            $rotate,
            "\n ssub16 r11, r11, lr
             str r11, [r2, #-12]
             sadd16 r11, r12, lr
             str r11, [r2, #-28]
             ssub16 r11, lr, r12
             str r11, [r2, #-20]
             sxtb16 lr, r9",
            $rotate,
            "\n ssub16 r12, lr, r12
             str r12, [r2, #-4]"
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn transform_fours(columns: *const i8, channels: usize, out: *mut u32, fours: usize) {
    dsp_asm!(
        "push {{r3-r11, lr}}",
        "add r3, r1, r1, lsl #1",
        "add r3, r0",
        "2:",
        "ldr r4, [r0]",
        "ldr r5, [r0, r1]",
        "ldr r6, [r0, r1, lsl #1]",
        "ldr r7, [r3]",
        "ldr r8, [r3, r1]",
        "ldr r9, [r3, r1, lsl #1]",
        "adds r0, #4",
        "adds r3, #4",
        step!(""),
        step!(", ror #8"),
        "ldr r4, [sp]",
        "subs r4, #1",
        "str r4, [sp]",
        "bne 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// Bytes of the transformed tiles of a step.
const STEP: usize = 32;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Task {
    /// 0: packed words, at the first block.
    weights: *const u32,
    /// 4: transformed tiles.
    tiles: *const u32,
    /// 8: output of the first pixel's next channel; moves.
    out: *mut i8,
    /// 12: where `out` is at the end.
    end: *mut i8,
    /// 16: elements from pixel to pixel.
    stride: usize,
    /// 20: zero point of the output.
    zero_point: i32,
    /// 24: bytes of the tiles.
    len: usize,
}

/// Multiplies two transformed tiles beside each other, four output pixels, with all channels.
pub(crate) fn multiply_tiles(weights: &PackedTiles<'_>, tiles: &[u32], out: &mut Output<'_>) {
    let (steps, channels) = (weights.steps(), weights.channels());
    let inside = out.stride.checked_mul(3).and_then(|last| last.checked_add(channels));
    if tiles.len() >> 3 < steps || inside.is_none_or(|inside| inside > out.elements.len()) {
        return;
    }
    let start = out.elements.as_mut_ptr();
    let mut task = Task {
        weights: weights.words().as_ptr(),
        tiles: tiles.as_ptr(),
        out: start,
        end: start.wrapping_add(channels),
        stride: out.stride,
        zero_point: out.zero_point,
        len: steps.wrapping_mul(STEP),
    };
    // SAFETY: the weights have `channels / 4` blocks, at least one, of their number of steps, a positive multiple of 3; the tiles
    // have as many; four pixels of `channels` elements, a multiple of 4, are inside the output.
    unsafe { multiply(&mut task) }
}

/// A step of two tiles and four channels, 16 products.
macro_rules! products {
    () => {
        "ldr r8, [r12], #4
         ldr r9, [r12], #28
         ldr r10, [r11], #4
         ldr lr, [r11], #4
         smlad r0, r8, r10, r0
         smlad r1, r9, r10, r1
         smlad r2, r8, lr, r2
         smlad r3, r9, lr, r3
         ldr r10, [r11], #4
         ldr lr, [r11], #4
         smlad r4, r8, r10, r4
         smlad r5, r9, r10, r5
         smlad r6, r8, lr, r6
         smlad r7, r9, lr, r7"
    };
}

/// Turns four sums of form 0, at lr, which moves, and of form 1 into their sums, in memory, and their differences.
macro_rules! sums_and_differences {
    ($first:literal, $second:literal, $third:literal, $fourth:literal) => {
        concat!(
            "ldm lr, {{r8-r10, r12}}\n sub ",
            $first,
            ", r8, ",
            $first,
            "\n sub ",
            $second,
            ", r9, ",
            $second,
            "\n sub ",
            $third,
            ", r10, ",
            $third,
            "\n sub ",
            $fourth,
            ", r12, ",
            $fourth,
            "\n rsb r8, ",
            $first,
            ", r8, lsl #1\n rsb r9, ",
            $second,
            ", r9, lsl #1\n rsb r10, ",
            $third,
            ", r10, lsl #1\n rsb r12, ",
            $fourth,
            ", r12, lsl #1
             stm lr!, {{r8-r10, r12}}"
        )
    };
}

/// Adds four words at lr, which moves, to twice these sums.
macro_rules! twice_and_add {
    ($first:literal, $second:literal, $third:literal, $fourth:literal) => {
        concat!(
            "ldm lr!, {{r8-r10, r12}}\n add ",
            $first,
            ", r8, ",
            $first,
            ", lsl #1\n add ",
            $second,
            ", r9, ",
            $second,
            ", lsl #1\n add ",
            $third,
            ", r10, ",
            $third,
            ", lsl #1\n add ",
            $fourth,
            ", r12, ",
            $fourth,
            ", lsl #1"
        )
    };
}

/// Requantizes a channel of both tiles: initial accumulator and multiplier from lr on, which moves, zero point in r8.
macro_rules! requantize {
    ($first:literal, $second:literal) => {
        concat!(
            "ldr r12, [lr], #4
             ldr r9, [lr, #12]
             add ",
            $first,
            ", r12, ",
            $first,
            ", lsl #7
             add ",
            $second,
            ", r12, ",
            $second,
            ", lsl #7
             smmlar ",
            $first,
            ", ",
            $first,
            ", r9, r8
             smmlar ",
            $second,
            ", ",
            $second,
            ", r9, r8
             ssat ",
            $first,
            ", #8, ",
            $first,
            "
             ssat ",
            $second,
            ", #8, ",
            $second
        )
    };
}

/// On the stack: of the tiles' first pixels and second pixels what forms 0 and 1 add (64 bytes); the end of the tiles; forms to go;
/// the block; the task.
#[unsafe(naked)]
unsafe extern "C" fn multiply(task: *mut Task) {
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        "sub sp, #76",
        "ldr r11, [r0]",
        // A block.
        "2:",
        "str r11, [sp, #72]",
        "adds r11, #32",
        "movs r10, #0",
        // A form, three steps at a time: it has a multiple of them.
        "3:",
        "ldr lr, [sp, #76]",
        "ldr r12, [lr, #4]",
        "ldr lr, [lr, #24]",
        "add r12, r12, r10, lsl #3",
        "add lr, r12",
        "strd lr, r10, [sp, #64]",
        "movs r0, #0",
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "4:",
        products!(),
        products!(),
        products!(),
        "ldr lr, [sp, #64]",
        "cmp r12, lr",
        "bne 4b",
        "ldr r10, [sp, #68]",
        "mov lr, sp",
        "adds r10, #1",
        "cmp r10, #2",
        "bhi 6f",
        "beq 5f",
        "stm lr, {{r0-r7}}",
        "b 3b",
        "5:",
        sums_and_differences!("r0", "r1", "r2", "r3"),
        sums_and_differences!("r4", "r5", "r6", "r7"),
        "stm lr, {{r0-r7}}",
        "movs r10, #2",
        "b 3b",
        "6:",
        "cmp r10, #4",
        "it eq",
        "addeq lr, #32",
        "str r10, [sp, #68]",
        twice_and_add!("r0", "r1", "r2", "r3"),
        twice_and_add!("r4", "r5", "r6", "r7"),
        "ldrd lr, r12, [sp, #72]",
        "ldr r8, [r12, #20]",
        requantize!("r0", "r1"),
        requantize!("r2", "r3"),
        requantize!("r4", "r5"),
        requantize!("r6", "r7"),
        "bfi r0, r2, #8, #8",
        "bfi r1, r3, #8, #8",
        "bfi r0, r4, #16, #8",
        "bfi r1, r5, #16, #8",
        "bfi r0, r6, #24, #8",
        "bfi r1, r7, #24, #8",
        "ldr lr, [sp, #76]",
        "ldrd r9, r12, [lr, #8]",
        "ldr r8, [lr, #16]",
        "ldr r10, [sp, #68]",
        "cmp r10, #4",
        "beq 7f",
        "str r0, [r9]",
        "str r1, [r9, r8, lsl #1]",
        "b 3b",
        "7:",
        "str r0, [r9, r8]",
        "add r8, r8, r8, lsl #1",
        "str r1, [r9, r8]",
        "adds r9, #4",
        "str r9, [lr, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "add sp, #80",
        "pop {{r4-r11, pc}}",
    )
}
