//! Copies of runs.

use super::At;
use crate::kernels::Runs;
#[cfg(residua_mve)]
use crate::kernels::mve::copy_runs;

/// Copies each run to `out`, the next one `stride` elements behind the last; nothing where not all of them are there or fit.
#[inline]
pub(crate) fn gather(runs: &Runs<'_>, stride: usize, out: &mut [i8]) {
    let last = runs.count.saturating_sub(1).wrapping_mul(stride).wrapping_add(runs.len);
    if runs.len == 0 || runs.count == 0 || !runs.complete() || last > out.len() {
        return;
    }
    let mut at = At::of(runs);
    // SAFETY: all runs are inside the elements and, `stride` bytes apart, inside `out`; neither number is 0.
    unsafe { copy_runs(&mut at, runs.len, out.as_mut_ptr(), stride) }
}

/// Copies `len` bytes of each run, `stride` bytes from one to the next; `len` at least 1.
#[cfg(not(residua_mve))]
#[unsafe(naked)]
unsafe extern "C" fn copy_runs(at: *mut At, len: usize, out: *mut i8, stride: usize) {
    core::arch::naked_asm!(
        "push {{r4-r9, lr}}",
        "ldr lr, [r0, #8]",
        "ldr r8, [r0]",
        "ldr r9, [r0, #4]",
        "2:",
        "movs r4, #0",
        "subs r5, r1, #4",
        "blo 4f",
        "3:",
        "ldr r6, [r8, r4]",
        "str r6, [r2, r4]",
        "adds r4, #4",
        "cmp r4, r5",
        "bls 3b",
        "4:",
        "cmp r4, r1",
        "beq 6f",
        "5:",
        "ldrb r6, [r8, r4]",
        "strb r6, [r2, r4]",
        "adds r4, #1",
        "cmp r4, r1",
        "bne 5b",
        "6:",
        "add r8, r9",
        "add r2, r3",
        "subs lr, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}
