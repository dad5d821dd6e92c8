//! How deep the stack gets: the free stack is painted before a call and looked through behind it.

use core::arch::asm;

const PAINT: u32 = 0xa5a5_a5a5;

/// Calls `work`; the depth in bytes that the stack reached below the caller, that of `work`'s own frame included. The
/// stack may reach down to the address `low`, a multiple of 4.
#[inline(never)]
pub fn depth(low: usize, work: impl FnOnce()) -> u32 {
    let top = paint(low);
    call(work);
    let untouched = (low..top)
        .step_by(4)
        // SAFETY: the addresses are those that `paint` wrote: aligned, in the stack's reserve.
        .take_while(|&address| unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() } == PAINT)
        .count();
    top.saturating_sub(low).saturating_sub(untouched.wrapping_mul(4)) as u32
}

/// Calls `work` on a stack frame of its own, so that it is counted.
#[inline(never)]
fn call(work: impl FnOnce()) {
    work();
}

/// Fills the words from `low` up to the stack pointer; returns the stack pointer.
#[inline(always)]
fn paint(low: usize) -> usize {
    let top: usize;
    // SAFETY: reads the stack pointer.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "riscv32")]
        asm!("mv {}, sp", out(reg) top, options(nomem, nostack, preserves_flags));
    }
    if low >= top {
        return low;
    }
    // SAFETY: writes only below the stack pointer, where nothing lives (the procedure call standards have no red zone, and
    // no interrupt is enabled), down to the end of what the board hands out as free memory. The loop is in assembly, since
    // the compiler may put a spilled register there.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!(
            "2:",
            "str {paint}, [{low}]",
            "adds {low}, #4",
            "cmp {low}, {top}",
            "bne 2b",
            top = in(reg) top,
            low = inout(reg) low => _,
            paint = in(reg) PAINT,
            options(nostack),
        );
        #[cfg(target_arch = "riscv32")]
        asm!(
            "2:",
            "sw {paint}, 0({low})",
            "addi {low}, {low}, 4",
            "bne {low}, {top}, 2b",
            top = in(reg) top,
            low = inout(reg) low => _,
            paint = in(reg) PAINT,
            options(nostack),
        );
    }
    top
}
