//! Copies of runs, and of the rows of windows.

use crate::kernels::thumb::{At, WindowRows};

/// Copies `len` bytes of each run, `stride` bytes from one to the next; `len` at least 1.
#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn copy_runs(at: *mut At, len: usize, out: *mut i8, stride: usize) {
    mve_asm!(
        "push {{r4-r7, lr}}",
        "ldrd r4, r5, [r0]",
        "ldr r6, [r0, #8]",
        "2:",
        "mov r0, r4",
        "mov r7, r2",
        "dlstp.8 lr, r1",
        "3:",
        "vldrb.u8 q0, [r0], #16",
        "vstrb.8 q0, [r7], #16",
        "letp lr, 3b",
        "add r4, r5",
        "add r2, r3",
        "subs r6, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// Copies `len` bytes from byte `start` on of each row that is not null to `window`, a stride apart; neither number is 0.
#[unsafe(naked)]
pub(in crate::kernels) unsafe extern "C" fn copy_rows(
    rows: *const WindowRows<'_>,
    start: usize,
    len: usize,
    window: *mut i8,
) {
    mve_asm!(
        "push {{r4-r7, lr}}",
        "ldrd r4, r5, [r0], #8",
        "cmp r2, #16",
        "bhi 2f",
        "vctp.8 r2",
        "dls lr, r5",
        "5:",
        "ldr r6, [r0], #4",
        "cbz r6, 6f",
        "add r6, r1",
        "vpstt",
        "vldrbt.u8 q0, [r6]",
        "vstrbt.8 q0, [r3]",
        "6:",
        "add r3, r4",
        "le lr, 5b",
        "pop {{r4-r7, pc}}",
        "2:",
        "ldr r6, [r0], #4",
        "cbz r6, 4f",
        "add r6, r1",
        "mov r7, r3",
        "dlstp.8 lr, r2",
        "3:",
        "vldrb.u8 q0, [r6], #16",
        "vstrb.8 q0, [r7], #16",
        "letp lr, 3b",
        "4:",
        "add r3, r4",
        "subs r5, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}
