//! Depthwise convolution of 3×3 taps, with all weights of a channel in registers: s0 to s8, row by row.

use crate::kernels::assembly::depthwise3::Task;

/// Begins a function: saves registers; a4: elements of a pixel, a6: twice the zero point, and one, t5 and t6: bounds, ra: channel.
macro_rules! begin {
    () => {
        "addi sp, sp, -64
         sw ra, 0(sp)
         sw s0, 4(sp)
         sw s1, 8(sp)
         sw s2, 12(sp)
         sw s3, 16(sp)
         sw s4, 20(sp)
         sw s5, 24(sp)
         sw s6, 28(sp)
         sw s7, 32(sp)
         sw s8, 36(sp)
         sw s9, 40(sp)
         sw s10, 44(sp)
         sw s11, 48(sp)
         lw a4, 52(a0)
         lw a6, 48(a0)
         slli a6, a6, 1
         addi a6, a6, 1
         li t5, 127
         li t6, -128
         li ra, 0"
    };
}

/// Begins a channel: its weights to s0 to s8, initial sum to s11, twice the multiplier to a5, sum of the first window's first column to
/// s9, the next column to a1, a2, a3, output to a7, outputs but one to t3; padding at 52 on the stack.
macro_rules! channel {
    () => {
        "20:
         lw t0, 0(a0)
         addi t1, t0, 20
         sw t1, 0(a0)
         lw s11, 0(t0)
         lw a5, 4(t0)
         srai s11, s11, 8
         slli a5, a5, 1
         lb s0, 8(t0)
         lb s1, 9(t0)
         lb s3, 10(t0)
         lb s4, 11(t0)
         lb s2, 12(t0)
         lb s6, 13(t0)
         lb s5, 14(t0)
         lb s7, 15(t0)
         lb s8, 17(t0)
         lb t4, 18(t0)
         sw t4, 52(sp)
         lw a1, 4(a0)
         lw a2, 8(a0)
         lw a3, 12(a0)
         lw a7, 16(a0)
         add a1, a1, ra
         add a2, a2, ra
         add a3, a3, ra
         add a7, a7, ra
         lw t1, 60(a0)
         bnez t1, 23f
         lw t2, 32(a0)
         lw t3, 36(a0)
         slli t1, t2, 16
         bnez t1, 21f
         add t1, s0, s1
         add t1, t1, s2
         mul t1, t1, t4
         add s11, s11, t1
         li s0, 0
         li s1, 0
         li s2, 0
         21:
         srli t1, t2, 16
         bnez t1, 22f
         add t1, s3, s4
         add t1, t1, s5
         mul t1, t1, t4
         add s11, s11, t1
         li s3, 0
         li s4, 0
         li s5, 0
         22:
         mv t1, t3
         bnez t1, 23f
         add t1, s6, s7
         add t1, t1, s8
         mul t1, t1, t4
         add s11, s11, t1
         li s6, 0
         li s7, 0
         li s8, 0
         23:
         lw t1, 40(a0)
         mv t0, t4
         mv t2, t4
         bnez t1, 24f
         lb t0, 0(a1)
         lb t2, 0(a2)
         lb t4, 0(a3)
         add a1, a1, a4
         add a2, a2, a4
         add a3, a3, a4
         24:
         mul t1, t0, s0
         add s9, s11, t1
         mul t1, t2, s3
         add s9, s9, t1
         mul t1, t4, s6
         add s9, s9, t1
         lw t3, 56(a0)
         addi t3, t3, -1"
    };
}

/// Reads a column to t0, t2, t4.
macro_rules! column {
    () => {
        "lb t0, 0(a1)
         lb t2, 0(a2)
         lb t4, 0(a3)"
    };
}

/// Goes to the next column.
macro_rules! advance {
    () => {
        "add a1, a1, a4
         add a2, a2, a4
         add a3, a3, a4"
    };
}

/// The last column of the last window, to its sum in s9.
macro_rules! last_column {
    () => {
        "lw t1, 44(a0)
         lw t4, 52(sp)
         mv t0, t4
         mv t2, t4
         bnez t1, 25f
         lb t0, 0(a1)
         lb t2, 0(a2)
         lb t4, 0(a3)
         25:
         mul t1, t0, s2
         add s9, s9, t1
         mul t1, t2, s5
         add s9, s9, t1
         mul t1, t4, s8
         add s9, s9, t1"
    };
}

/// The sum in s9 to its output.
macro_rules! requantize {
    () => {
        "slli s9, s9, 8
         mulhsu s9, s9, a5
         add s9, s9, a6
         srai s9, s9, 1
         ble s9, t5, 28f
         mv s9, t5
         28:
         bge s9, t6, 29f
         mv s9, t6
         29:
         sb s9, 0(a7)
         add a7, a7, a4"
    };
}

/// Adds a column to a sum, with the weights of a column of the kernel.
macro_rules! taps {
    ($sum:literal, $from:literal, $top:literal, $middle:literal, $bottom:literal) => {
        concat!(
            "mul t1, t0, ",
            $top,
            "\n add ",
            $sum,
            ", ",
            $from,
            ", t1",
            "\n mul t1, t2, ",
            $middle,
            "\n add ",
            $sum,
            ", ",
            $sum,
            ", t1",
            "\n mul t1, t4, ",
            $bottom,
            "\n add ",
            $sum,
            ", ",
            $sum,
            ", t1"
        )
    };
}

/// Ends a channel, and with the last one the function.
macro_rules! end {
    () => {
        "addi ra, ra, 1
         bne ra, a4, 20b
         lw ra, 0(sp)
         lw s0, 4(sp)
         lw s1, 8(sp)
         lw s2, 12(sp)
         lw s3, 16(sp)
         lw s4, 20(sp)
         lw s5, 24(sp)
         lw s6, 28(sp)
         lw s7, 32(sp)
         lw s8, 36(sp)
         lw s9, 40(sp)
         lw s10, 44(sp)
         lw s11, 48(sp)
         addi sp, sp, 64
         ret"
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn dense(task: *mut Task) {
    rv32_asm!(
        begin!(),
        channel!(),
        column!(),
        advance!(),
        taps!("s9", "s9", "s1", "s4", "s7"),
        taps!("s10", "s11", "s0", "s3", "s6"),
        "beqz t3, 4f",
        "3:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s2", "s5", "s8"),
        requantize!(),
        taps!("s9", "s10", "s1", "s4", "s7"),
        taps!("s10", "s11", "s0", "s3", "s6"),
        "addi t3, t3, -1",
        "bnez t3, 3b",
        "4:",
        last_column!(),
        requantize!(),
        end!(),
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn strided(task: *mut Task) {
    rv32_asm!(
        begin!(),
        channel!(),
        "beqz t3, 4f",
        "3:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s1", "s4", "s7"),
        column!(),
        advance!(),
        taps!("s9", "s9", "s2", "s5", "s8"),
        requantize!(),
        taps!("s9", "s11", "s0", "s3", "s6"),
        "addi t3, t3, -1",
        "bnez t3, 3b",
        "4:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s1", "s4", "s7"),
        last_column!(),
        requantize!(),
        end!(),
    )
}
