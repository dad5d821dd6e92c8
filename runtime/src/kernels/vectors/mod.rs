//! Weights in the order in which kernels with vectors of sixteen int8 read them.
//!
//! Plans on disk hold [lanes](super::packed); the host packs them anew, without loss, when it puts them on a core whose
//! kernels read vectors. Here are the two forms and their packing; kernels for them are in the folder of an instruction set.

mod matrix;
mod taps;

pub use matrix::{VectorMatrix, pack_matrix};
pub use taps::{VectorTaps, pack_taps};

/// Elements of a vector.
const VECTOR: usize = 16;

/// The words as int8.
fn bytes(words: &[u32]) -> &[i8] {
    bytemuck::must_cast_slice(words)
}
