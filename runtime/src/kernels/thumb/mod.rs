//! What Armv7-M and Armv8-M with the main extension share, whatever further extensions there are.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

#[cfg(not(residua_mve))]
mod expand;
mod gather;

use super::Runs;

#[cfg(not(residua_mve))]
pub(crate) use expand::expand;
pub(crate) use gather::gather;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
pub(in crate::kernels) struct At {
    /// 0: next run; moves.
    source: *const i8,
    /// 4: bytes to the next run.
    pitch: usize,
    /// 8: runs to go; counts down.
    count: usize,
}

impl At {
    fn of(runs: &Runs<'_>) -> Self {
        Self { source: runs.elements.as_ptr(), pitch: runs.pitch, count: runs.count }
    }
}
