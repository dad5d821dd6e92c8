//! What the firmware gets from a board. The addresses are symbols of the board's linker script `boards/NAME/memory.x`.

unsafe extern "C" {
    static _mailbox_start: u8;
    static _mailbox_end: u8;
    /// Bytes at the top of RAM that are the stack's; the symbol's address is the number.
    static _stack_size: u8;
    /// End of the firmware's data, from the linker script of cortex-m-rt or riscv-rt.
    static mut __sheap: u8;
    /// Top of the stack, from the same.
    static _stack_start: u8;
}

/// Mailbox, memory and LED.
pub struct Board<L> {
    /// The mailbox, which the emulator fills before the core starts.
    pub(crate) mailbox: &'static [u8],
    /// Free memory. The stack grows down towards its end, from far above.
    pub(crate) memory: &'static mut [u8],
    /// Lit while a detected word lasts.
    pub(crate) led: L,
}

impl<L> Board<L> {
    /// The board, with all of its memory.
    ///
    /// # Safety
    /// May be called once. The linker script must leave `[_mailbox_start, _mailbox_end)` to the host, and
    /// `[__sheap, _stack_start)` to stack and heap, of which there is none; the stack must not get `_stack_size` deep.
    pub unsafe fn take(led: L) -> Self {
        let (mailbox, memory) = (&raw const _mailbox_start, &raw mut __sheap);
        let mailbox_len = (&raw const _mailbox_end).addr().saturating_sub(mailbox.addr());
        let memory_end = (&raw const _stack_start).addr().saturating_sub((&raw const _stack_size).addr());
        let memory_len = memory_end.saturating_sub(memory.addr());
        // SAFETY: the caller sees to it that nothing else uses these ranges. The host writes the mailbox before the core
        // starts and never after; the memory is written before it is read.
        unsafe {
            memory.write_bytes(0, memory_len);
            Self {
                mailbox: core::slice::from_raw_parts(mailbox, mailbox_len),
                memory: core::slice::from_raw_parts_mut(memory, memory_len),
                led,
            }
        }
    }
}
