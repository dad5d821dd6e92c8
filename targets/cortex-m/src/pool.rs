//! The memory between the firmware's own data and its stack: arena, scratch and output of the plan at hand.

use crate::report::Report;
use core::sync::atomic::{AtomicBool, Ordering};
use residua_mailbox::{ALIGNMENT, Record, Status};

/// Bytes at the top of RAM that are left to the stack.
pub const STACK_RESERVE: usize = 64 * 1024;

unsafe extern "C" {
    /// End of the firmware's data, from cortex-m-rt's linker script.
    static mut __sheap: u8;
    /// Top of the stack, from the same.
    static _stack_start: u8;
}

/// The free part of the memory, zeroed.
pub struct Pool(&'static mut [u8]);

impl Pool {
    /// All of the memory; nothing from the second call on.
    pub fn take() -> Self {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        // One core, no interrupts: loading and storing apart is enough, and is all that Armv6-M has.
        if TAKEN.load(Ordering::Relaxed) {
            return Self(&mut []);
        }
        TAKEN.store(true, Ordering::Relaxed);
        let start = (&raw mut __sheap).map_addr(|address| address.next_multiple_of(ALIGNMENT));
        let end = (&raw const _stack_start).addr().saturating_sub(STACK_RESERVE);
        let len = end.saturating_sub(start.addr());
        // SAFETY: the linker script leaves [__sheap, _stack_start) to stack and heap; there is no heap, and the stack is
        // far from STACK_RESERVE deep here. The range is handed out once, and written before it is read.
        Self(unsafe {
            start.write_bytes(0, len);
            core::slice::from_raw_parts_mut(start, len)
        })
    }

    /// Checks that buffers of these lengths fit, and tells the host.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    pub fn check<const N: usize>(&self, lengths: [usize; N], report: &mut Report) -> Result<(), Status> {
        let needed = lengths.into_iter().fold(0usize, |sum, len| sum.saturating_add(round_up(len)));
        let available = self.0.len();
        report.write(&Record::Memory { needed: to_u32(needed), available: to_u32(available) });
        if needed > available { Err(Status::NoMemory) } else { Ok(()) }
    }

    /// Takes `len` bytes, at a multiple of 16.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    pub fn split(&mut self, len: usize) -> Result<&'static mut [u8], Status> {
        let (taken, rest) = core::mem::take(&mut self.0).split_at_mut_checked(round_up(len)).ok_or(Status::NoMemory)?;
        self.0 = rest;
        taken.get_mut(..len).ok_or(Status::NoMemory)
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> &'static mut [u8] {
        core::mem::take(&mut self.0)
    }
}

fn round_up(len: usize) -> usize {
    len.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)
}

fn to_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
