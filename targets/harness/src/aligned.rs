//! Plans at an address as the loader takes it.

/// A copy of a plan at a multiple of 16.
pub(crate) struct AlignedPlan {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedPlan {
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }
}

pub(crate) fn aligned(plan: &[u8]) -> AlignedPlan {
    let mut buffer = vec![0; plan.len() + 16];
    let start = buffer.as_ptr().align_offset(16).min(16);
    buffer[start..start + plan.len()].copy_from_slice(plan);
    AlignedPlan { buffer, start, len: plan.len() }
}
