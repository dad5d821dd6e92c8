//! One output pixel after the other.

use super::Depthwise;
use crate::kernels::taps::Taps;
use crate::kernels::{ChannelTaps, depthwise};
use crate::operators::geometry::Geometry;
use crate::operators::layer::{HoldsLayer, Layer};
use crate::operators::rows::RowWindow;

/// Words of scratch of a depthwise convolution: a padding pixel.
pub fn depthwise_scratch_words(geometry: &Geometry) -> usize {
    geometry.channels_in.div_ceil(4)
}

impl<L: HoldsLayer> Depthwise<L> {
    /// Computes an output row up to its [epilogue](crate::operators::Epilogue).
    pub(super) fn compute(
        &self,
        packed: &ChannelTaps<'_>,
        window: &RowWindow<'_>,
        scratch: &mut [u32],
        out: &mut [i8],
    ) {
        let Layer { geometry, epilogue, padding: value, .. } = self.0.layer();
        let scratch: &mut [i8] = bytemuck::must_cast_slice_mut(scratch);
        let padding = scratch.get_mut(..geometry.channels_in).unwrap_or(&mut []);
        value.fill(0, padding);
        for (x, out) in out.chunks_exact_mut(geometry.channels_out.max(1)).enumerate() {
            if packed.taps() > Taps::MAX {
                self.large(packed, window, padding, x, out);
                continue;
            }
            let mut taps = Taps::new();
            self.pixels(window, padding, x).for_each(|pixel| taps.push(pixel));
            depthwise(packed, taps.pixels(), epilogue.zero_point(), out);
        }
    }
}
