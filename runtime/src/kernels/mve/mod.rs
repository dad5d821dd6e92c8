//! Armv8.1-M with MVE (Helium): sixteen int8 products an instruction. Functions in assembly, which the assembler takes
//! whatever core the crate is compiled for.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

/// `naked_asm!` with MVE.
macro_rules! mve_asm {
    ($($line:tt)*) => {
        core::arch::naked_asm!(".cpu cortex-m55", $($line)*)
    };
}

mod copy;
mod depthwise;
mod elements;
mod multiply;

pub(crate) use copy::WindowRows;
pub(in crate::kernels) use copy::copy_runs;
pub(crate) use depthwise::{TapColumns, depthwise};
pub(crate) use elements::{add, add_up, clamp, copy};
pub(crate) use multiply::{Multiplication, accumulate};
