//! Inner loops, one file a task and instruction set.
//!
//! | folder | cores |
//! |---|---|
//! | [`portable`] | any; also the twin that the host tests, element for element what the others compute |
//! | `dsp` | Armv7E-M and Armv8-M with the DSP extension (SMLAD, SXTB16, SMMLAR) |
//!
//! # Four products, three instructions
//!
//! A word of packed weights holds two signed 16-bit lanes `256·w1 + w0` and `256·w3 + w2`; its low bytes alone, sign
//! extended, are `w0` and `w2` ([`packed`]). Four activations are expanded once for all output channels ([`expand`]) to
//! two words: the odd ones `a1, a3`, and `b = 256·a0 + 127 − a1`, `256·a2 + 127 − a3`, which span exactly an int16. Then
//!
//! ```text
//! (256·w1 + w0)·a1 + w0·b  =  256·(w1·a1 + w0·a0) + 127·w0
//! ```
//!
//! and the last term, known when the weights are, is taken off the bias. So two dual multiply-accumulates and one lane
//! extension do four products, where sign extension of both halves would take two. Accumulators carry 8 fraction bits; the
//! high word of their product with a multiplier of 24 fraction bits is the output. All arithmetic wraps at 32 bits, the same
//! on every core; the compiler proves that it does not.

#[cfg(residua_dsp)]
mod dsp;
pub mod packed;
pub mod portable;
pub mod taps;

pub(crate) use portable::accumulate;

#[cfg(residua_dsp)]
pub(crate) use dsp::{depthwise, expand, multiply, multiply_one};
#[cfg(not(residua_dsp))]
pub(crate) use portable::{depthwise, expand, multiply, multiply_one};

/// Where a matrix product writes, and its requantization.
#[derive(Debug)]
pub struct Output<'a> {
    /// The first pixel's first channel up to the last pixel's last channel.
    pub elements: &'a mut [i8],
    /// Elements from a pixel to the next.
    pub stride: usize,
    /// Zero point of the output.
    pub zero_point: i32,
}
