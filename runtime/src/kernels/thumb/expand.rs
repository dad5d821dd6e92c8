//! Activations to the form that they take in a product.

use super::At;
use crate::kernels::Runs;

/// Adds the offset to every other activation in a word, for products of lanes.
#[cfg(residua_dsp)]
macro_rules! offset {
    ($word:literal) => {
        concat!("eor ", $word, ", ", $word, ", #0x00800080")
    };
}

/// Leaves activations as they are.
#[cfg(residua_quads)]
macro_rules! offset {
    ($word:literal) => {
        ""
    };
}

/// Writes the fours of each run, in products of lanes with the offset, to every `stride`-th word of `out`, the first run from
/// the first word on, the second from the second, and so on; nothing where not all of them are there or fit. Any alignment.
#[inline(always)]
pub(crate) fn expand(runs: &Runs<'_>, stride: usize, out: &mut [u32]) {
    let fours = runs.len >> 2;
    let last = fours.saturating_sub(1).wrapping_mul(stride).wrapping_add(runs.count);
    if fours == 0 || runs.count == 0 || !runs.complete() || last > out.len() {
        return;
    }
    let source = runs.elements.as_ptr();
    if runs.count == stride && (2..=3).contains(&stride) {
        let interleave = if stride == 3 { interleave3 } else { interleave2 };
        // SAFETY: `4 fours` bytes of each run are inside the elements, and `stride · fours` words inside `out`.
        return unsafe { interleave(source, runs.pitch, fours, out.as_mut_ptr()) };
    }
    let mut at = At::of(runs);
    // SAFETY: `4 fours` bytes of each run are inside the elements, and word `last - 1` inside `out`; neither number is 0. The
    // cores take unaligned words.
    unsafe { expand_runs(&mut at, fours, out.as_mut_ptr(), stride.wrapping_mul(4)) }
}

/// Reads 4 `fours` bytes of each of three runs, `pitch` bytes apart, writes their words in turn; `fours` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn interleave3(source: *const i8, pitch: usize, fours: usize, out: *mut u32) {
    core::arch::naked_asm!(
        "push {{r4-r9, lr}}",
        "add r12, r0, r1",
        "add lr, r12, r1",
        "lsrs r2, #1",
        "bcc 3f",
        "ldr r4, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r6, [lr], #4",
        offset!("r4"),
        offset!("r5"),
        offset!("r6"),
        "stm r3!, {{r4-r6}}",
        "cmp r2, #0",
        "beq 4f",
        "3:",
        "ldr r4, [r0], #4",
        "ldr r7, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r8, [r12], #4",
        "ldr r6, [lr], #4",
        "ldr r9, [lr], #4",
        offset!("r4"),
        offset!("r5"),
        offset!("r6"),
        offset!("r7"),
        offset!("r8"),
        offset!("r9"),
        "stm r3!, {{r4-r9}}",
        "subs r2, #1",
        "bne 3b",
        "4:",
        "pop {{r4-r9, pc}}",
    )
}

/// Reads 4 `fours` bytes of each of two runs, `pitch` bytes apart, writes their words in turn; `fours` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn interleave2(source: *const i8, pitch: usize, fours: usize, out: *mut u32) {
    core::arch::naked_asm!(
        "push {{r4-r7, lr}}",
        "add r12, r0, r1",
        "lsrs r2, #1",
        "bcc 3f",
        "ldr r4, [r0], #4",
        "ldr r5, [r12], #4",
        offset!("r4"),
        offset!("r5"),
        "stm r3!, {{r4-r5}}",
        "cmp r2, #0",
        "beq 4f",
        "3:",
        "ldr r4, [r0], #4",
        "ldr r6, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r7, [r12], #4",
        offset!("r4"),
        offset!("r5"),
        offset!("r6"),
        offset!("r7"),
        "stm r3!, {{r4-r7}}",
        "subs r2, #1",
        "bne 3b",
        "4:",
        "pop {{r4-r7, pc}}",
    )
}

/// Reads 4 `fours` bytes of each run, writes as many words, `stride` bytes from one to the next; `fours` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn expand_runs(at: *mut At, fours: usize, out: *mut u32, stride: usize) {
    core::arch::naked_asm!(
        "push {{r4-r11, lr}}",
        "add r12, r3, r3, lsl #1",
        "ldr lr, [r0, #8]",
        "2:",
        "ldr r8, [r0]",
        "ldr r9, [r0, #4]",
        "mov r10, r2",
        "add r9, r8",
        "str r9, [r0]",
        "subs r11, r1, #4",
        "blo 4f",
        "3:",
        "ldr r4, [r8], #4",
        "ldr r5, [r8], #4",
        "ldr r6, [r8], #4",
        "ldr r7, [r8], #4",
        offset!("r4"),
        offset!("r5"),
        offset!("r6"),
        offset!("r7"),
        "str r4, [r10]",
        "str r5, [r10, r3]",
        "str r6, [r10, r3, lsl #1]",
        "str r7, [r10, r12]",
        "add r10, r10, r3, lsl #2",
        "subs r11, #4",
        "bhs 3b",
        "4:",
        "adds r11, #4",
        "beq 6f",
        "5:",
        "ldr r4, [r8], #4",
        "subs r11, #1",
        offset!("r4"),
        "str r4, [r10]",
        "add r10, r3",
        "bne 5b",
        "6:",
        "adds r2, #4",
        "subs lr, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
