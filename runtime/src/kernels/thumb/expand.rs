//! Activations to the form that they take in a product.

use crate::kernels::Runs;

/// A single row as [`super::WindowRows`] holds many, which is what the assembly reads.
#[repr(C)]
struct Row {
    stride: usize,
    count: usize,
    row: *const i8,
}

/// Writes the fours of each run, with the offset, to every `stride`-th word of `out`, the first run from the first word on,
/// the second from the second, and so on; nothing where they do not fit. Any alignment.
#[inline(never)]
pub(crate) fn expand(runs: &Runs<'_>, stride: usize, out: &mut [u32]) {
    let fours = runs.len >> 2;
    let last = fours.saturating_sub(1).wrapping_mul(stride).wrapping_add(runs.count);
    if fours == 0 || runs.count == 0 || !runs.complete() || last > out.len() {
        return;
    }
    let row = Row { stride: runs.len, count: 1, row: runs.elements.as_ptr() };
    let rows = core::ptr::from_ref(&row).cast();
    let out = out.as_mut_ptr();
    if runs.count == stride && matches!(stride, 2 | 3) {
        // SAFETY: `fours` fours of each run are inside the elements, and `stride · fours` words inside `out`.
        return unsafe { interleave(stride)(rows, 0, runs.pitch, out) };
    }
    for index in 0..runs.count {
        // SAFETY: `fours` fours of each run are inside the elements, and word `last - 1` inside `out`; neither number is 0.
        unsafe { spread(rows, index.wrapping_mul(runs.pitch), fours, out.wrapping_add(index), stride) }
    }
}

/// Reads the fours of a stride at byte `start` of each row and of the runs a `pitch` and twice a `pitch` behind, writes their
/// words in turn.
type Interleave = unsafe extern "C" fn(rows: *const usize, start: usize, pitch: usize, out: *mut u32);

/// For `count` runs a row, 2 or 3. At least one row, none of them null, and at least one four.
#[inline(always)]
pub(super) fn interleave(count: usize) -> Interleave {
    if count == 3 { interleave3 } else { interleave2 }
}

#[unsafe(naked)]
unsafe extern "C" fn interleave3(rows: *const usize, start: usize, pitch: usize, out: *mut u32) {
    core::arch::naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r0!, {{r4, r5}}",
        "lsrs r4, #2",
        "mov r11, r0",
        "mov r10, r2",
        // On the stack: fours, rows to go.
        "push {{r4, r5}}",
        "2:",
        "ldr r0, [r11], #4",
        "ldr r2, [sp]",
        "add r0, r1",
        "add r12, r0, r10",
        "add lr, r12, r10",
        "lsrs r2, #1",
        "bcc 3f",
        "ldr r4, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r6, [lr], #4",
        "eor r4, r4, #0x00800080",
        "eor r5, r5, #0x00800080",
        "eor r6, r6, #0x00800080",
        "stm r3!, {{r4-r6}}",
        "cbz r2, 4f",
        "3:",
        "ldr r4, [r0], #4",
        "ldr r7, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r8, [r12], #4",
        "ldr r6, [lr], #4",
        "ldr r9, [lr], #4",
        "eor r4, r4, #0x00800080",
        "eor r5, r5, #0x00800080",
        "eor r6, r6, #0x00800080",
        "eor r7, r7, #0x00800080",
        "eor r8, r8, #0x00800080",
        "eor r9, r9, #0x00800080",
        "stm r3!, {{r4-r9}}",
        "subs r2, #1",
        "bne 3b",
        "4:",
        "ldr r2, [sp, #4]",
        "subs r2, #1",
        "str r2, [sp, #4]",
        "bne 2b",
        "add sp, #8",
        "pop {{r4-r11, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn interleave2(rows: *const usize, start: usize, pitch: usize, out: *mut u32) {
    core::arch::naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r0!, {{r8, r10}}",
        "lsr r8, r8, #2",
        "mov r11, r0",
        "mov lr, r2",
        "2:",
        "ldr r0, [r11], #4",
        "mov r2, r8",
        "add r0, r1",
        "add r12, r0, lr",
        "lsrs r2, #1",
        "bcc 3f",
        "ldr r4, [r0], #4",
        "ldr r5, [r12], #4",
        "eor r4, r4, #0x00800080",
        "eor r5, r5, #0x00800080",
        "stm r3!, {{r4-r5}}",
        "cbz r2, 4f",
        "3:",
        "ldr r4, [r0], #4",
        "ldr r6, [r0], #4",
        "ldr r5, [r12], #4",
        "ldr r7, [r12], #4",
        "eor r4, r4, #0x00800080",
        "eor r5, r5, #0x00800080",
        "eor r6, r6, #0x00800080",
        "eor r7, r7, #0x00800080",
        "stm r3!, {{r4-r7}}",
        "subs r2, #1",
        "bne 3b",
        "4:",
        "subs r10, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Reads `fours` fours at byte `start` of each row that is not null, writes them to every `step`-th word; those of a row begin
/// `step` strides in bytes behind those of the row before. At least one row and one four.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn spread(rows: *const usize, start: usize, fours: usize, out: *mut u32, step: usize) {
    core::arch::naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r10, [sp, #36]",
        "ldm r0!, {{r4, r5}}",
        "mul lr, r4, r10",
        "lsl r10, r10, #2",
        "add r12, r10, r10, lsl #1",
        // On the stack: rows to go.
        "push {{r5}}",
        "2:",
        "ldr r8, [r0], #4",
        "mov r9, r3",
        "cmp r8, #0",
        "beq 6f",
        "add r8, r1",
        "subs r11, r2, #4",
        "blo 4f",
        "3:",
        "ldr r4, [r8], #4",
        "ldr r5, [r8], #4",
        "ldr r6, [r8], #4",
        "ldr r7, [r8], #4",
        "eor r4, r4, #0x00800080",
        "eor r5, r5, #0x00800080",
        "eor r6, r6, #0x00800080",
        "eor r7, r7, #0x00800080",
        "str r4, [r9]",
        "str r5, [r9, r10]",
        "str r6, [r9, r10, lsl #1]",
        "str r7, [r9, r12]",
        "add r9, r9, r10, lsl #2",
        "subs r11, #4",
        "bhs 3b",
        "4:",
        "adds r11, #4",
        "beq 6f",
        "5:",
        "ldr r4, [r8], #4",
        "subs r11, #1",
        "eor r4, r4, #0x00800080",
        "str r4, [r9]",
        "add r9, r10",
        "bne 5b",
        "6:",
        "add r3, lr",
        "ldr r4, [sp]",
        "subs r4, #1",
        "str r4, [sp]",
        "bne 2b",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
    )
}
