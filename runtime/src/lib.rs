//! Runs quantized residual networks row by row on microcontrollers: `no_std`, no allocation, no panic; `unsafe` only in kernels of an
//! instruction set.
//!
//! - [`plan`]: a compiled model as one byte string, checked once, read in place.
//! - [`engine`]: runs a plan in a caller's arena, one input row at a time.
//! - [`operators`]: one file each, contract, row form and naive reference.
//! - [`kernels`]: inner loops, by instruction set.
//! - [`frontend`]: audio samples to features, in fixed point.
//! - [`requantize`], [`arena`]: what they share.
#![no_std]
#![deny(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::integer_division_remainder_used,
    clippy::float_arithmetic
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::integer_division_remainder_used,
        clippy::float_arithmetic
    )
)]
// What operators share is not all used where some of them are left out.
#![cfg_attr(not(feature = "all-operators"), allow(dead_code))]

#[cfg(test)]
extern crate std;

pub mod arena;
pub mod engine;
pub mod frontend;
pub mod kernels;
pub mod operators;
pub mod plan;
pub mod requantize;
