//! The generic firmware for emulated Cortex-M boards: start-up, faults, and the board. See `residua-firmware`.

#![no_std]
#![no_main]

#[cfg_attr(feature = "microbit", path = "led_nrf51.rs")]
#[cfg_attr(not(feature = "microbit"), path = "led_mps.rs")]
mod led;
#[cfg(thumb2)]
mod memory;

// Provides the critical section that the logger takes.
use cortex_m as _;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use led::Led;
use residua_firmware::Board;

/// The vectors of interrupts, of which none is enabled: the linker script asks for one at least.
// SAFETY: cortex-m-rt takes the vectors from this section and symbol; an entry of 0 is never used.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [usize; 1] = [0];

#[entry]
fn main() -> ! {
    // SAFETY: the entry point is called once, and the linker scripts of cortex-m-rt and of the boards are as asked for.
    residua_firmware::serve(unsafe { Board::take(Led::new()) })
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    residua_firmware::crash()
}

#[exception]
unsafe fn HardFault(_frame: &ExceptionFrame) -> ! {
    residua_firmware::crash()
}
