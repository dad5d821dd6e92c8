//! Depthwise convolution of 3×3 taps, with all weights of a channel in registers: r0 to r8, row by row. With
//! stride 1, [`super::threes`] is for three columns and more where no row is in the padding.

use crate::kernels::assembly::depthwise3::Task;
use core::arch::naked_asm;

/// Begins a function: saves registers and fixes the frame: 0 initial sum, 4 multiplier, 8 zero point, 12 output, where the
/// element that is read last for an output has the distance of it, 16 elements of a pixel, 20 task, 24 padding, 28 rows,
/// 40 channel, 44 rounds.
macro_rules! begin {
    () => {
        "push {{r4-r11, lr}}
         sub sp, #48
         ldr r1, [r0, #48]
         ldr r2, [r0, #52]
         ldr r3, [r0, #4]
         ldr r4, [r0, #8]
         ldr r5, [r0, #12]
         ldr r6, [r0, #16]
         ldr r7, [r0, #40]
         str r0, [sp, #20]
         str r1, [sp, #8]
         str r2, [sp, #16]
         str r3, [sp, #28]
         str r4, [sp, #32]
         str r5, [sp, #36]
         subs r6, r6, r2
         cmp r7, #0
         it eq
         subeq r6, r6, r2
         str r6, [sp, #12]
         movs r7, #0
         str r7, [sp, #40]"
    };
}

/// Begins a channel: its weights to r0 to r8, initial sum to r11, sum of the first window's first column to r10, distance of
/// the next column to r12.
macro_rules! channel {
    () => {
        "20:
         ldr lr, [sp, #20]
         ldr r9, [lr]
         ldr r12, [sp, #40]
         ldr r0, [lr, #24]
         add r10, r9, #20
         str r10, [lr]
         str r0, [sp, #44]
         ldr r10, [r9, #4]
         ldr r11, [r9]
         str r10, [sp, #4]
         ldrsb r0, [r9, #8]
         ldrsb r1, [r9, #9]
         ldrsb r3, [r9, #10]
         ldrsb r4, [r9, #11]
         ldrsb r2, [r9, #12]
         ldrsb r6, [r9, #13]
         ldrsb r5, [r9, #14]
         ldrsb r7, [r9, #15]
         ldrsb r8, [r9, #17]
         ldrsb r9, [r9, #18]
         ldr r10, [lr, #32]
         ldr lr, [lr, #36]
         asr r11, r11, #8
         str r9, [sp, #24]
         cmp r10, #0xff00ff00
         it eq
         cmpeq lr, #0xff00ff00
         bne 22f
         21:
         str r11, [sp]
         ldr lr, [sp, #20]
         ldr lr, [lr, #40]
         cmp lr, #0
         beq 25f
         mla r10, r0, r9, r11
         mla r10, r3, r9, r10
         mla r10, r6, r9, r10
         b 26f
         22:
         tst r10, #0xff00
         bne 23f
         mla r11, r0, r9, r11
         mla r11, r1, r9, r11
         mla r11, r2, r9, r11
         movs r0, #0
         movs r1, #0
         movs r2, #0
         23:
         tst r10, #0xff000000
         bne 24f
         mla r11, r3, r9, r11
         mla r11, r4, r9, r11
         mla r11, r5, r9, r11
         movs r3, #0
         movs r4, #0
         movs r5, #0
         24:
         cmp lr, #0
         bne 21b
         mla r11, r6, r9, r11
         mla r11, r7, r9, r11
         mla r11, r8, r9, r11
         movs r6, #0
         movs r7, #0
         mov r8, #0
         b 21b
         25:
         ldr lr, [sp, #28]
         ldrsb lr, [lr, r12]
         mla r10, r0, lr, r11
         ldr lr, [sp, #32]
         ldrsb lr, [lr, r12]
         mla r10, r3, lr, r10
         ldr lr, [sp, #36]
         ldrsb lr, [lr, r12]
         mla r10, r6, lr, r10
         ldr lr, [sp, #16]
         add r12, lr
         26:"
    };
}

/// The middle column of a window, to its sum in r10.
macro_rules! middle_column {
    () => {
        "ldr lr, [sp, #28]
         ldrsb lr, [lr, r12]
         mla r10, r1, lr, r10
         ldr lr, [sp, #32]
         ldrsb lr, [lr, r12]
         mla r10, r4, lr, r10
         ldr lr, [sp, #36]
         ldrsb lr, [lr, r12]
         mla r10, r7, lr, r10
         ldr lr, [sp, #16]
         add r12, lr"
    };
}

/// The last column of the last window, to its sum in r10.
macro_rules! last_column {
    () => {
        "ldr lr, [sp, #20]
         ldr lr, [lr, #44]
         cmp lr, #0
         beq 27f
         ldr lr, [sp, #24]
         mla r10, r2, lr, r10
         mla r10, r5, lr, r10
         mla r10, r8, lr, r10
         b 28f
         27:
         ldr lr, [sp, #28]
         ldrsb lr, [lr, r12]
         mla r10, r2, lr, r10
         ldr lr, [sp, #32]
         ldrsb lr, [lr, r12]
         mla r10, r5, lr, r10
         ldr lr, [sp, #36]
         ldrsb lr, [lr, r12]
         mla r10, r8, lr, r10
         28:"
    };
}

/// A sum to its output.
macro_rules! requantize {
    ($sum:literal) => {
        concat!(
            "ldr lr, [sp, #4]",
            "\n lsl ",
            $sum,
            ", ",
            $sum,
            ", #8",
            "\n smull lr, ",
            $sum,
            ", ",
            $sum,
            ", lr",
            "\n adds lr, lr, #0x80000000
             ldr lr, [sp, #8]",
            "\n adc ",
            $sum,
            ", ",
            $sum,
            ", lr",
            "\n ssat ",
            $sum,
            ", #8, ",
            $sum
        )
    };
}

/// Ends a channel, and with the last one the function.
macro_rules! end {
    () => {
        "ldr lr, [sp, #40]
         ldr r9, [sp, #16]
         add lr, lr, #1
         str lr, [sp, #40]
         cmp lr, r9
         bne.w 20b
         add sp, #48
         pop {{r4-r11, pc}}"
    };
}

/// A column under three windows: the first of which it ends and the last of which it begins.
macro_rules! slide {
    ($first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldr lr, [sp, #28]
             ldrsb lr, [lr, r12]",
            "\n mla ",
            $first,
            ", r2, lr, ",
            $first,
            "\n mla ",
            $second,
            ", r1, lr, ",
            $second,
            "\n mla ",
            $third,
            ", r0, lr, ",
            $third,
            "\n ldr lr, [sp, #32]
             ldrsb lr, [lr, r12]",
            "\n mla ",
            $first,
            ", r5, lr, ",
            $first,
            "\n mla ",
            $second,
            ", r4, lr, ",
            $second,
            "\n mla ",
            $third,
            ", r3, lr, ",
            $third,
            "\n ldr lr, [sp, #36]
             ldrsb lr, [lr, r12]",
            "\n mla ",
            $first,
            ", r8, lr, ",
            $first,
            "\n mla ",
            $second,
            ", r7, lr, ",
            $second,
            "\n mla ",
            $third,
            ", r6, lr, ",
            $third,
            "\n",
            requantize!($first),
            "\n ldr lr, [sp, #12]",
            "\n strb ",
            $first,
            ", [lr, r12]
             ldr lr, [sp, #16]",
            "\n ldr ",
            $first,
            ", [sp]
             add r12, lr"
        )
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn dense(task: *mut Task) {
    naked_asm!(
        begin!(),
        channel!(),
        "ldr lr, [sp, #28]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r1, lr, r10",
        "mla r9, r0, lr, r11",
        "ldr lr, [sp, #32]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r4, lr, r10",
        "mla r9, r3, lr, r9",
        "ldr lr, [sp, #36]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r7, lr, r10",
        "mla r9, r6, lr, r9",
        "ldr lr, [sp, #16]",
        "add r12, lr",
        "ldr lr, [sp, #20]",
        "ldr lr, [lr, #28]",
        "cmp lr, #1",
        "blo 3f",
        "beq 2f",
        "cmp lr, #3",
        "beq.w 6f",
        "mov lr, r10",
        "mov r10, r11",
        "mov r11, r9",
        "mov r9, lr",
        "b 4f",
        "2:",
        "mov lr, r11",
        "mov r11, r10",
        "mov r10, r9",
        "mov r9, lr",
        "b 5f",
        "3:",
        slide!("r10", "r9", "r11"),
        "4:",
        slide!("r9", "r11", "r10"),
        "5:",
        slide!("r11", "r10", "r9"),
        "ldr lr, [sp, #44]",
        "subs lr, lr, #0x10000",
        "str lr, [sp, #44]",
        "bpl.w 3b",
        "6:",
        last_column!(),
        requantize!("r10"),
        "ldr lr, [sp, #12]",
        "strb r10, [lr, r12]",
        end!(),
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn strided(task: *mut Task) {
    naked_asm!(
        begin!(),
        channel!(),
        "ldr lr, [sp, #20]",
        "ldr r9, [sp, #40]",
        "ldr r11, [lr, #16]",
        "ldr lr, [lr, #28]",
        "add r11, r9",
        "cmp lr, #3",
        "beq 6f",
        "3:",
        middle_column!(),
        "ldr r9, [sp]",
        "ldr lr, [sp, #28]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r2, lr, r10",
        "mla r9, r0, lr, r9",
        "ldr lr, [sp, #32]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r5, lr, r10",
        "mla r9, r3, lr, r9",
        "ldr lr, [sp, #36]",
        "ldrsb lr, [lr, r12]",
        "mla r10, r8, lr, r10",
        "mla r9, r6, lr, r9",
        requantize!("r10"),
        "ldr lr, [sp, #16]",
        "strb r10, [r11]",
        "add r11, lr",
        "add r12, lr",
        "mov r10, r9",
        "ldr lr, [sp, #44]",
        "subs lr, lr, #0x10000",
        "str lr, [sp, #44]",
        "bpl 3b",
        "6:",
        middle_column!(),
        last_column!(),
        requantize!("r10"),
        "strb r10, [r11]",
        end!(),
    )
}
