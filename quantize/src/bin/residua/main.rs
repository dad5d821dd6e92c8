//! residua.
fn main() {}
