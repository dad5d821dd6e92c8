//! Rows of a convolution as matrix products: windows are laid out in multiplication order where they do not lie so already,
//! then multiplied with all output channels.

mod any;
#[cfg(not(residua_mve))]
mod lanes;
mod together;
#[cfg(residua_mve)]
mod vectors;

use super::geometry::Geometry;

/// The windows of a group of input channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows<'g> {
    pub geometry: &'g Geometry,
    /// First input channel of the group.
    pub first: usize,
    /// Input channels of the group.
    pub inputs: usize,
}

/// Words of scratch of a convolution of `groups` groups (1 for a pointwise one).
pub fn scratch_words(geometry: &Geometry, groups: usize) -> usize {
    Windows { geometry, first: 0, inputs: geometry.channels_in.checked_div(groups).unwrap_or(0) }.scratch_words()
}

impl Windows<'_> {
    /// Products of an output channel.
    pub fn fan_in(&self) -> Option<usize> {
        let [rows, columns] = self.geometry.kernel;
        rows.checked_mul(columns)?.checked_mul(self.inputs)
    }

    /// Whether taps side by side lie side by side in a row too.
    fn together(&self) -> bool {
        self.inputs == self.geometry.channels_in && self.geometry.dilation[1] == 1
    }
}
