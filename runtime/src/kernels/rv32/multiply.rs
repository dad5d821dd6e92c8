//! Matrix products with one multiplication and one addition a product; the sums of twelve outputs are kept in registers.

use crate::kernels::assembly::product::Product;

/// Output channels of a block of more than one pixel.
pub(in crate::kernels) const CHANNELS: usize = 4;
/// Steps in the unrolled loop.
pub(in crate::kernels) const UNROLLED: usize = 1;

/// Saves registers.
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
         sw s11, 48(sp)"
    };
}

/// Ends the function.
macro_rules! end {
    () => {
        "lw ra, 0(sp)
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

/// A sum to its output: ra the multiplier, a6 the zero point, t5 and t6 the bounds.
macro_rules! requantize {
    ($sum:literal, $out:literal) => {
        concat!(
            "mul a2, ",
            $sum,
            ", ra",
            "\n mulh a1, ",
            $sum,
            ", ra
             srli a2, a2, 31
             add a1, a1, a6
             add a1, a1, a2
             ble a1, t5, 4f
             mv a1, t5
             4:
             bge a1, t6, 5f
             mv a1, t6
             5:",
            "\n sb a1, ",
            $out
        )
    };
}

/// A step of three pixels and four channels: 48 products, but for the pointers.
macro_rules! step3 {
    () => {
        "lh t0, 2(a4)
         lh t1, 6(a4)
         lh t2, 2(a5)
         lh t3, 6(a5)
         lb t4, 2(a4)
         lb t5, 6(a4)
         lb t6, 2(a5)
         lb a7, 6(a5)
         lbu a1, 0(a6)
         lh a2, 0(a6)
         mul a3, t0, a1
         sub s0, s0, a3
         mul a3, t1, a1
         sub s3, s3, a3
         mul a3, t2, a1
         sub s6, s6, a3
         mul a3, t3, a1
         sub s9, s9, a3
         mul a3, t4, a2
         add s0, s0, a3
         mul a3, t5, a2
         add s3, s3, a3
         mul a3, t6, a2
         add s6, s6, a3
         mul a3, a7, a2
         add s9, s9, a3
         lbu a1, 4(a6)
         lh a2, 4(a6)
         mul a3, t0, a1
         sub s1, s1, a3
         mul a3, t1, a1
         sub s4, s4, a3
         mul a3, t2, a1
         sub s7, s7, a3
         mul a3, t3, a1
         sub s10, s10, a3
         mul a3, t4, a2
         add s1, s1, a3
         mul a3, t5, a2
         add s4, s4, a3
         mul a3, t6, a2
         add s7, s7, a3
         mul a3, a7, a2
         add s10, s10, a3
         lbu a1, 8(a6)
         lh a2, 8(a6)
         mul a3, t0, a1
         sub s2, s2, a3
         mul a3, t1, a1
         sub s5, s5, a3
         mul a3, t2, a1
         sub s8, s8, a3
         mul a3, t3, a1
         sub s11, s11, a3
         mul a3, t4, a2
         add s2, s2, a3
         mul a3, t5, a2
         add s5, s5, a3
         mul a3, t6, a2
         add s8, s8, a3
         mul a3, a7, a2
         add s11, s11, a3
         lh t0, 0(a4)
         lh t1, 4(a4)
         lh t2, 0(a5)
         lh t3, 4(a5)
         lb t4, 0(a4)
         lb t5, 4(a4)
         lb t6, 0(a5)
         lb a7, 4(a5)
         lbu a1, 2(a6)
         lh a2, 2(a6)
         mul a3, t0, a1
         add s0, s0, a3
         mul a3, t1, a1
         add s3, s3, a3
         mul a3, t2, a1
         add s6, s6, a3
         mul a3, t3, a1
         add s9, s9, a3
         mul a3, t4, a2
         sub s0, s0, a3
         mul a3, t5, a2
         sub s3, s3, a3
         mul a3, t6, a2
         sub s6, s6, a3
         mul a3, a7, a2
         sub s9, s9, a3
         lbu a1, 6(a6)
         lh a2, 6(a6)
         mul a3, t0, a1
         add s1, s1, a3
         mul a3, t1, a1
         add s4, s4, a3
         mul a3, t2, a1
         add s7, s7, a3
         mul a3, t3, a1
         add s10, s10, a3
         mul a3, t4, a2
         sub s1, s1, a3
         mul a3, t5, a2
         sub s4, s4, a3
         mul a3, t6, a2
         sub s7, s7, a3
         mul a3, a7, a2
         sub s10, s10, a3
         lbu a1, 10(a6)
         lh a2, 10(a6)
         mul a3, t0, a1
         add s2, s2, a3
         mul a3, t1, a1
         add s5, s5, a3
         mul a3, t2, a1
         add s8, s8, a3
         mul a3, t3, a1
         add s11, s11, a3
         mul a3, t4, a2
         sub s2, s2, a3
         mul a3, t5, a2
         sub s5, s5, a3
         mul a3, t6, a2
         sub s8, s8, a3
         mul a3, a7, a2
         sub s11, s11, a3"
    };
}

/// A step of two pixels and four channels: 32 products, but for the pointers.
macro_rules! step2 {
    () => {
        "lh t0, 2(a4)
         lh t1, 6(a4)
         lh t2, 2(a5)
         lh t3, 6(a5)
         lb t4, 2(a4)
         lb t5, 6(a4)
         lb t6, 2(a5)
         lb a7, 6(a5)
         lbu a1, 0(a6)
         lh a2, 0(a6)
         mul a3, t0, a1
         sub s0, s0, a3
         mul a3, t1, a1
         sub s2, s2, a3
         mul a3, t2, a1
         sub s4, s4, a3
         mul a3, t3, a1
         sub s6, s6, a3
         mul a3, t4, a2
         add s0, s0, a3
         mul a3, t5, a2
         add s2, s2, a3
         mul a3, t6, a2
         add s4, s4, a3
         mul a3, a7, a2
         add s6, s6, a3
         lbu a1, 4(a6)
         lh a2, 4(a6)
         mul a3, t0, a1
         sub s1, s1, a3
         mul a3, t1, a1
         sub s3, s3, a3
         mul a3, t2, a1
         sub s5, s5, a3
         mul a3, t3, a1
         sub s7, s7, a3
         mul a3, t4, a2
         add s1, s1, a3
         mul a3, t5, a2
         add s3, s3, a3
         mul a3, t6, a2
         add s5, s5, a3
         mul a3, a7, a2
         add s7, s7, a3
         lh t0, 0(a4)
         lh t1, 4(a4)
         lh t2, 0(a5)
         lh t3, 4(a5)
         lb t4, 0(a4)
         lb t5, 4(a4)
         lb t6, 0(a5)
         lb a7, 4(a5)
         lbu a1, 2(a6)
         lh a2, 2(a6)
         mul a3, t0, a1
         add s0, s0, a3
         mul a3, t1, a1
         add s2, s2, a3
         mul a3, t2, a1
         add s4, s4, a3
         mul a3, t3, a1
         add s6, s6, a3
         mul a3, t4, a2
         sub s0, s0, a3
         mul a3, t5, a2
         sub s2, s2, a3
         mul a3, t6, a2
         sub s4, s4, a3
         mul a3, a7, a2
         sub s6, s6, a3
         lbu a1, 6(a6)
         lh a2, 6(a6)
         mul a3, t0, a1
         add s1, s1, a3
         mul a3, t1, a1
         add s3, s3, a3
         mul a3, t2, a1
         add s5, s5, a3
         mul a3, t3, a1
         add s7, s7, a3
         mul a3, t4, a2
         sub s1, s1, a3
         mul a3, t5, a2
         sub s3, s3, a3
         mul a3, t6, a2
         sub s5, s5, a3
         mul a3, a7, a2
         sub s7, s7, a3"
    };
}

/// A step of one pixel, not expanded, and four channels: 16 products, but for the pointers.
macro_rules! step1 {
    () => {
        "lh t0, 2(a4)
         lh t1, 6(a4)
         lh t2, 2(a5)
         lh t3, 6(a5)
         lb t4, 2(a4)
         lb t5, 6(a4)
         lb t6, 2(a5)
         lb a7, 6(a5)
         lbu a1, 0(a6)
         lh a2, 0(a6)
         xori a1, a1, 0x80
         xori a2, a2, 0x80
         mul a3, t0, a1
         sub s0, s0, a3
         mul a3, t1, a1
         sub s1, s1, a3
         mul a3, t2, a1
         sub s2, s2, a3
         mul a3, t3, a1
         sub s3, s3, a3
         mul a3, t4, a2
         add s0, s0, a3
         mul a3, t5, a2
         add s1, s1, a3
         mul a3, t6, a2
         add s2, s2, a3
         mul a3, a7, a2
         add s3, s3, a3
         lh t0, 0(a4)
         lh t1, 4(a4)
         lh t2, 0(a5)
         lh t3, 4(a5)
         lb t4, 0(a4)
         lb t5, 4(a4)
         lb t6, 0(a5)
         lb a7, 4(a5)
         lbu a1, 2(a6)
         lh a2, 2(a6)
         xori a1, a1, 0x80
         xori a2, a2, 0x80
         mul a3, t0, a1
         add s0, s0, a3
         mul a3, t1, a1
         add s1, s1, a3
         mul a3, t2, a1
         add s2, s2, a3
         mul a3, t3, a1
         add s3, s3, a3
         mul a3, t4, a2
         sub s0, s0, a3
         mul a3, t5, a2
         sub s1, s1, a3
         mul a3, t6, a2
         sub s2, s2, a3
         mul a3, a7, a2
         sub s3, s3, a3"
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply3(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "lw a4, 0(a0)",
        // Two runs at a time: that of the lower pair of channels at a4, of the upper one at a5.
        "2:",
        "lw a5, 32(a0)",
        "add a5, a5, a4",
        "lw a6, 4(a0)",
        "lw ra, 24(a0)",
        "lw s0, 0(a4)",
        "lw s3, 4(a4)",
        "lw s6, 0(a5)",
        "lw s9, 4(a5)",
        "mv s1, s0",
        "mv s2, s0",
        "mv s4, s3",
        "mv s5, s3",
        "mv s7, s6",
        "mv s8, s6",
        "mv s10, s9",
        "mv s11, s9",
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "3:",
        step3!(),
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "addi a6, a6, 12",
        "addi ra, ra, -1",
        "bnez ra, 3b",
        "lw t0, 8(a0)",
        "lw a6, 20(a0)",
        "li t5, 127",
        "li t6, -128",
        "lw a7, 16(a0)",
        "add t1, t0, a7",
        "add t2, t1, a7",
        "lw ra, 0(a4)",
        requantize!("s0", "0(t0)"),
        requantize!("s1", "0(t1)"),
        requantize!("s2", "0(t2)"),
        "lw ra, 4(a4)",
        requantize!("s3", "1(t0)"),
        requantize!("s4", "1(t1)"),
        requantize!("s5", "1(t2)"),
        "lw ra, 0(a5)",
        requantize!("s6", "2(t0)"),
        requantize!("s7", "2(t1)"),
        requantize!("s8", "2(t2)"),
        "lw ra, 4(a5)",
        requantize!("s9", "3(t0)"),
        requantize!("s10", "3(t1)"),
        requantize!("s11", "3(t2)"),
        "addi t0, t0, 4",
        "sw t0, 8(a0)",
        "lw t1, 12(a0)",
        "addi a4, a5, 8",
        "bne t0, t1, 2b",
        end!(),
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply2(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "lw a4, 0(a0)",
        // Two runs at a time: that of the lower pair of channels at a4, of the upper one at a5.
        "2:",
        "lw a5, 32(a0)",
        "add a5, a5, a4",
        "lw a6, 4(a0)",
        "lw ra, 24(a0)",
        "lw s0, 0(a4)",
        "lw s2, 4(a4)",
        "lw s4, 0(a5)",
        "lw s6, 4(a5)",
        "mv s1, s0",
        "mv s3, s2",
        "mv s5, s4",
        "mv s7, s6",
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "3:",
        step2!(),
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "addi a6, a6, 8",
        "addi ra, ra, -1",
        "bnez ra, 3b",
        "lw t0, 8(a0)",
        "lw a6, 20(a0)",
        "li t5, 127",
        "li t6, -128",
        "lw a7, 16(a0)",
        "add t1, t0, a7",
        "lw ra, 0(a4)",
        requantize!("s0", "0(t0)"),
        requantize!("s1", "0(t1)"),
        "lw ra, 4(a4)",
        requantize!("s2", "1(t0)"),
        requantize!("s3", "1(t1)"),
        "lw ra, 0(a5)",
        requantize!("s4", "2(t0)"),
        requantize!("s5", "2(t1)"),
        "lw ra, 4(a5)",
        requantize!("s6", "3(t0)"),
        requantize!("s7", "3(t1)"),
        "addi t0, t0, 4",
        "sw t0, 8(a0)",
        "lw t1, 12(a0)",
        "addi a4, a5, 8",
        "bne t0, t1, 2b",
        end!(),
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply1(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "lw a4, 0(a0)",
        // Two runs at a time: that of the lower pair of channels at a4, of the upper one at a5.
        "2:",
        "lw a5, 32(a0)",
        "add a5, a5, a4",
        "lw a6, 4(a0)",
        "lw ra, 24(a0)",
        "lw s0, 0(a4)",
        "lw s1, 4(a4)",
        "lw s2, 0(a5)",
        "lw s3, 4(a5)",
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "3:",
        step1!(),
        "addi a4, a4, 8",
        "addi a5, a5, 8",
        "addi a6, a6, 4",
        "addi ra, ra, -1",
        "bnez ra, 3b",
        "lw t0, 8(a0)",
        "lw a6, 20(a0)",
        "li t5, 127",
        "li t6, -128",
        "lw ra, 0(a4)",
        requantize!("s0", "0(t0)"),
        "lw ra, 4(a4)",
        requantize!("s1", "1(t0)"),
        "lw ra, 0(a5)",
        requantize!("s2", "2(t0)"),
        "lw ra, 4(a5)",
        requantize!("s3", "3(t0)"),
        "addi t0, t0, 4",
        "sw t0, 8(a0)",
        "lw t1, 12(a0)",
        "addi a4, a5, 8",
        "bne t0, t1, 2b",
        end!(),
    )
}
