//! Plain Rust, for any core.

mod depthwise;
mod depthwise3;
mod elements;
mod expand;
mod multiply;

pub use depthwise::{depthwise, depthwise_from};
pub use depthwise3::depthwise3;
pub use elements::{Addition, add, add_up, clamp, copy};
pub use expand::{expand, gather};
pub use multiply::{accumulate, multiply, multiply_one, multiply_rest};
