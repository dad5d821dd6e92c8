//! Matrix products with SMLSDX, see [`crate::kernels`].

use crate::kernels::assembly::product::Product;

/// Output channels of a block of more than one pixel.
pub(in crate::kernels) const CHANNELS: usize = 2;
/// Steps in the unrolled loop.
pub(in crate::kernels) const UNROLLED: usize = 8;

/// A step of three pixels and two channels, 24 products: words of weights to r6 and r7, of pixels to r8 to r10.
macro_rules! step3 {
    () => {
        "ldr r6, [r11], #4
         ldr r7, [r11], #4
         ldr r8, [r12], #4
         ldr r9, [r12], #4
         ldr r10, [r12], #4
         uxtb16 lr, r8
         smlsdx r0, r6, lr, r0
         smlsdx r3, r7, lr, r3
         uxtb16 lr, r9
         smlsdx r1, r6, lr, r1
         smlsdx r4, r7, lr, r4
         uxtb16 lr, r10
         smlsdx r2, r6, lr, r2
         smlsdx r5, r7, lr, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r8, r6, r0
         smlsdx r1, r9, r6, r1
         smlsdx r2, r10, r6, r2
         smlsdx r3, r8, r7, r3
         smlsdx r4, r9, r7, r4
         smlsdx r5, r10, r7, r5"
    };
}

/// The last step of the loop, which counts rounds in the word on top of the stack; sets the flags for its end.
macro_rules! last_step3 {
    () => {
        "ldr lr, [sp]
         ldr r6, [r11], #4
         ldr r7, [r11], #4
         ldr r8, [r12], #4
         ldr r9, [r12], #4
         ldr r10, [r12], #4
         subs lr, #1
         str lr, [sp]
         uxtb16 lr, r8
         smlsdx r0, r6, lr, r0
         smlsdx r3, r7, lr, r3
         uxtb16 lr, r9
         smlsdx r1, r6, lr, r1
         smlsdx r4, r7, lr, r4
         uxtb16 lr, r10
         smlsdx r2, r6, lr, r2
         smlsdx r5, r7, lr, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r8, r6, r0
         smlsdx r1, r9, r6, r1
         smlsdx r2, r10, r6, r2
         smlsdx r3, r8, r7, r3
         smlsdx r4, r9, r7, r4
         smlsdx r5, r10, r7, r5"
    };
}

/// A step of two pixels and two channels, 16 products.
macro_rules! step2 {
    () => {
        "ldr r4, [r11], #4
         ldr r5, [r11], #4
         ldr r6, [r12], #4
         ldr r7, [r12], #4
         uxtb16 r8, r6
         uxtb16 r9, r7
         smlsdx r0, r4, r8, r0
         smlsdx r1, r4, r9, r1
         smlsdx r2, r5, r8, r2
         smlsdx r3, r5, r9, r3
         sxtb16 r4, r4
         sxtb16 r5, r5
         smlsdx r0, r6, r4, r0
         smlsdx r1, r7, r4, r1
         smlsdx r2, r6, r5, r2
         smlsdx r3, r7, r5, r3"
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply3(product: *mut Product) {
    dsp_asm!(
        // On the stack: rounds to go, product.
        "push {{r0, r4-r11, lr}}",
        "sub sp, #4",
        // The steps of the loop are 88 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #88",
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
        step3!(),
        step3!(),
        step3!(),
        step3!(),
        last_step3!(),
        "bne.w 3b",
        "ldr lr, [sp, #4]",
        "ldr r6, [r11], #4",
        "ldr r7, [r11], #4",
        "ldr r8, [lr, #20]",
        "ldr r9, [lr, #8]",
        "ldr r10, [lr, #16]",
        "ldr r12, [lr, #12]",
        "smmlar r0, r0, r6, r8",
        "smmlar r1, r1, r6, r8",
        "smmlar r2, r2, r6, r8",
        "smmlar r3, r3, r7, r8",
        "smmlar r4, r4, r7, r8",
        "smmlar r5, r5, r7, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "bfi r0, r3, #8, #8",
        "bfi r1, r4, #8, #8",
        "bfi r2, r5, #8, #8",
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
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        // The steps of the loop are 64 bytes each.
        "ldr r1, [r0, #28]",
        "adr.w r3, 3f",
        "add r1, r3, r1, lsl #6",
        "orr r1, r1, #1",
        "str r1, [r0, #28]",
        "ldr r11, [r0]",
        "2:",
        "ldr r10, [sp]",
        "ldr r12, [r10, #4]",
        "ldr lr, [r10, #24]",
        "ldr r0, [r11], #4",
        "ldr r2, [r11], #4",
        "mov r1, r0",
        "mov r3, r2",
        "ldr pc, [r10, #28]",
        ".p2align 2",
        "3:",
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        "subs lr, lr, #1",
        "bne.w 3b",
        "ldr r4, [r11], #4",
        "ldr r5, [r11], #4",
        "ldr r8, [r10, #20]",
        "ldr r9, [r10, #8]",
        "ldr r6, [r10, #16]",
        "ldr r12, [r10, #12]",
        "smmlar r0, r0, r4, r8",
        "smmlar r1, r1, r4, r8",
        "smmlar r2, r2, r5, r8",
        "smmlar r3, r3, r5, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "bfi r0, r2, #8, #8",
        "bfi r1, r3, #8, #8",
        "strh r1, [r9, r6]",
        "strh r0, [r9], #2",
        "str r9, [r10, #8]",
        "cmp r9, r12",
        "bne.w 2b",
        "pop {{r0, r4-r11, pc}}",
    )
}

/// A step of one pixel and four channels: 16 products.
macro_rules! step1 {
    () => {
        "ldr r9, [r12], #4
         ldr r4, [r11], #4
         ldr r5, [r11], #4
         ldr r6, [r10], #4
         ldr r7, [r10], #4
         eor r9, r9, #0x00800080
         uxtb16 r8, r9
         smlsdx r0, r4, r8, r0
         smlsdx r1, r5, r8, r1
         smlsdx r2, r6, r8, r2
         smlsdx r3, r7, r8, r3
         sxtb16 r4, r4
         sxtb16 r5, r5
         sxtb16 r6, r6
         sxtb16 r7, r7
         smlsdx r0, r9, r4, r0
         smlsdx r1, r9, r5, r1
         smlsdx r2, r9, r6, r2
         smlsdx r3, r9, r7, r3"
    };
}

#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn multiply1(product: *mut Product) {
    dsp_asm!(
        "push {{r0, r4-r11, lr}}",
        // The steps of the loop are 76 bytes each.
        "ldr r1, [r0, #28]",
        "movs r2, #76",
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
        "ldr r8, [lr, #20]",
        "ldr r9, [lr, #8]",
        "smmlar r0, r0, r4, r8",
        "smmlar r1, r1, r5, r8",
        "smmlar r2, r2, r6, r8",
        "smmlar r3, r3, r7, r8",
        "ssat r0, #8, r0",
        "ssat r1, #8, r1",
        "ssat r2, #8, r2",
        "ssat r3, #8, r3",
        "strb r0, [r9], #1",
        "strb r1, [r9], #1",
        "strb r2, [r9], #1",
        "strb r3, [r9], #1",
        "ldr r0, [lr, #12]",
        "str r9, [lr, #8]",
        "cmp r9, r0",
        "bne.w 2b",
        "pop {{r0, r4-r11, pc}}",
    )
}
