//! Marks what the counter plugin counts. The instructions are hints that the core executes as NOP.

use core::arch::asm;

/// Begins a region from zero.
#[inline(always)]
pub fn start() {
    // SAFETY: an unallocated hint, executed as NOP: no register, no memory changes. Without `nomem`, so that no memory
    // access moves across it.
    unsafe { asm!(".inst.n 0xbf50", options(nostack, preserves_flags)) }
}

/// Ends a lap of the region and begins the next.
#[inline(always)]
pub fn lap() {
    // SAFETY: as in `start`.
    unsafe { asm!(".inst.n 0xbf70", options(nostack, preserves_flags)) }
}

/// Ends the region.
#[inline(always)]
pub fn stop() {
    // SAFETY: as in `start`.
    unsafe { asm!(".inst.n 0xbf60", options(nostack, preserves_flags)) }
}
