//! Plain Rust, for any core.

mod expand;
mod multiply;

pub use expand::expand;
pub use multiply::{accumulate, multiply, multiply_from, multiply_one, multiply_one_from};
