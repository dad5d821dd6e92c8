//! The board, whose addresses are symbols of its linker script `boards/NAME/memory.x`.

#[cfg_attr(feature = "microbit", path = "nrf51.rs")]
#[cfg_attr(not(feature = "microbit"), path = "mps.rs")]
mod led;

use led::Led;
use residua_firmware::Board;

unsafe extern "C" {
    static _mailbox_start: u8;
    static _mailbox_end: u8;
    /// Bytes at the top of RAM that are the stack's; the symbol's address is the number.
    static _stack_size: u8;
    /// End of the firmware's data, from cortex-m-rt's linker script.
    static mut __sheap: u8;
    /// Top of the stack, from the same.
    static _stack_start: u8;
}

/// The board, with all of its memory.
///
/// # Safety
/// May be called once.
pub unsafe fn take() -> Board<Led> {
    let (mailbox, memory) = (&raw const _mailbox_start, &raw mut __sheap);
    let mailbox_len = (&raw const _mailbox_end).addr().saturating_sub(mailbox.addr());
    let memory_end = (&raw const _stack_start).addr().saturating_sub((&raw const _stack_size).addr());
    let memory_len = memory_end.saturating_sub(memory.addr());
    // SAFETY: the linker script leaves [_mailbox_start, _mailbox_end) to the host, which writes it before the core starts
    // and never after, and [__sheap, _stack_start) to stack and heap; there is no heap, and the stack does not get
    // _stack_size deep. The caller sees to it that the memory is handed out once; `serve` writes it before it reads it.
    unsafe {
        Board {
            mailbox: core::slice::from_raw_parts(mailbox, mailbox_len),
            memory: core::slice::from_raw_parts_mut(memory, memory_len),
            led: Led::new(),
        }
    }
}
