//! Aligned memory for plans and arenas.

/// `N` bytes at a multiple of 16, fit to hold an arena or a plan.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<const N: usize>(pub [u8; N]);

impl<const N: usize> Aligned<N> {
    /// Zeroed bytes.
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Aligned<N> {
    fn default() -> Self {
        Self::new()
    }
}
