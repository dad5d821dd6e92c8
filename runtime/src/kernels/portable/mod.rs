//! Plain Rust, for any core.

mod depthwise;
mod depthwise3;
mod elements;
mod expand;
pub mod halves;
mod multiply;
pub mod quads;
mod tiles;

pub use depthwise::{depthwise, depthwise_from};
pub use depthwise3::{depthwise3, depthwise3_from};
pub use elements::{Addition, add, add_up, clamp, copy};
#[cfg(target_arch = "x86_64")]
pub(super) use expand::OFFSET;
pub use expand::{expand, gather};
pub use multiply::{accumulate, accumulate_from, multiply, multiply_one};
pub use tiles::{multiply_tiles, transform};
