//! RV32IM.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

/// `naked_asm!` with multiplication, which the assembler does not take from the target.
macro_rules! rv32_asm {
    ($($line:tt)*) => {
        core::arch::naked_asm!(".option push", ".option arch, +m", $($line)* ".option pop")
    };
}

pub(super) mod depthwise3;
mod expand;
mod gather;
mod multiply;

pub(crate) use expand::expand;
pub(crate) use gather::{copy, gather};

use super::assembly::blocks::Product;

/// The kernel for a number of pixels.
pub(super) fn kernel(count: usize) -> Option<unsafe extern "C" fn(*mut Product)> {
    match count {
        3 => Some(multiply::multiply3),
        2 => Some(multiply::multiply2),
        1 => Some(multiply::multiply1),
        _ => None,
    }
}
