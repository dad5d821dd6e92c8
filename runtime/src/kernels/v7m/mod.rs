//! Armv7-M without the DSP extension.

// Assembly and the pointers that it takes.
#![allow(unsafe_code)]

pub(in crate::kernels) mod depthwise3;
pub(in crate::kernels) mod multiply;
pub(in crate::kernels) mod threes;

use super::assembly::blocks::Product;

/// The kernel for a number of pixels.
pub(in crate::kernels) fn kernel(count: usize) -> Option<unsafe extern "C" fn(*mut Product)> {
    match count {
        3 => Some(multiply::multiply3),
        2 => Some(multiply::multiply2),
        1 => Some(multiply::multiply1),
        _ => None,
    }
}
