//! Copies of runs, and of the rows of windows.

use crate::kernels::thumb::At;
use core::marker::PhantomData;

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

/// The rows under the windows of an output row. What the assembly reads comes first; offsets in bytes stand in the code.
#[repr(C)]
pub(crate) struct WindowRows<'a> {
    /// 0: elements of a window from a kernel row to the next.
    stride: usize,
    /// 4: kernel rows.
    count: usize,
    /// 8: where the row under each kernel row begins; null in the padding.
    rows: [*const i8; WindowRows::MAX],
    /// Elements of each row.
    row_len: usize,
    of: PhantomData<&'a [i8]>,
}

impl<'a> WindowRows<'a> {
    /// Most kernel rows.
    pub const MAX: usize = 16;

    /// Rows of at least `row_len` elements, those of a window `stride` elements apart; `None` where they are more than
    /// [`WindowRows::MAX`], or one is shorter.
    pub fn new(rows: impl ExactSizeIterator<Item = Option<&'a [i8]>>, row_len: usize, stride: usize) -> Option<Self> {
        let count = rows.len();
        let mut out = Self { stride, count, rows: [core::ptr::null(); Self::MAX], row_len, of: PhantomData };
        let slots = out.rows.get_mut(..count)?;
        for (slot, row) in slots.iter_mut().zip(rows) {
            if let Some(row) = row {
                *slot = row.get(..row_len)?.as_ptr();
            }
        }
        Some(out)
    }

    /// Whether there is none under some kernel row.
    pub fn padded(&self) -> bool {
        self.rows.iter().take(self.count).any(|row| row.is_null())
    }

    /// Copies `len` elements from element `start` on of each row, but for those in the padding, to their place in a window
    /// that begins before `window`; nothing where they are not there.
    #[inline]
    pub fn copy(&self, start: usize, len: usize, window: &mut [i8]) {
        let last = self.count.saturating_sub(1).wrapping_mul(self.stride);
        let inside = start.checked_add(len).is_some_and(|end| end <= self.row_len);
        if len > 0 && self.count > 0 && inside && last.wrapping_add(len) <= window.len() {
            // SAFETY: rows that are not null have `row_len` elements; the last run ends inside the window; neither number is 0.
            unsafe { copy_rows(self, start, len, window.as_mut_ptr()) }
        }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn copy_rows(rows: *const WindowRows<'_>, start: usize, len: usize, window: *mut i8) {
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
