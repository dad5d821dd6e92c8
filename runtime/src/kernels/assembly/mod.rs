//! What kernels in assembly have in common: the memory that they work on is checked here.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

#[cfg(not(residua_dsp))]
pub(super) mod blocks;
pub(super) mod depthwise3;
#[cfg(residua_dsp)]
pub(super) mod product;

#[cfg(residua_dsp)]
use super::dsp as isa;
#[cfg(residua_rv32)]
use super::rv32 as isa;
#[cfg(all(residua_thumb, not(residua_dsp)))]
use super::v7m as isa;

#[cfg(not(residua_dsp))]
pub(crate) use blocks::{multiply, multiply_one};
pub(crate) use depthwise3::depthwise3;
#[cfg(residua_dsp)]
pub(crate) use product::{multiply, multiply_one};
