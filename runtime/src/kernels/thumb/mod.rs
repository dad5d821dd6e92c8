//! What Armv7-M, with the DSP extension or without, has in common. Functions in assembly, so that all fourteen registers
//! serve.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

pub(in crate::kernels) mod depthwise3;
mod expand;
pub(in crate::kernels) mod product;

pub(crate) use depthwise3::depthwise3;
pub(crate) use expand::{expand, gather};
pub(crate) use product::{multiply, multiply_one};
