//! Matrix products with single multiply-accumulates: each lane and low byte is read with its sign by a load of its own.

use crate::kernels::assembly::product::Product;
use core::arch::naked_asm;

/// Output channels of a block of more than one pixel.
pub(in crate::kernels) const CHANNELS: usize = 2;
/// Steps in the unrolled loop.
pub(in crate::kernels) const UNROLLED: usize = 4;

/// A step of three pixels and two channels: 24 products.
macro_rules! step3 {
    () => {
        "ldrsh r6, [r11, #2]
         ldrsb r8, [r11, #2]
         ldrsh r7, [r11, #6]
         ldrsb r9, [r11, #6]
         ldrb r10, [r12, #0]
         ldrsh lr, [r12, #0]
         mls r0, r6, r10, r0
         mls r3, r7, r10, r3
         mla r0, r8, lr, r0
         mla r3, r9, lr, r3
         ldrb r10, [r12, #4]
         ldrsh lr, [r12, #4]
         mls r1, r6, r10, r1
         mls r4, r7, r10, r4
         mla r1, r8, lr, r1
         mla r4, r9, lr, r4
         ldrb r10, [r12, #8]
         ldrsh lr, [r12, #8]
         mls r2, r6, r10, r2
         mls r5, r7, r10, r5
         mla r2, r8, lr, r2
         mla r5, r9, lr, r5
         ldrsh r6, [r11, #0]
         ldrsb r8, [r11, #0]
         ldrsh r7, [r11, #4]!
         ldrsb r9, [r11], #4
         ldrb r10, [r12, #2]
         ldrsh lr, [r12, #2]
         mla r0, r6, r10, r0
         mla r3, r7, r10, r3
         mls r0, r8, lr, r0
         mls r3, r9, lr, r3
         ldrb r10, [r12, #6]
         ldrsh lr, [r12, #6]
         mla r1, r6, r10, r1
         mla r4, r7, r10, r4
         mls r1, r8, lr, r1
         mls r4, r9, lr, r4
         ldrb r10, [r12, #10]!
         ldrsh lr, [r12], #2
         mla r2, r6, r10, r2
         mla r5, r7, r10, r5
         mls r2, r8, lr, r2
         mls r5, r9, lr, r5"
    };
}

/// A step of two pixels and two channels: 16 products.
macro_rules! step2 {
    () => {
        "ldrsh r6, [r11, #2]
         ldrsb r8, [r11, #2]
         ldrsh r7, [r11, #6]
         ldrsb r9, [r11, #6]
         ldrb r10, [r12, #0]
         ldrsh lr, [r12, #0]
         mls r0, r6, r10, r0
         mls r2, r7, r10, r2
         mla r0, r8, lr, r0
         mla r2, r9, lr, r2
         ldrb r10, [r12, #4]
         ldrsh lr, [r12, #4]
         mls r1, r6, r10, r1
         mls r3, r7, r10, r3
         mla r1, r8, lr, r1
         mla r3, r9, lr, r3
         ldrsh r6, [r11, #0]
         ldrsb r8, [r11, #0]
         ldrsh r7, [r11, #4]!
         ldrsb r9, [r11], #4
         ldrb r10, [r12, #2]
         ldrsh lr, [r12, #2]
         mla r0, r6, r10, r0
         mla r2, r7, r10, r2
         mls r0, r8, lr, r0
         mls r2, r9, lr, r2
         ldrb r10, [r12, #6]!
         ldrsh lr, [r12], #2
         mla r1, r6, r10, r1
         mla r3, r7, r10, r3
         mls r1, r8, lr, r1
         mls r3, r9, lr, r3"
    };
}

/// A step of one pixel, not expanded, and four channels: 16 products.
macro_rules! step1 {
    () => {
        "ldrb r8, [r12, #0]
         ldrsh r9, [r12, #0]
         eor r8, r8, #0x80
         eor r9, r9, #0x80
         ldrsh r4, [r11, #2]
         ldrsb r5, [r11, #2]
         mls r0, r4, r8, r0
         mla r0, r5, r9, r0
         ldrsh r4, [r11, #6]
         ldrsb r5, [r11, #6]
         mls r1, r4, r8, r1
         mla r1, r5, r9, r1
         ldrsh r4, [r10, #2]
         ldrsb r5, [r10, #2]
         mls r2, r4, r8, r2
         mla r2, r5, r9, r2
         ldrsh r4, [r10, #6]
         ldrsb r5, [r10, #6]
         mls r3, r4, r8, r3
         mla r3, r5, r9, r3
         ldrb r8, [r12, #2]!
         ldrsh r9, [r12], #2
         eor r8, r8, #0x80
         eor r9, r9, #0x80
         ldrsh r4, [r11, #0]
         ldrsb r5, [r11, #0]
         mla r0, r4, r8, r0
         mls r0, r5, r9, r0
         ldrsh r4, [r11, #4]!
         ldrsb r5, [r11], #4
         mla r1, r4, r8, r1
         mls r1, r5, r9, r1
         ldrsh r4, [r10, #0]
         ldrsb r5, [r10, #0]
         mla r2, r4, r8, r2
         mls r2, r5, r9, r2
         ldrsh r4, [r10, #4]!
         ldrsb r5, [r10], #4
         mla r3, r4, r8, r3
         mls r3, r5, r9, r3"
    };
}

/// Counts a round in the word on top of the stack; sets the flags for the loop's end.
macro_rules! count {
    () => {
        "ldr r6, [sp]
         subs r6, #1
         str r6, [sp]"
    };
}

/// A sum to its output: r8 the zero point, r9 one half.
macro_rules! requantize {
    ($sum:literal, $multiplier:literal) => {
        concat!(
            "smull r10, ",
            $sum,
            ", ",
            $sum,
            ", ",
            $multiplier,
            "\n adds r10, r10, r9
             adc ",
            $sum,
            ", ",
            $sum,
            ", r8
             ssat ",
            $sum,
            ", #8, ",
            $sum
        )
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply3(product: *mut Product) {
    naked_asm!(
        // On the stack: rounds to go, product.
        "push {{r0, r4-r11, lr}}",
        "sub sp, #4",
        // The steps of the loop are 176 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #176",
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
        count!(),
        step3!(),
        "bne.w 3b",
        "ldr lr, [sp, #4]",
        "ldr r6, [r11], #4",
        "ldr r7, [r11], #4",
        "ldr r8, [lr, #20]",
        "mov r9, #0x80000000",
        requantize!("r0", "r6"),
        requantize!("r1", "r6"),
        requantize!("r2", "r6"),
        requantize!("r3", "r7"),
        requantize!("r4", "r7"),
        requantize!("r5", "r7"),
        "bfi r0, r3, #8, #8",
        "bfi r1, r4, #8, #8",
        "bfi r2, r5, #8, #8",
        "ldr r9, [lr, #8]",
        "ldr r10, [lr, #16]",
        "ldr r12, [lr, #12]",
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
pub(in crate::kernels) unsafe extern "C" fn multiply2(product: *mut Product) {
    naked_asm!(
        // On the stack: rounds to go, product.
        "push {{r0, r4-r11, lr}}",
        "sub sp, #4",
        // The steps of the loop are 128 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #128",
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
        "ldr r2, [r11], #4",
        "str lr, [sp]",
        "mov r1, r0",
        "mov r3, r2",
        "ldr pc, [r10, #28]",
        ".p2align 2",
        "3:",
        step2!(),
        step2!(),
        step2!(),
        count!(),
        step2!(),
        "bne.w 3b",
        "ldr lr, [sp, #4]",
        "ldr r6, [r11], #4",
        "ldr r7, [r11], #4",
        "ldr r8, [lr, #20]",
        "mov r9, #0x80000000",
        requantize!("r0", "r6"),
        requantize!("r1", "r6"),
        requantize!("r2", "r7"),
        requantize!("r3", "r7"),
        "bfi r0, r2, #8, #8",
        "bfi r1, r3, #8, #8",
        "ldr r9, [lr, #8]",
        "ldr r10, [lr, #16]",
        "ldr r12, [lr, #12]",
        "strh r1, [r9, r10]",
        "strh r0, [r9], #2",
        "str r9, [lr, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "add sp, #4",
        "pop {{r0, r4-r11, pc}}",
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply1(product: *mut Product) {
    naked_asm!(
        "push {{r0, r4-r11, lr}}",
        // The steps of the loop are 160 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #160",
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
        "subs lr, lr, #1",
        "bne.w 3b",
        "ldr lr, [sp]",
        "ldr r4, [r11], #4",
        "ldr r5, [r11], #4",
        "ldr r6, [r10], #4",
        "ldr r7, [r10], #4",
        "mov r11, r10",
        "ldr r8, [lr, #20]",
        "ldr r12, [lr, #8]",
        "mov r9, #0x80000000",
        requantize!("r0", "r4"),
        requantize!("r1", "r5"),
        requantize!("r2", "r6"),
        requantize!("r3", "r7"),
        "mov r10, r11",
        "strb r0, [r12], #1",
        "strb r1, [r12], #1",
        "strb r2, [r12], #1",
        "strb r3, [r12], #1",
        "ldr r0, [lr, #12]",
        "str r12, [lr, #8]",
        "cmp r12, r0",
        "bne.w 2b",
        "pop {{r0, r4-r11, pc}}",
    )
}
