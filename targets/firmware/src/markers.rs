//! Marks what the counter plugin counts.
//!
//! Each marker is an instruction that the core executes as NOP: on M-profile cores a hint encoding that the architecture
//! leaves unallocated, on RISC-V `slti x0, x0, N`, which the architecture designates for custom hints. Both are listed in
//! `residua-counter`.

use core::arch::asm;

macro_rules! markers {
    ($( $(#[$attribute:meta])* $name:ident: $thumb:literal, $riscv:literal; )*) => {$(
        $(#[$attribute])*
        #[inline(always)]
        pub fn $name() {
            // SAFETY: executed as NOP: no register, no memory changes. Without `nomem`, so that no memory access moves
            // across it.
            #[cfg(target_arch = "arm")]
            unsafe {
                asm!(concat!(".inst.n ", $thumb), options(nostack, preserves_flags))
            }
            // SAFETY: as above.
            #[cfg(target_arch = "riscv32")]
            unsafe {
                asm!(concat!("slti x0, x0, ", $riscv), options(nostack, preserves_flags))
            }
        }
    )*};
}

markers! {
    /// Begins a region from zero.
    start: "0xbf50", "0x6a1";
    /// Ends the region.
    stop: "0xbf60", "0x6a2";
    #[cfg(feature = "profile")]
    /// Ends a lap of the region and begins the next.
    lap: "0xbf70", "0x6a3";
}
