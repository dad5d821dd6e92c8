//! The engine's row counters, which live at the arena's start.

/// Rows written of each value and rows taken in by each step.
#[derive(Debug)]
pub(super) struct State<'a> {
    counters: &'a mut [u32],
    values: usize,
}

impl<'a> State<'a> {
    pub fn new(bytes: &'a mut [u8], values: u16) -> Self {
        Self { counters: bytemuck::try_cast_slice_mut(bytes).unwrap_or(&mut []), values: values.into() }
    }

    pub fn clear(&mut self) {
        self.counters.fill(0);
    }

    /// Rows written of a value since the input began.
    #[inline]
    pub fn produced(&self, value: u16) -> u32 {
        self.counters.get(usize::from(value)).copied().unwrap_or(0)
    }

    pub fn count_produced(&mut self, value: u16) {
        self.count(value.into());
    }

    /// Rows that an accumulating step has taken in.
    #[inline]
    pub fn consumed(&self, step: u16) -> u32 {
        self.counters.get(self.values.wrapping_add(step.into())).copied().unwrap_or(u32::MAX)
    }

    pub fn count_consumed(&mut self, step: u16) {
        self.count(self.values.wrapping_add(step.into()));
    }

    fn count(&mut self, index: usize) {
        if let Some(counter) = self.counters.get_mut(index) {
            *counter = counter.wrapping_add(1);
        }
    }
}
