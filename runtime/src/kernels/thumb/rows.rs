//! The rows under the windows of an output row.

#[cfg(not(residua_mve))]
use super::expand::interleave;
#[cfg(residua_mve)]
use crate::kernels::mve::copy_rows;
use core::marker::PhantomData;

/// Rows under the windows of an output row. What the assembly reads comes first; offsets in bytes stand in the code.
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
    pub const MAX: usize = 12;

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

    /// Writes the fours of the windows of `count` pixels, 2 or 3 and `pitch` elements apart, the first from element `start`
    /// on, in turn; a window has a stride of elements of each row, in fours. `false`, and nothing is written, where a row
    /// is in the padding or something is not there.
    #[cfg(not(residua_mve))]
    #[inline]
    pub fn expand(&self, start: usize, pitch: usize, count: usize, out: &mut [u32]) -> bool {
        let fours = self.stride >> 2;
        let words = fours.wrapping_mul(count);
        let last = start.wrapping_add(count.wrapping_sub(1).wrapping_mul(pitch));
        let inside = last >= start && last.checked_add(self.stride).is_some_and(|end| end <= self.row_len);
        let fits = matches!(count, 2 | 3) && words.wrapping_mul(self.count) <= out.len();
        if fours == 0 || !inside || !fits || self.padded() {
            return false;
        }
        let mut out = out.as_mut_ptr();
        for row in self.rows.iter().take(self.count) {
            let source = row.wrapping_add(start);
            // SAFETY: no row is null, and all have `row_len` elements, where the last run ends at the latest; `out` has `words`
            // words for each row.
            unsafe { interleave(count, source, pitch, fours, out) };
            out = out.wrapping_add(words);
        }
        true
    }
}

/// Copies `len` bytes from byte `start` on of each row that is not null to `window`, a stride apart; neither number is 0.
#[cfg(not(residua_mve))]
#[unsafe(naked)]
unsafe extern "C" fn copy_rows(rows: *const WindowRows<'_>, start: usize, len: usize, window: *mut i8) {
    core::arch::naked_asm!(
        "push {{r4-r8, lr}}",
        "ldm r0!, {{r4, r5}}",
        "subs r2, #4",
        "blo 6f",
        // Words from the end on; the first overlaps the second.
        "2:",
        "ldr r6, [r0], #4",
        "cbz r6, 5f",
        "add r6, r1",
        "movs r7, r2",
        "beq 4f",
        "3:",
        "ldr r8, [r6, r7]",
        "str r8, [r3, r7]",
        "subs r7, #4",
        "bgt 3b",
        "4:",
        "ldr r8, [r6]",
        "str r8, [r3]",
        "5:",
        "add r3, r4",
        "subs r5, #1",
        "bne 2b",
        "pop {{r4-r8, pc}}",
        "6:",
        "adds r2, #4",
        "7:",
        "ldr r6, [r0], #4",
        "cbz r6, 9f",
        "add r6, r1",
        "mov r7, r2",
        "8:",
        "subs r7, #1",
        "ldrb r8, [r6, r7]",
        "strb r8, [r3, r7]",
        "bne 8b",
        "9:",
        "add r3, r4",
        "subs r5, #1",
        "bne 7b",
        "pop {{r4-r8, pc}}",
    )
}
