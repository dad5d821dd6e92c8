//! The generic firmware for emulated Cortex-M boards: start-up, faults, and the board. See `residua-firmware`.

#![no_std]
#![no_main]

mod board;

// Provides the critical section that the logger takes.
use cortex_m as _;
use cortex_m_rt::{ExceptionFrame, entry, exception};

#[entry]
fn main() -> ! {
    // SAFETY: the entry point is called once.
    residua_firmware::serve(unsafe { board::take() })
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    residua_firmware::crash()
}

#[exception]
unsafe fn HardFault(_frame: &ExceptionFrame) -> ! {
    residua_firmware::crash()
}
