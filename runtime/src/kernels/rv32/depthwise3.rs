//! Depthwise convolution of 3×3 taps, with all weights of a channel in registers: s0 to s8, row by row.

use crate::kernels::assembly::depthwise3::Task;

/// Begins a function: saves registers; a1, a2, a3: rows, a4: elements of a pixel, a6: twice the zero point, and one, a7: output, t5
/// and t6: bounds, ra: words of the channel.
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
         lw ra, 0(a0)
         lw a1, 4(a0)
         lw a2, 8(a0)
         lw a3, 12(a0)
         lw a4, 52(a0)
         lw a6, 48(a0)
         lw a7, 16(a0)
         slli a6, a6, 1
         addi a6, a6, 1
         li t5, 127
         li t6, -128"
    };
}

/// Begins a channel: its weights to s0 to s8, initial sum to s11, multiplier with 9 zeros behind it to a5, sum of the first
/// window's first column to s9, the last output to t3. Where the multiplier has no room for the zeros, sums have 8 of them.
macro_rules! channel {
    () => {
        "20:
         lw s11, 0(ra)
         lw a5, 4(ra)
         lb s0, 8(ra)
         lb s1, 9(ra)
         lb s3, 10(ra)
         lb s4, 11(ra)
         lb s2, 12(ra)
         lb s6, 13(ra)
         lb s5, 14(ra)
         lb s7, 15(ra)
         lb s8, 17(ra)
         srli t1, a5, 23
         bnez t1, 30f
         srai s11, s11, 8
         slli a5, a5, 9
         21:
         lw t1, 60(a0)
         beqz t1, 31f
         22:
         lw t1, 40(a0)
         beqz t1, 32f
         lb t4, 18(ra)
         add t1, s0, s3
         add t1, t1, s6
         mul t1, t1, t4
         add s9, s11, t1
         23:
         lw t3, 56(a0)
         add t3, t3, a7"
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

/// The last column of the last window, to its sum in s9.
macro_rules! last_column {
    () => {
        "lw t1, 44(a0)
         beqz t1, 33f
         lb t4, 18(ra)
         add t1, s2, s5
         add t1, t1, s8
         mul t1, t1, t4
         add s9, s9, t1
         24:"
    };
}

/// The sum in s9 to its output.
macro_rules! requantize {
    () => {
        "mulhsu s9, s9, a5
         add s9, s9, a6
         srai s9, s9, 1
         ble s9, t5, 25f
         mv s9, t5
         25:
         bge s9, t6, 26f
         mv s9, t6
         26:
         sb s9, 0(a7)"
    };
}

/// Ends a channel, and with the last one the function. Behind it what few channels take: large multipliers, rows in the padding,
/// columns that are not.
macro_rules! end {
    () => {
        concat!(
            "lw t0, 56(a0)
             lw t1, 68(a0)
             lw t2, 64(a0)
             addi ra, ra, 20
             sub a7, a7, t0
             addi a7, a7, 1
             sub a1, a1, t1
             sub a2, a2, t1
             sub a3, a3, t1
             bne ra, t2, 20b
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
             ret
             30:
             slli s0, s0, 8
             slli s1, s1, 8
             slli s2, s2, 8
             slli s3, s3, 8
             slli s4, s4, 8
             slli s5, s5, 8
             slli s6, s6, 8
             slli s7, s7, 8
             slli s8, s8, 8
             slli a5, a5, 1
             j 21b
             31:
             lb t4, 18(ra)
             lw t2, 32(a0)
             lw t3, 36(a0)
             slli t1, t2, 16
             bnez t1, 34f
             add t1, s0, s1
             add t1, t1, s2
             mul t1, t1, t4
             add s11, s11, t1
             li s0, 0
             li s1, 0
             li s2, 0
             34:
             srli t1, t2, 16
             bnez t1, 35f
             add t1, s3, s4
             add t1, t1, s5
             mul t1, t1, t4
             add s11, s11, t1
             li s3, 0
             li s4, 0
             li s5, 0
             35:
             bnez t3, 22b
             add t1, s6, s7
             add t1, t1, s8
             mul t1, t1, t4
             add s11, s11, t1
             li s6, 0
             li s7, 0
             li s8, 0
             j 22b
             32:\n",
            column!(),
            "\n",
            advance!(),
            "\n",
            taps!("s9", "s11", "s0", "s3", "s6"),
            "\n j 23b
             33:\n",
            column!(),
            "\n",
            taps!("s9", "s9", "s2", "s5", "s8"),
            "\n j 24b"
        )
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
        "beq a7, t3, 4f",
        "3:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s2", "s5", "s8"),
        requantize!(),
        "add a7, a7, a4",
        taps!("s9", "s10", "s1", "s4", "s7"),
        taps!("s10", "s11", "s0", "s3", "s6"),
        "bne a7, t3, 3b",
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
        "beq a7, t3, 4f",
        "3:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s1", "s4", "s7"),
        column!(),
        advance!(),
        taps!("s9", "s9", "s2", "s5", "s8"),
        requantize!(),
        "add a7, a7, a4",
        taps!("s9", "s11", "s0", "s3", "s6"),
        "bne a7, t3, 3b",
        "4:",
        column!(),
        advance!(),
        taps!("s9", "s9", "s1", "s4", "s7"),
        last_column!(),
        requantize!(),
        end!(),
    )
}
