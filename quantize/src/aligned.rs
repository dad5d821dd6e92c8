//! Heap memory at a multiple of 16 bytes, for plans and arenas on the host.

use std::ops::{Deref, DerefMut};

/// Bytes at a multiple of 16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlignedBytes {
    blocks: Vec<Block>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(16))]
struct Block([u8; 16]);

impl AlignedBytes {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        Self { blocks: vec![Block::default(); len.div_ceil(16)], len }
    }
}

impl<B: AsRef<[u8]>> From<B> for AlignedBytes {
    fn from(bytes: B) -> Self {
        let mut out = Self::zeroed(bytes.as_ref().len());
        out.copy_from_slice(bytes.as_ref());
        out
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[..self.len]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.blocks)[..self.len]
    }
}
