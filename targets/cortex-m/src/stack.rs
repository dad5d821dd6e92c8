//! How deep the stack gets: the free stack is painted before a call and looked through behind it.

use crate::pool::STACK_RESERVE;
use core::arch::asm;

const PAINT: u32 = 0xa5a5_a5a5;

/// Bytes of the reserve that are painted; the rest is room for the callers of [`depth`].
const PAINTED: usize = STACK_RESERVE - 8 * 1024;

/// Calls `work`; the depth in bytes that the stack reached below the caller, that of `work`'s own frame included.
#[inline(never)]
pub fn depth(work: impl FnOnce()) -> u32 {
    let top = paint();
    work();
    let low = top.wrapping_sub(PAINTED);
    let untouched = (low..top)
        .step_by(4)
        // SAFETY: the addresses are those that `paint` wrote: aligned, in the stack's reserve.
        .take_while(|&address| unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() } == PAINT)
        .count();
    (PAINTED.wrapping_sub(untouched.wrapping_mul(4))) as u32
}

/// Fills the `PAINTED` bytes below the stack pointer; returns the stack pointer.
#[inline(always)]
fn paint() -> usize {
    let top: usize;
    // SAFETY: writes only below the stack pointer, where nothing lives (the procedure call standard has no red zone, and
    // no interrupt is enabled), and above the pool, since the callers take less than the 8 KiB left of the reserve.
    unsafe {
        asm!(
            "mov {top}, sp",
            "sub {low}, {top}, {low}",
            "2:",
            "str {paint}, [{low}]",
            "adds {low}, #4",
            "cmp {low}, {top}",
            "bne 2b",
            top = out(reg) top,
            low = inout(reg) PAINTED => _,
            paint = in(reg) PAINT,
            options(nostack),
        );
    }
    top
}
