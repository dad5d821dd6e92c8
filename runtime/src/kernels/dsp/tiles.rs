//! Convolutions of 3×3 taps, two tiles by four output channels at a time, see [`crate::kernels::tiles`].

use crate::kernels::Output;
use crate::kernels::tiles::PackedTiles;

/// Transforms the six columns of `channels` int8 (a multiple of 4) under two tiles beside each other, for a kernel row: the words of each
/// step, form by form, the tiles in turn; nothing where columns are missing or `out` is too small.
#[inline]
pub(crate) fn transform(columns: &[i8], channels: usize, out: &mut [u32]) {
    let fours = channels >> 2;
    if fours > 0 && columns.len() / 6 >= channels && out.len() / 16 >= fours {
        // SAFETY: six columns of `4 fours` elements are there, and 16 words for each four.
        unsafe { transform_fours(columns.as_ptr(), channels, out.as_mut_ptr(), fours) }
    }
}

/// The two steps of four channels (`$rotate` for the second), from r4 to r9 to words from `$at` on.
macro_rules! step {
    ($rotate:literal, $d0:literal, $d1:literal, $d2:literal, $d3:literal, $s0:literal, $s1:literal, $e0:literal, $e1:literal) => {
        concat!(
            "sxtb16 r10, r5", $rotate,
            "\n sxtb16 r11, r6", $rotate,
            "\n sadd16 r12, r10, r11
             str r12, [r2, #", $s0, "]
             ssub16 r12, r11, r10
             str r12, [r2, #", $e0, "]
             sxtb16 r12, r4", $rotate,
            "\n ssub16 r12, r12, r11
             str r12, [r2, #", $d0, "]
             sxtb16 r12, r7", $rotate,
            "\n ssub16 r10, r10, r12
             str r10, [r2, #", $d2, "]
             sxtb16 lr, r8", $rotate,
            "\n ssub16 r11, r11, lr
             str r11, [r2, #", $d1, "]
             sadd16 r11, r12, lr
             str r11, [r2, #", $s1, "]
             ssub16 r11, lr, r12
             str r11, [r2, #", $e1, "]
             sxtb16 lr, r9", $rotate,
            "\n ssub16 r12, r12, lr
             str r12, [r2, #", $d3, "]"
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
        step!("", "0", "4", "8", "12", "16", "20", "24", "28"),
        step!(", ror #8", "32", "36", "40", "44", "48", "52", "56", "60"),
        "ldr r4, [sp]",
        "adds r2, #64",
        "subs r4, #1",
        "str r4, [sp]",
        "bne 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// Steps in the unrolled loop: those of a form are a multiple of it.
const UNROLLED: usize = 6;

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
    /// 24: times that the unrolled loop runs.
    rounds: usize,
}

/// Multiplies two transformed tiles beside each other, four output pixels, with all channels.
pub(crate) fn multiply_tiles(weights: &PackedTiles<'_>, tiles: &[u32], out: &mut Output<'_>) {
    let (steps, channels) = (weights.steps(), weights.channels());
    let inside = out.stride.checked_mul(3).and_then(|last| last.checked_add(channels));
    if tiles.len() / 8 < steps || inside.is_none_or(|inside| inside > out.elements.len()) {
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
        rounds: steps / UNROLLED,
    };
    // SAFETY: the weights have `channels / 4` blocks, at least one, of their number of steps, a positive multiple of 6; the tiles
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

/// Turns four sums in memory at lr, which moves, into those of `$first` to `$fourth` with twice, or once, them.
macro_rules! combine {
    ($operation:literal, $first:literal, $second:literal, $third:literal, $fourth:literal) => {
        concat!(
            "ldm lr, {{r8-r10, r12}}\n ",
            $operation, " r8, ", $first, ", r8, lsl #1\n ",
            $operation, " r9, ", $second, ", r9, lsl #1\n ",
            $operation, " r10, ", $third, ", r10, lsl #1\n ",
            $operation, " r12, ", $fourth, ", r12, lsl #1
             stm lr!, {{r8-r10, r12}}"
        )
    };
}

/// Requantizes the two tiles of a channel: initial accumulator and multiplier from r11 on, zero point in r8.
macro_rules! requantize {
    ($first:literal, $second:literal, $init:literal, $multiplier:literal) => {
        concat!(
            "ldr r12, [r11, #", $init, "]
             add ", $first, ", r12, ", $first, ", lsl #7
             add ", $second, ", r12, ", $second, ", lsl #7
             ldr r12, [r11, #", $multiplier, "]
             smmlar ", $first, ", ", $first, ", r12, r8
             smmlar ", $second, ", ", $second, ", r12, r8
             ssat ", $first, ", #8, ", $first, "
             ssat ", $second, ", #8, ", $second
        )
    };
}

/// On the stack: sums of forms 0 and 1, then of the tiles' first and second pixels (64 bytes); rounds to go; forms done; the task.
#[unsafe(naked)]
unsafe extern "C" fn multiply(task: *mut Task) {
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        "sub sp, #72",
        "ldr r11, [r0]",
        // A block.
        "2:",
        "movs r10, #0",
        // A form.
        "3:",
        "ldr lr, [sp, #72]",
        "ldr r12, [lr, #4]",
        "ldr lr, [lr, #24]",
        "str lr, [sp, #64]",
        "str r10, [sp, #68]",
        "add r12, r12, r10, lsl #3",
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
        products!(),
        products!(),
        products!(),
        "ldr lr, [sp, #64]",
        "subs lr, #1",
        "str lr, [sp, #64]",
        "bne.w 4b",
        "ldr r10, [sp, #68]",
        "adds r10, #1",
        "cmp r10, #2",
        "bhi 5f",
        "mov lr, sp",
        "it eq",
        "addeq lr, #32",
        "stm lr, {{r0-r7}}",
        "b 3b",
        "5:",
        "mov lr, sp",
        "cmp r10, #4",
        "beq 6f",
        combine!("add", "r0", "r1", "r2", "r3"),
        combine!("add", "r4", "r5", "r6", "r7"),
        combine!("sub", "r0", "r1", "r2", "r3"),
        combine!("sub", "r4", "r5", "r6", "r7"),
        "movs r10, #3",
        "b 3b",
        "6:",
        "add lr, sp, #32",
        "ldm lr, {{r8-r10, r12}}",
        "subs r8, r0",
        "subs r9, r1",
        "subs r10, r2",
        "subs r12, r3",
        "stm lr!, {{r8-r10, r12}}",
        "ldm lr, {{r8-r10, r12}}",
        "subs r8, r4",
        "subs r9, r5",
        "subs r10, r6",
        "subs r12, r7",
        "stm lr, {{r8-r10, r12}}",
        "mov lr, sp",
        "ldm lr!, {{r8-r10, r12}}",
        "add r0, r8",
        "add r1, r9",
        "add r2, r10",
        "add r3, r12",
        "ldm lr, {{r8-r10, r12}}",
        "add r4, r8",
        "add r5, r9",
        "add r6, r10",
        "add r7, r12",
        "ldr lr, [sp, #72]",
        "ldr r9, [lr, #8]",
        "ldr r10, [lr, #16]",
        "ldr r8, [lr, #20]",
        "movs lr, #1",
        "7:",
        requantize!("r0", "r1", "0", "16"),
        requantize!("r2", "r3", "4", "20"),
        requantize!("r4", "r5", "8", "24"),
        requantize!("r6", "r7", "12", "28"),
        "bfi r0, r2, #8, #8",
        "bfi r1, r3, #8, #8",
        "bfi r0, r4, #16, #8",
        "bfi r1, r5, #16, #8",
        "bfi r0, r6, #24, #8",
        "bfi r1, r7, #24, #8",
        "str r0, [r9]",
        "str r1, [r9, r10, lsl #1]",
        "subs lr, #1",
        "bmi 8f",
        "add r12, sp, #32",
        "ldm r12, {{r0-r7}}",
        "add r9, r10",
        "b 7b",
        "8:",
        "ldr lr, [sp, #72]",
        "ldr r9, [lr, #8]",
        "ldr r12, [lr, #12]",
        "add r11, #32",
        "adds r9, #4",
        "str r9, [lr, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "add sp, #76",
        "pop {{r4-r11, pc}}",
    )
}
