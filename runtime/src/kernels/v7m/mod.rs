//! Armv7-M without the DSP extension.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

pub(in crate::kernels) mod depthwise3;
pub(in crate::kernels) mod multiply;
