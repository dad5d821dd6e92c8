//! Matrix products with single multiply-accumulates: each activation and weight is read with its sign by a load of its own. Loads
//! stand together, since the second of two costs a cycle less.

use crate::kernels::assembly::blocks::Product;
use core::arch::naked_asm;

/// A step of three pixels and two channels, 24 products: lr is one before the activations, r12 three before the weights.
macro_rules! step3 {
    () => {
        "ldrsb r6, [lr, #1]
         ldrsb r7, [lr, #5]
         ldrsb r8, [lr, #9]
         ldrsb r9, [r12, #3]
         ldrsb r10, [r12, #4]
         mla r0, r9, r6, r0
         mla r1, r9, r7, r1
         mla r2, r9, r8, r2
         mla r3, r10, r6, r3
         mla r4, r10, r7, r4
         mla r5, r10, r8, r5
         ldrsb r6, [lr, #2]
         ldrsb r7, [lr, #6]
         ldrsb r8, [lr, #10]
         ldrsb r9, [r12, #7]
         ldrsb r10, [r12, #8]
         mla r0, r9, r6, r0
         mla r1, r9, r7, r1
         mla r2, r9, r8, r2
         mla r3, r10, r6, r3
         mla r4, r10, r7, r4
         mla r5, r10, r8, r5
         ldrsb r6, [lr, #3]
         ldrsb r7, [lr, #7]
         ldrsb r8, [lr, #11]
         ldrsb r9, [r12, #11]
         ldrsb r10, [r12, #12]
         mla r0, r9, r6, r0
         mla r1, r9, r7, r1
         mla r2, r9, r8, r2
         mla r3, r10, r6, r3
         mla r4, r10, r7, r4
         mla r5, r10, r8, r5
         ldrsb r8, [lr, #12]!
         ldrsb r6, [lr, #-8]
         ldrsb r7, [lr, #-4]
         ldrsb r9, [r12, #15]
         ldrsb r10, [r12, #16]!
         mla r0, r9, r6, r0
         mla r1, r9, r7, r1
         mla r2, r9, r8, r2
         mla r3, r10, r6, r3
         mla r4, r10, r7, r4
         mla r5, r10, r8, r5"
    };
}

/// A step of two pixels and four channels, 32 products: lr and r12 are one before the activations and weights.
macro_rules! step2 {
    () => {
        "ldrsb r9, [lr, #5]
         ldrsb r8, [lr, #1]
         ldrsb r10, [r12, #1]
         ldrsb r11, [r12, #2]
         mla r0, r10, r8, r0
         mla r4, r10, r9, r4
         mla r1, r11, r8, r1
         mla r5, r11, r9, r5
         ldrsb r10, [r12, #3]
         ldrsb r11, [r12, #4]
         mla r2, r10, r8, r2
         mla r6, r10, r9, r6
         mla r3, r11, r8, r3
         mla r7, r11, r9, r7
         ldrsb r9, [lr, #6]
         ldrsb r8, [lr, #2]
         ldrsb r10, [r12, #5]
         ldrsb r11, [r12, #6]
         mla r0, r10, r8, r0
         mla r4, r10, r9, r4
         mla r1, r11, r8, r1
         mla r5, r11, r9, r5
         ldrsb r10, [r12, #7]
         ldrsb r11, [r12, #8]
         mla r2, r10, r8, r2
         mla r6, r10, r9, r6
         mla r3, r11, r8, r3
         mla r7, r11, r9, r7
         ldrsb r9, [lr, #7]
         ldrsb r8, [lr, #3]
         ldrsb r10, [r12, #9]
         ldrsb r11, [r12, #10]
         mla r0, r10, r8, r0
         mla r4, r10, r9, r4
         mla r1, r11, r8, r1
         mla r5, r11, r9, r5
         ldrsb r10, [r12, #11]
         ldrsb r11, [r12, #12]
         mla r2, r10, r8, r2
         mla r6, r10, r9, r6
         mla r3, r11, r8, r3
         mla r7, r11, r9, r7
         ldrsb r9, [lr, #8]!
         ldrsb r8, [lr, #-4]
         ldrsb r10, [r12, #13]
         ldrsb r11, [r12, #14]
         mla r0, r10, r8, r0
         mla r4, r10, r9, r4
         mla r1, r11, r8, r1
         mla r5, r11, r9, r5
         ldrsb r10, [r12, #15]
         ldrsb r11, [r12, #16]!
         mla r2, r10, r8, r2
         mla r6, r10, r9, r6
         mla r3, r11, r8, r3
         mla r7, r11, r9, r7"
    };
}

/// A step of one pixel and four channels, 16 products: lr and r12 are one before the activations and weights.
macro_rules! step1 {
    () => {
        "ldrsb r4, [lr, #1]
         ldrsb r5, [r12, #1]
         ldrsb r6, [r12, #2]
         ldrsb r7, [r12, #3]
         ldrsb r8, [r12, #4]
         mla r0, r5, r4, r0
         mla r1, r6, r4, r1
         mla r2, r7, r4, r2
         mla r3, r8, r4, r3
         ldrsb r4, [lr, #2]
         ldrsb r5, [r12, #5]
         ldrsb r6, [r12, #6]
         ldrsb r7, [r12, #7]
         ldrsb r8, [r12, #8]
         mla r0, r5, r4, r0
         mla r1, r6, r4, r1
         mla r2, r7, r4, r2
         mla r3, r8, r4, r3
         ldrsb r4, [lr, #3]
         ldrsb r5, [r12, #9]
         ldrsb r6, [r12, #10]
         ldrsb r7, [r12, #11]
         ldrsb r8, [r12, #12]
         mla r0, r5, r4, r0
         mla r1, r6, r4, r1
         mla r2, r7, r4, r2
         mla r3, r8, r4, r3
         ldrsb r4, [lr, #4]!
         ldrsb r5, [r12, #13]
         ldrsb r6, [r12, #14]
         ldrsb r7, [r12, #15]
         ldrsb r8, [r12, #16]!
         mla r0, r5, r4, r0
         mla r1, r6, r4, r1
         mla r2, r7, r4, r2
         mla r3, r8, r4, r3"
    };
}

/// Begins a function. On the stack: 0 rounds to go, 4 where the loop is entered, which leaves as many steps as are over, 8 rounds,
/// 12 the product. The steps of the loop are `$step` bytes each; r12: words of the first block.
macro_rules! begin {
    ($step:literal) => {
        concat!(
            "push {{r0, r4-r11, lr}}
             sub sp, #12
             ldr r1, [r0, #28]
             lsrs r1, r1, #4
             adds r2, r1, #3
             lsrs r2, r2, #2
             str r2, [sp, #8]
             rsb r1, r1, r2, lsl #2
             movs r2, #",
            $step,
            "
             adr.w r3, 3f
             mla r1, r1, r2, r3
             orr r1, r1, #1
             str r1, [sp, #4]
             ldr r12, [r0]"
        )
    };
}

/// Begins a block: biases to r0 to r3.
macro_rules! block {
    () => {
        "2:
         ldr r10, [sp, #12]
         ldr r9, [sp, #8]
         ldr lr, [r10, #4]
         ldm r12!, {{r0-r3}}
         sub lr, #1
         sub r12, #1"
    };
}

/// Before outputs: r8: zero point, r9: one half.
macro_rules! outputs {
    () => {
        "ldr r10, [sp, #12]
         mov r9, #0x80000000
         ldr r8, [r10, #20]
         asr r8, r8, #1"
    };
}

/// A sum to its output; r8: zero point, r9: one half.
macro_rules! requantize {
    ($sum:literal, $multiplier:literal) => {
        concat!(
            "lsl ",
            $sum,
            ", ",
            $sum,
            ", #8\n smull r10, ",
            $sum,
            ", ",
            $sum,
            ", ",
            $multiplier,
            "\n adds r10, r10, r9\n adc ",
            $sum,
            ", ",
            $sum,
            ", r8\n ssat ",
            $sum,
            ", #8, ",
            $sum
        )
    };
}

/// Ends a block, and with the last one the function: r8: output of the next channel, r10: the product.
macro_rules! end {
    () => {
        "ldr r11, [r10, #12]
         add r12, #17
         str r8, [r10, #8]
         cmp r8, r11
         bne.w 2b
         add sp, #12
         pop {{r0, r4-r11, pc}}"
    };
}

/// Takes a block in halves of two channels. On the stack, at 0: the first channel of the half.
#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply3(product: *mut Product) {
    naked_asm!(
        begin!("176"),
        "movs r9, #0",
        "str r9, [sp]",
        "2:",
        "ldr r10, [sp, #12]",
        "ldr r9, [sp]",
        "ldr r12, [r10]",
        "ldr lr, [r10, #4]",
        "ldr r11, [sp, #8]",
        "add r8, r12, r9, lsl #2",
        "ldrd r0, r3, [r8]",
        "add r12, r9",
        "add r12, #13",
        "sub lr, #1",
        "mov r1, r0",
        "mov r2, r0",
        "mov r4, r3",
        "mov r5, r3",
        "ldr pc, [sp, #4]",
        ".p2align 2",
        "3:",
        step3!(),
        step3!(),
        step3!(),
        "subs r11, #1",
        step3!(),
        "bne.w 3b",
        // The half's multipliers are 3 + 3 · its first channel behind.
        "ldr r9, [sp]",
        "add r11, r12, r9",
        "add r11, r11, r9, lsl #1",
        "ldr r6, [r11, #3]",
        "ldr r7, [r11, #7]",
        outputs!(),
        requantize!("r0", "r6"),
        requantize!("r1", "r6"),
        requantize!("r2", "r6"),
        requantize!("r3", "r7"),
        requantize!("r4", "r7"),
        requantize!("r5", "r7"),
        "ldr r10, [sp, #12]",
        "ldr r7, [sp]",
        "ldr r8, [r10, #8]",
        "ldr r9, [r10, #16]",
        "bfi r0, r3, #8, #8",
        "bfi r1, r4, #8, #8",
        "bfi r2, r5, #8, #8",
        "strh r1, [r8, r9]",
        "strh r2, [r8, r9, lsl #1]",
        "strh r0, [r8], #2",
        "eors r7, r7, #2",
        "str r7, [sp]",
        "itt eq",
        "addeq r12, #17",
        "streq r12, [r10]",
        "ldr r11, [r10, #12]",
        "str r8, [r10, #8]",
        "cmp r8, r11",
        "bne.w 2b",
        "add sp, #12",
        "pop {{r0, r4-r11, pc}}",
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply2(product: *mut Product) {
    naked_asm!(
        begin!("224"),
        block!(),
        "str r9, [sp]",
        "mov r4, r0",
        "mov r5, r1",
        "mov r6, r2",
        "mov r7, r3",
        "ldr pc, [sp, #4]",
        ".p2align 2",
        "3:",
        step2!(),
        step2!(),
        step2!(),
        "ldr r8, [sp]",
        "subs r8, #1",
        "str r8, [sp]",
        step2!(),
        "bne.w 3b",
        outputs!(),
        "ldr r11, [r12, #1]",
        requantize!("r0", "r11"),
        requantize!("r4", "r11"),
        "ldr r11, [r12, #5]",
        requantize!("r1", "r11"),
        requantize!("r5", "r11"),
        "ldr r11, [r12, #9]",
        requantize!("r2", "r11"),
        requantize!("r6", "r11"),
        "ldr r11, [r12, #13]",
        requantize!("r3", "r11"),
        requantize!("r7", "r11"),
        "ldr r10, [sp, #12]",
        "ldr r8, [r10, #8]",
        "ldr r9, [r10, #16]",
        "add r9, r8",
        "strb r0, [r8], #1",
        "strb r1, [r8], #1",
        "strb r2, [r8], #1",
        "strb r3, [r8], #1",
        "strb r4, [r9], #1",
        "strb r5, [r9], #1",
        "strb r6, [r9], #1",
        "strb r7, [r9]",
        end!(),
    )
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply1(product: *mut Product) {
    naked_asm!(
        begin!("144"),
        block!(),
        "ldr pc, [sp, #4]",
        ".p2align 2",
        "3:",
        step1!(),
        step1!(),
        step1!(),
        "subs r9, #1",
        step1!(),
        "bne.w 3b",
        outputs!(),
        "ldr r4, [r12, #1]",
        "ldr r5, [r12, #5]",
        "ldr r6, [r12, #9]",
        "ldr r7, [r12, #13]",
        requantize!("r0", "r4"),
        requantize!("r1", "r5"),
        requantize!("r2", "r6"),
        requantize!("r3", "r7"),
        "ldr r10, [sp, #12]",
        "ldr r8, [r10, #8]",
        "strb r0, [r8], #1",
        "strb r1, [r8], #1",
        "strb r2, [r8], #1",
        "strb r3, [r8], #1",
        end!(),
    )
}
