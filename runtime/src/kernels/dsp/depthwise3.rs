//! Depthwise convolution of 3×3 taps, two rows at a time: they share a word, for one dual multiply-accumulate.

use crate::kernels::assembly::depthwise3::Task;

/// Begins a function: saves registers and fixes the frame: 0 initial sum, 4 multiplier, 8 zero point, 12 distance from row
/// to output, 16 elements of a pixel, 20 task, 24 padding in both halves. r12
/// and lr: distances from the first row to the others.
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
         sub r12, r4, r3
         sub lr, r5, r3
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
/// r10 (column 2 of it; rounds in the upper half); r11: first row; r2: initial sum;
/// r0: sum of the first window's first column.
macro_rules! channel {
    () => {
        "20:
         ldr r0, [sp, #20]
         ldr r1, [r0]
         ldr r11, [r0, #4]
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
            "\n smlad ",
            $first,
            ", r8, r3, ",
            $first,
            "\n smlad ",
            $second,
            ", r7, r3, ",
            $second,
            "\n smlad ",
            $third,
            ", r6, r3, ",
            $third,
            "\n smlabb ",
            $first,
            ", r10, r4, ",
            $first,
            "\n smlatb ",
            $second,
            ", r9, r4, ",
            $second,
            "\n smlabb ",
            $third,
            ", r9, r4, ",
            $third,
            "\n ldr r3, [sp, #4]
             ldr r4, [sp, #8]
             ldr r5, [sp, #12]
             smmlar ",
            $first,
            ", ",
            $first,
            ", r3, r4
             ssat ",
            $first,
            ", #8, ",
            $first,
            "
             strb ",
            $first,
            ", [r11, r5]
             ldr r5, [sp, #16]
             ldr ",
            $first,
            ", [sp]
             add r11, r11, r5"
        )
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn dense(task: *mut Task) {
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
pub(in crate::kernels) unsafe extern "C" fn strided(task: *mut Task) {
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
