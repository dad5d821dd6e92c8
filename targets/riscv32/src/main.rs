//! The generic firmware for emulated 32-bit RISC-V boards: start-up, faults, and the board. See `residua-firmware`.

#![no_std]
#![no_main]

mod led;

use led::Led;
// Provides the critical section that the logger takes.
use residua_firmware::Board;
use riscv as _;
use riscv_rt::entry;

#[entry]
fn main() -> ! {
    // SAFETY: the entry point is called once, and the linker scripts of riscv-rt and of the boards are as asked for.
    residua_firmware::serve(unsafe { Board::take(Led) })
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    residua_firmware::crash()
}

/// Any exception.
#[unsafe(export_name = "ExceptionHandler")]
fn fault(_frame: &riscv_rt::TrapFrame) -> ! {
    residua_firmware::crash()
}
