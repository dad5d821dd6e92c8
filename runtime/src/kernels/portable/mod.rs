//! Plain Rust, for any core.

mod depthwise;
mod depthwise3;
mod expand;
mod multiply;

pub use depthwise::{depthwise, depthwise_from};
pub use depthwise3::{depthwise3, depthwise3_from};
#[cfg(target_arch = "x86_64")]
pub(super) use expand::OFFSET;
pub use expand::{expand, gather};
pub use multiply::{accumulate, multiply, multiply_one, multiply_rest};
