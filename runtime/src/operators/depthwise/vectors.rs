//! All columns at once whose taps lie inside the row; those beside them one after the other.

use super::Depthwise;
use crate::kernels::{ChannelTaps, TapColumns, depthwise};
use crate::operators::geometry::Geometry;
use crate::operators::layer::{HoldsLayer, Layer};
use crate::operators::rows::RowWindow;

/// Words of scratch of a depthwise convolution: none, since the padding pixel is a constant.
pub fn depthwise_scratch_words(_geometry: &Geometry) -> usize {
    0
}

impl<L: HoldsLayer> Depthwise<L> {
    /// Computes an output row up to its [epilogue](crate::operators::Epilogue).
    pub(super) fn compute(
        &self,
        packed: &ChannelTaps<'_>,
        window: &RowWindow<'_>,
        _scratch: &mut [u32],
        out: &mut [i8],
    ) {
        let Layer { geometry: g, epilogue, padding, .. } = self.0.layer();
        let padding = padding.pixel().unwrap_or(&[]);
        if packed.taps() > TapColumns::MAX {
            let pixels = out.chunks_exact_mut(g.channels_out.max(1)).enumerate();
            return pixels.for_each(|(x, out)| self.large(packed, window, padding, x, out));
        }
        let inside = g.columns_inside(g.kernel[1]);
        let columns = TapColumns {
            taps: g.kernel[1],
            stride: g.stride[1] as usize,
            dilation: g.dilation[1] as usize,
            pad: g.pad[1] as usize,
            width: g.columns_in as usize,
        };
        let rows = (0..g.kernel[0]).map(|ky| window.tap(ky));
        depthwise(packed, &columns, inside, rows, padding, epilogue.zero_point(), out);
    }
}
