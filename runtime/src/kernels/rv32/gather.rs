//! Copies of runs.

use crate::kernels::{Runs, portable};

/// Copies each run to `out`, the next one `stride` elements behind the last.
#[inline]
pub(crate) fn gather(runs: &Runs<'_>, stride: usize, out: &mut [i8]) {
    let last = runs.count.saturating_sub(1).wrapping_mul(stride).wrapping_add(runs.len);
    if runs.len == 0 || runs.count == 0 || !runs.complete() || last > out.len() {
        return portable::gather(runs, stride, out);
    }
    // SAFETY: all runs are inside the elements and, `stride` bytes apart, inside `out`; neither number is 0.
    unsafe { copy_runs(runs.elements.as_ptr(), runs.pitch, runs.count, runs.len, out.as_mut_ptr(), stride) }
}

/// Copies a row to one of the same length.
#[inline]
pub(crate) fn copy(from: &[i8], to: &mut [i8]) {
    if from.len() == to.len() {
        gather(&Runs { elements: from, len: from.len(), pitch: 0, count: 1 }, 0, to);
    }
}

/// Copies `len` bytes of each of `count` runs, from `pitch` to `stride` bytes apart; `len` and `count` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn copy_runs(source: *const i8, pitch: usize, count: usize, len: usize, out: *mut i8, stride: usize) {
    rv32_asm!(
        "2:",
        "mv t0, a0",
        "mv t1, a4",
        "add t2, a0, a3",
        "addi t3, t2, -4",
        "or t4, a0, a4",
        "bltu t3, a0, 7f",
        "andi t4, t4, 3",
        "bnez t4, 5f",
        "addi t5, t2, -16",
        "bltu t5, t0, 3f",
        "4:",
        "lw t4, 0(t0)",
        "lw t6, 4(t0)",
        "lw a6, 8(t0)",
        "lw a7, 12(t0)",
        "addi t0, t0, 16",
        "sw t4, 0(t1)",
        "sw t6, 4(t1)",
        "sw a6, 8(t1)",
        "sw a7, 12(t1)",
        "addi t1, t1, 16",
        "bgeu t5, t0, 4b",
        "bltu t3, t0, 6f",
        "3:",
        "lw t4, 0(t0)",
        "addi t0, t0, 4",
        "sw t4, 0(t1)",
        "addi t1, t1, 4",
        "bgeu t3, t0, 3b",
        "j 6f",
        "5:",
        "lb t4, 0(t0)",
        "lb t5, 1(t0)",
        "lb t6, 2(t0)",
        "lb a6, 3(t0)",
        "addi t0, t0, 4",
        "sb t4, 0(t1)",
        "sb t5, 1(t1)",
        "sb t6, 2(t1)",
        "sb a6, 3(t1)",
        "addi t1, t1, 4",
        "bgeu t3, t0, 5b",
        "6:",
        "beq t0, t2, 8f",
        "7:",
        "lb t4, 0(t0)",
        "addi t0, t0, 1",
        "sb t4, 0(t1)",
        "addi t1, t1, 1",
        "bne t0, t2, 7b",
        "8:",
        "add a0, a0, a1",
        "add a4, a4, a5",
        "addi a2, a2, -1",
        "bnez a2, 2b",
        "ret",
    )
}
