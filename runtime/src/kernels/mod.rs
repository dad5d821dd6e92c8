//! Inner loops, one file a task and instruction set.
//!
//! | folder | cores |
//! |---|---|
//! | [`portable`] | any; also the twin that the host tests, element for element what the others compute |
//! | `assembly` | what those below have in common |
//! | `rv32` | RV32IM |
//! | `thumb` | Armv7-M and Armv8-M with the main extension |
//! | `v7m` | those without the DSP extension |
//! | `dsp` | Armv7E-M and Armv8-M with the DSP extension (SMLSDX, SXTB16, SMMLAR) |
//! | `mve` | Armv8.1-M with MVE |
//! | `x86` | the host, where it has AVX2 |
//!
//! A plan holds its weights in one of four [packings](Packing): that which the host and most cores read is what the compiler
//! writes; the host packs a plan anew when it puts it on a core with MVE ([`vectors`]), on RV32IM ([`halves`]) or on Armv7-M
//! ([`quads`]).
//!
//! # Four products, two instructions
//!
//! Two weights share a 16-bit lane `W = 256·w + v`, two activations another, `X = 256·x + y`. With the low bytes alone
//!
//! ```text
//! W·y − v·X  =  256·(w·y − v·x)
//! ```
//!
//! since the products of the low bytes cancel. A word holds two lanes, and a dual multiply-subtract with exchange (SMLSDX)
//! takes `W·y` of one and `−W·y` of the other; so two of them do four products, and one lane extension each gives the low
//! bytes. Signs and order of the weights in a word ([`packed`]) are such that all four are added. Activations are as they
//! lie in memory but for an offset of 128 on every other one, so that the low byte of a lane is unsigned ([`expand`]); what
//! the offset adds is known when the weights are, and taken off the bias. Accumulators carry 8 fraction bits; the high word
//! of their product with a multiplier of 24 fraction bits is the output. All arithmetic wraps at 32 bits, the same on every
//! core; the compiler proves that it does not.
//!
//! # Four products for six
//!
//! A row of three taps over two outputs is six products, or four of sums and differences of weights and activations ([`tiles`]). Those
//! take 16 bits, and a dual multiply-accumulate (SMLAD) does two of them.
//!
//! # Two products, one multiplication
//!
//! RV32IM has no such instruction, and an addition costs it an instruction too. A word has room for the sums of two channels while
//! there are few products in them ([`halves`]). On Armv7-M, where a multiplication adds as well, extracting them would cost more.
//!
//! # Sixteen products, one instruction
//!
//! With MVE, VMLADAVA adds sixteen products of int8 to a register, two pixels by four channels at a time. Vectors across
//! channels do a depthwise convolution: products of two taps are added in 16 bits, widened with 8 fraction bits, then added.
//! The rounded high word is VRMULH. Pixels are read as they lie in memory, the last vector of one predicated where it is cut
//! short, so that nothing behind a buffer is read.

#[cfg(any(all(residua_thumb, not(residua_mve)), residua_rv32))]
mod assembly;
#[cfg(residua_dsp)]
mod dsp;
pub mod fours;
pub mod halves;
#[cfg(residua_mve)]
mod mve;
pub mod nines;
pub mod packed;
pub mod portable;
pub mod quads;
#[cfg(residua_rv32)]
mod rv32;
pub mod taps;
#[cfg(residua_thumb)]
mod thumb;
pub mod tiles;
#[cfg(residua_quads)]
mod v7m;
pub mod vectors;
#[cfg(target_arch = "x86_64")]
pub mod x86;

#[cfg(any(all(residua_thumb, not(residua_mve)), residua_rv32))]
pub(crate) use assembly::{depthwise3, multiply, multiply_one};
#[cfg(residua_dsp)]
pub(crate) use dsp::{depthwise, multiply_tiles, transform};
#[cfg(residua_mve)]
pub(crate) use mve::{Multiplication, TapColumns, WindowRows, accumulate, add, add_up, clamp, copy, depthwise};
pub(crate) use portable::Addition;
#[cfg(not(any(residua_mve, residua_quads, residua_rv32, target_arch = "x86_64")))]
pub(crate) use portable::accumulate;
#[cfg(not(any(residua_mve, residua_rv32)))]
pub(crate) use portable::copy;
#[cfg(not(any(residua_dsp, residua_mve, target_arch = "x86_64")))]
pub(crate) use portable::depthwise;
#[cfg(residua_rv32)]
pub(crate) use portable::halves::accumulate;
#[cfg(residua_quads)]
pub(crate) use portable::quads::accumulate;
#[cfg(not(residua_mve))]
pub(crate) use portable::{add, add_up, clamp};
#[cfg(not(any(residua_thumb, residua_rv32, target_arch = "x86_64")))]
pub(crate) use portable::{depthwise3, multiply, multiply_one};
#[cfg(not(any(residua_thumb, residua_rv32)))]
pub(crate) use portable::{expand, gather};
#[cfg(not(residua_dsp))]
pub(crate) use portable::{multiply_tiles, transform};
#[cfg(residua_rv32)]
pub(crate) use rv32::{copy, expand, gather};
#[cfg(all(residua_thumb, not(residua_mve)))]
pub(crate) use thumb::expand;
#[cfg(residua_thumb)]
pub(crate) use thumb::gather;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{accumulate, depthwise, depthwise3, multiply, multiply_one};

/// How a plan's weights are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Lanes of 16 bits ([`packed`], [`taps`], [`nines`]).
    Lanes = 0,
    /// Vectors of sixteen int8 ([`vectors`]).
    Vectors = 1,
    /// Matrices for sums in the halves of a word ([`halves`]); all else as in [`Packing::Lanes`].
    Halves = 2,
    /// Matrices with the weights of four channels together ([`quads`]); all else as in [`Packing::Lanes`].
    Quads = 3,
}

/// The packing that the kernels of this core read.
pub const PACKING: Packing = if cfg!(residua_mve) {
    Packing::Vectors
} else if cfg!(residua_rv32) {
    Packing::Halves
} else if cfg!(residua_quads) {
    Packing::Quads
} else {
    Packing::Lanes
};

/// Whether two pixels at once cost less for each than three.
#[cfg(not(residua_mve))]
pub(crate) const PAIRS: bool = cfg!(residua_quads);

/// Weights of a matrix product as this core reads them.
#[cfg(not(any(residua_mve, residua_quads, residua_rv32)))]
pub type Matrix<'p> = packed::PackedMatrix<'p>;
/// Weights of a matrix product as this core reads them.
#[cfg(residua_rv32)]
pub type Matrix<'p> = halves::HalvesMatrix<'p>;
/// Weights of a matrix product as this core reads them.
#[cfg(residua_quads)]
pub type Matrix<'p> = quads::QuadMatrix<'p>;
/// Weights of a matrix product as this core reads them.
#[cfg(residua_mve)]
pub type Matrix<'p> = vectors::VectorMatrix<'p>;

/// Weights of a depthwise convolution as this core reads them.
#[cfg(not(residua_mve))]
pub type ChannelTaps<'p> = taps::PackedTaps<'p>;
/// Weights of a depthwise convolution as this core reads them.
#[cfg(residua_mve)]
pub type ChannelTaps<'p> = vectors::VectorTaps<'p>;

/// Runs of `len` elements, each `pitch` elements behind the one before.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    /// From the first run on.
    pub elements: &'a [i8],
    /// Elements of a run.
    pub len: usize,
    /// Elements from the start of a run to that of the next.
    pub pitch: usize,
    /// Number of runs.
    pub count: usize,
}

impl<'a> Runs<'a> {
    /// A run; what is missing behind the last element is left out.
    pub(crate) fn get(&self, index: usize) -> &'a [i8] {
        let rest = self.elements.get(index.wrapping_mul(self.pitch)..).unwrap_or(&[]);
        rest.get(..self.len).unwrap_or(rest)
    }

    /// Whether all elements are there.
    #[cfg(any(residua_thumb, residua_rv32))]
    fn complete(&self) -> bool {
        let last = self.count.saturating_sub(1).checked_mul(self.pitch);
        last.and_then(|last| last.checked_add(self.len)).is_some_and(|end| end <= self.elements.len())
    }
}

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

#[cfg(not(residua_mve))]
impl Output<'_> {
    /// Goes on by some pixels.
    pub(crate) fn advance(&mut self, pixels: usize) {
        let elements = core::mem::take(&mut self.elements);
        self.elements = elements.get_mut(pixels.wrapping_mul(self.stride)..).unwrap_or_default();
    }
}
