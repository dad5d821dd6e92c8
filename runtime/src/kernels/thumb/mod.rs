//! What Armv7-M and Armv8-M with the main extension share, with the DSP extension or without.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

mod expand;

pub(crate) use expand::{expand, gather};
