//! Depthwise convolution of 3×3 taps: an output row, channel by channel.
//!
//! The sums of the windows that a column lies under are kept in registers, so that each input is read once. Two rows share a
//! word, for one dual multiply-accumulate.

use crate::kernels::nines::{PackedNines, ThreeRows};
use crate::kernels::portable;

/// All weights of a word.
const ALL: u32 = 0xff00_ff00;
/// Longest output row: the register that counts its rounds has 16 bits for it.
const LONGEST: usize = 1 << 14;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Task {
    /// 0: words of the next channel; moves.
    weights: *const u32,
    /// 4: the next channel's first element of each row; the first moves, the others become distances from it.
    rows: [*const i8; 3],
    /// 16: output of the next channel; moves.
    out: *mut i8,
    /// 20: channels to go; counts down.
    channels: usize,
    /// 24: rounds of the loop over columns but one, in the upper half.
    rounds: usize,
    /// 28: where the loop is entered: stride 1: 0 to 2 columns of a round are left, all three for 0; 3: not at all.
    entry: usize,
    /// 32: mask of the weights of the first two rows: those in the padding are left out.
    upper: u32,
    /// 36: mask of those of the third row.
    lower: u32,
    /// 40: whether the first column is padding.
    left: usize,
    /// 44: whether the last column is padding.
    right: usize,
    /// 48: zero point of the output.
    zero_point: i32,
    /// 52: elements of a pixel.
    pitch: usize,
}

/// Computes an output row of `packed.channels()` channels.
pub(crate) fn depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    let channels = packed.channels();
    let columns = out.len().checked_div(channels).unwrap_or(0);
    let stride = window.stride;
    let read = columns.saturating_sub(1).wrapping_mul(stride).wrapping_add(3);
    let read = read.wrapping_sub(window.left.into()).wrapping_sub(window.right.into()).wrapping_mul(channels);
    let enough = window.rows.iter().flatten().all(|row| row.len() >= read);
    let some = window.rows.iter().flatten().next().copied();
    let (Some(some), true, true) = (some, enough && stride <= 2, (1..=LONGEST).contains(&columns)) else {
        return portable::depthwise3(packed, window, zero_point, out);
    };
    let [first, second, third] = window.rows.map(|row| row.is_some());
    let mask = |kept: bool, mask: u32| if kept { mask } else { 0 };
    let rest = columns.wrapping_sub(1);
    let per_round = if stride == 1 { 3 } else { 1 };
    let rounds = rest.div_ceil(per_round);
    let entry = if rest == 0 { 3 } else { rest.checked_rem(per_round).unwrap_or(0) };
    let mut task = Task {
        weights: packed.words().as_ptr().cast(),
        rows: window.rows.map(|row| row.unwrap_or(some).as_ptr()),
        out: out.as_mut_ptr(),
        channels,
        rounds: rounds.wrapping_sub(1) << 16,
        entry,
        upper: mask(first, ALL & 0xffff) | mask(second, ALL & !0xffff),
        lower: mask(third, ALL),
        left: window.left.into(),
        right: window.right.into(),
        zero_point,
        pitch: channels,
    };
    // SAFETY: there are words for each channel; `read` elements of each row are inside (a row in the padding is read as
    // another one and multiplied by zero), and `columns` pixels of the output, at least one.
    unsafe { if stride == 1 { dense(&mut task) } else { strided(&mut task) } }
}

/// Begins a function: saves registers and fixes the frame: 0 initial sum, 4 multiplier, 8 zero point, 12 distance from row
/// to output, 16 elements of a pixel, 20 task, 24 padding in both halves.
macro_rules! begin {
    () => {
        "push {{r4-r11, lr}}
         sub sp, #28
         ldr r1, [r0, #48]
         ldr r2, [r0, #52]
         ldr r3, [r0, #4]
         ldr r4, [r0, #8]
         ldr r5, [r0, #12]
         ldr r6, [r0, #16]
         str r1, [sp, #8]
         str r2, [sp, #16]
         str r0, [sp, #20]
         subs r4, r4, r3
         subs r5, r5, r3
         str r4, [r0, #8]
         str r5, [r0, #12]
         subs r6, r6, r3
         subs r6, r6, r2
         ldr r7, [r0, #40]
         cmp r7, #0
         it eq
         subeq r6, r6, r2
         str r6, [sp, #12]"
    };
}

/// Begins a channel: its weights to r6 (column 0 of the upper rows), r7 (1), r8 (2), r9 (columns 0 and 1 of the third row),
/// r10 (column 2 of it; rounds in the upper half); r11: first row; r12 and lr: distances to the others; r2: initial sum;
/// r0: sum of the first window's first column.
macro_rules! channel {
    () => {
        "20:
         ldr r0, [sp, #20]
         ldr r1, [r0]
         ldr r11, [r0, #4]
         ldr r12, [r0, #8]
         ldr lr, [r0, #12]
         ldr r7, [r0, #32]
         ldr r8, [r0, #36]
         ldr r9, [r0, #24]
         ldmia r1!, {{r2-r6}}
         str r1, [r0]
         str r3, [sp, #4]
         add r10, r11, #1
         str r10, [r0, #4]
         pkhtb r1, r6, r6, asr #16
         str r1, [sp, #24]
         cmp r7, #0xff00ff00
         it eq
         cmpeq r8, #0xff00ff00
         bne 22f
         21:
         str r2, [sp]
         and r10, r6, r8
         pkhbt r10, r10, r9
         and r9, r5, r8
         and r8, r7, r5, lsl #8
         and r6, r7, r4, lsl #8
         and r7, r7, r4
         ldr r3, [r0, #40]
         cbz r3, 23f
         mov r3, r1
         mov r4, r1
         b 24f
         22:
         mov r3, #0xff00ff00
         bic r10, r3, r7
         bic r3, r3, r8
         and r0, r10, r4, lsl #8
         smlad r2, r0, r1, r2
         and r0, r10, r4
         smlad r2, r0, r1, r2
         and r0, r10, r5, lsl #8
         smlad r2, r0, r1, r2
         and r0, r3, r5
         smlad r2, r0, r1, r2
         and r0, r3, r6
         smlabb r2, r0, r1, r2
         ldr r0, [sp, #20]
         b 21b
         23:
         ldrsb r3, [r11]
         ldrsb r5, [r11, r12]
         ldrsb r4, [r11, lr]
         ldr r1, [sp, #16]
         pkhbt r3, r3, r5, lsl #16
         add r11, r11, r1
         24:
         smlad r0, r6, r3, r2
         smlabb r0, r9, r4, r0"
    };
}

/// Reads a column: upper rows to r3, third row to r4.
macro_rules! column {
    () => {
        "ldrsb r3, [r11]
         ldrsb r5, [r11, r12]
         ldrsb r4, [r11, lr]
         pkhbt r3, r3, r5, lsl #16"
    };
}

/// The last column of the last window, to the sum in r0.
macro_rules! last_column {
    () => {
        "ldr r1, [sp, #20]
         ldr r3, [sp, #24]
         ldr r5, [r1, #44]
         mov r4, r3
         cbnz r5, 25f
         ldrsb r3, [r11]
         ldrsb r5, [r11, r12]
         ldrsb r4, [r11, lr]
         pkhbt r3, r3, r5, lsl #16
         25:
         smlad r0, r8, r3, r0
         smlabb r0, r10, r4, r0"
    };
}

/// Ends a channel, and with the last one the function.
macro_rules! end {
    () => {
        "ldr r0, [sp, #20]
         ldr r3, [r0, #20]
         subs r3, #1
         str r3, [r0, #20]
         bne.w 20b
         add sp, #28
         pop {{r4-r11, pc}}"
    };
}

/// A column under three windows: the first of which it ends and the last of which it begins.
macro_rules! slide {
    ($first:literal, $second:literal, $third:literal) => {
        concat!(
            column!(),
            "\n smlad ", $first, ", r8, r3, ", $first,
            "\n smlad ", $second, ", r7, r3, ", $second,
            "\n smlad ", $third, ", r6, r3, ", $third,
            "\n smlabb ", $first, ", r10, r4, ", $first,
            "\n smlatb ", $second, ", r9, r4, ", $second,
            "\n smlabb ", $third, ", r9, r4, ", $third,
            "\n ldr r3, [sp, #4]
             ldr r4, [sp, #8]
             ldr r5, [sp, #12]
             smmlar ", $first, ", ", $first, ", r3, r4
             ssat ", $first, ", #8, ", $first, "
             strb ", $first, ", [r11, r5]
             ldr r5, [sp, #16]
             ldr ", $first, ", [sp]
             add r11, r11, r5"
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn dense(task: *mut Task) {
    dsp_asm!(
        begin!(),
        channel!(),
        column!(),
        "ldr r5, [sp, #16]",
        "smlad r0, r7, r3, r0",
        "smlatb r0, r9, r4, r0",
        "smlad r1, r6, r3, r2",
        "smlabb r1, r9, r4, r1",
        "ldr r3, [sp, #20]",
        "ldr r4, [r3, #28]",
        "add r11, r11, r5",
        "mov r3, r2",
        "cmp r4, #1",
        "blo 3f",
        "beq 2f",
        "cmp r4, #3",
        "beq 6f",
        "mov r2, r1",
        "mov r1, r0",
        "mov r0, r3",
        "b 4f",
        "2:",
        "mov r2, r0",
        "mov r0, r1",
        "mov r1, r3",
        "b 5f",
        "3:",
        slide!("r0", "r1", "r2"),
        "4:",
        slide!("r1", "r2", "r0"),
        "5:",
        slide!("r2", "r0", "r1"),
        "subs r10, #0x10000",
        "bpl.w 3b",
        "6:",
        last_column!(),
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #8]",
        "ldr r5, [sp, #12]",
        "smmlar r0, r0, r3, r4",
        "ssat r0, #8, r0",
        "strb r0, [r11, r5]",
        end!(),
    )
}

#[unsafe(naked)]
unsafe extern "C" fn strided(task: *mut Task) {
    dsp_asm!(
        begin!(),
        channel!(),
        "ldr r3, [sp, #20]",
        "ldr r2, [r3, #16]",
        "ldr r5, [r3, #28]",
        "adds r4, r2, #1",
        "str r4, [r3, #16]",
        "cmp r5, #3",
        "beq 6f",
        "3:",
        "ldr r1, [sp, #16]",
        column!(),
        "smlad r0, r7, r3, r0",
        "smlatb r0, r9, r4, r0",
        "add r11, r11, r1",
        column!(),
        "ldr r5, [sp]",
        "add r11, r11, r1",
        "smlad r1, r6, r3, r5",
        "smlabb r1, r9, r4, r1",
        "smlad r0, r8, r3, r0",
        "smlabb r0, r10, r4, r0",
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #8]",
        "ldr r5, [sp, #16]",
        "smmlar r0, r0, r3, r4",
        "ssat r0, #8, r0",
        "strb r0, [r2]",
        "add r2, r2, r5",
        "mov r0, r1",
        "subs r10, #0x10000",
        "bpl 3b",
        "6:",
        "ldr r1, [sp, #16]",
        column!(),
        "smlad r0, r7, r3, r0",
        "smlatb r0, r9, r4, r0",
        "add r11, r11, r1",
        last_column!(),
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #8]",
        "smmlar r0, r0, r3, r4",
        "ssat r0, #8, r0",
        "strb r0, [r2]",
        end!(),
    )
}
