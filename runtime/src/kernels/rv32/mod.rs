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
mod product;

pub(crate) use expand::expand;
pub(crate) use gather::gather;
pub(crate) use product::{multiply, multiply_one};
