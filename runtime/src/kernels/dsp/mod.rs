//! Armv7E-M and Armv8-M with the DSP extension. Functions in assembly, so that all fourteen registers serve.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

mod expand;
mod multiply;

pub(crate) use expand::expand;
pub(crate) use multiply::{multiply, multiply_one};
