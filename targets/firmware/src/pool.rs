//! The board's free memory: arena, scratch and output of the plan at hand.

use crate::report::Report;
use residua_mailbox::{ALIGNMENT, Record, Status};

/// Free memory, zero at first.
pub struct Pool {
    free: &'static mut [u8],
    end: usize,
}

impl Pool {
    /// A pool of all of `memory`.
    pub fn new(memory: &'static mut [u8]) -> Self {
        let end = memory.as_ptr_range().end.expose_provenance();
        let padding = memory.as_ptr().align_offset(ALIGNMENT);
        let free = memory.get_mut(padding..).unwrap_or(&mut []);
        Self { free, end }
    }

    /// Address of the memory's end, down to which the stack may reach: a multiple of 4.
    pub fn end(&self) -> usize {
        self.end.next_multiple_of(4)
    }

    /// Checks that buffers of these lengths fit, and tells the host.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    pub fn check<const N: usize>(&self, lengths: [usize; N], report: &mut Report) -> Result<(), Status> {
        let needed = lengths.into_iter().fold(0usize, |sum, len| sum.saturating_add(round_up(len)));
        let available = self.free.len();
        report.write(&Record::Memory { needed: to_u32(needed), available: to_u32(available) });
        if needed > available { Err(Status::NoMemory) } else { Ok(()) }
    }

    /// Takes `len` bytes, at a multiple of 16.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    pub fn split(&mut self, len: usize) -> Result<&'static mut [u8], Status> {
        let (taken, rest) =
            core::mem::take(&mut self.free).split_at_mut_checked(round_up(len)).ok_or(Status::NoMemory)?;
        self.free = rest;
        taken.get_mut(..len).ok_or(Status::NoMemory)
    }

    /// Takes all that is left.
    #[cfg(any(feature = "audio", feature = "stream"))]
    pub fn rest(&mut self) -> &'static mut [u8] {
        core::mem::take(&mut self.free)
    }
}

fn round_up(len: usize) -> usize {
    // No memory reaches to the last bytes of the address space.
    len.saturating_add(const { ALIGNMENT - 1 }) & !const { ALIGNMENT - 1 }
}

fn to_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
