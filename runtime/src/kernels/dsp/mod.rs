//! Armv7E-M and Armv8-M with the DSP extension. Functions in assembly, so that all fourteen registers serve.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

/// `naked_asm!` with the DSP extension: a part of Armv7E-M, an option of Armv8-M that a core with it has to be named for.
macro_rules! dsp_asm {
    ($($line:tt)*) => {
        core::arch::naked_asm!(extension!(), $($line)*)
    };
}

#[cfg(residua_v8m)]
macro_rules! extension {
    () => {
        ".cpu cortex-m33"
    };
}

#[cfg(not(residua_v8m))]
macro_rules! extension {
    () => {
        ""
    };
}

mod depthwise;
pub(in crate::kernels) mod depthwise3;
pub(in crate::kernels) mod multiply;
mod tiles;

pub(crate) use depthwise::depthwise;
pub(crate) use tiles::{multiply_tiles, transform};
