//! Depthwise convolution of 3×3 taps, at most one column of padding on each side.

use super::RowOperator;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::layer::{HoldsLayer, Kind, Layer, Pixel};
use super::padding::Padding;
use super::rows::RowWindow;
use crate::kernels::depthwise3;
use crate::kernels::nines::{PackedNines, ThreeRows};

/// `out[y, x, c] = requantize(bias[c] + Σ w[ky, kx, c] · in[row(y, ky), column(x, kx), c])`.
///
/// Biases, weights, multipliers and padding are [`PackedNines`].
#[derive(Clone, Copy, Debug)]
pub struct Depthwise3<L>(pub(in crate::operators) L);

impl<'p> Depthwise3<Layer<'p>> {
    pub(super) const KIND: Kind = Kind { words: Self::words, columns: false, pixel: Pixel::Never };

    /// Whether it computes a depthwise convolution of this geometry.
    pub fn fits(geometry: &Geometry) -> bool {
        let ([_, stride], [_, pad]) = (geometry.stride, geometry.pad);
        let middle = geometry.columns_out.saturating_sub(1).saturating_mul(stride).saturating_add(1);
        geometry.kernel == [3, 3]
            && (1..=2).contains(&stride)
            && geometry.dilation == [1, 1]
            && geometry.columns_out as usize <= ThreeRows::LONGEST
            && pad <= 1
            && geometry.channels_in == geometry.channels_out
            && geometry.upsampling == 1
            && middle < geometry.columns_in.saturating_add(pad)
    }

    /// Number of packed words; `None` where the geometry does not fit.
    fn words(geometry: &Geometry, _groups: usize) -> Option<usize> {
        PackedNines::len(geometry.channels_in).filter(|_| Self::fits(geometry))
    }

    /// A depthwise convolution over the geometry's shapes; `None` where they do not fit.
    pub fn new(geometry: Geometry, words: &'p [u32], epilogue: Epilogue) -> Option<Self> {
        Layer::new(geometry, 1, words, epilogue, Padding::uniform(0), &Self::KIND).map(Self)
    }
}

impl<L: HoldsLayer> Depthwise3<L> {
    fn packed(&self) -> Option<PackedNines<'_>> {
        PackedNines::new(self.0.layer().words, self.0.layer().geometry.channels_in)
    }
}

impl<L: HoldsLayer> RowOperator for Depthwise3<L> {
    fn geometry(&self) -> &Geometry {
        &self.0.layer().geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let Layer { geometry: g, epilogue, .. } = self.0.layer();
        if epilogue.is_closed(window.second(), out) {
            return;
        }
        let last = g.column((g.columns_out as usize).saturating_sub(1), 2);
        let rows = ThreeRows {
            rows: [0, 1, 2].map(|k| window.tap(k)),
            stride: g.stride[1] as usize,
            left: g.pad[1] == 1,
            right: last >= g.columns_in as i32,
        };
        if let Some(packed) = &self.packed() {
            depthwise3(packed, &rows, epilogue.zero_point(), out);
        }
        epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let Layer { geometry: g, epilogue, .. } = self.0.layer();
        let Some(packed) = self.packed().filter(|_| !epilogue.is_closed(second, output)) else { return };
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for ((c, kernel), (index, out)) in packed.kernels().enumerate().zip(&mut outputs) {
                    let mut acc = i64::from(kernel.bias);
                    for (ky, weights) in kernel.weights.iter().enumerate() {
                        for (kx, &weight) in weights.iter().enumerate() {
                            let value = g.element(input, g.row(y, ky), g.column(x, kx), c).unwrap_or(kernel.padding);
                            acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                        }
                    }
                    *out = epilogue.reference(acc, kernel.multiplier, second, index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::nines::Nine;
    use crate::operators::testing::{channel_numbers, int8s, rows_equal_reference};
    use crate::requantize::{HIGH_WORD_SHIFT, Requantizer};
    use proptest::prelude::*;
    use std::vec::Vec;

    prop_compose! {
        /// Windows that fit, of any stride over rows.
        fn geometries()(
            rows in 1u32..9, columns in 2u32..12, channels in 1usize..9, stride in (1u32..4, 1u32..3),
            pad in (0u32..3, 0u32..2), right in 0u32..2,
        ) -> Geometry {
            let rows_out = (rows + pad.0 - 1) / stride.0 + 1;
            let columns_out = (columns + pad.1 + right).saturating_sub(3) / stride.1 + 1;
            Geometry {
                rows_in: rows, columns_in: columns, channels_in: channels, rows_out, columns_out, channels_out: channels,
                kernel: [3, 3], stride: [stride.0, stride.1], upsampling: 1, dilation: [1, 1], pad: [pad.0, pad.1],
            }
        }
    }

    proptest! {
        #[test]
        fn rows_equal_the_reference(geometry in geometries(), seed in any::<u64>()) {
            let mut bytes = int8s(seed);
            let (bias, multiplier, _) = channel_numbers(seed, geometry.channels_out, 9);
            let words: Vec<u32> = bias.iter().zip(multiplier).flat_map(|(&bias, multiplier)| {
                let mut row = || bytes(3).try_into().unwrap();
                let weights = [row(), row(), row()];
                Nine { bias, multiplier: (multiplier >> 12).max(1), weights, padding: bytes(1)[0] }.pack()
            }).collect();
            let requantizer = Requantizer::new(HIGH_WORD_SHIFT, bytes(1)[0].into(), -128, 120).unwrap();
            let operator = Depthwise3::new(geometry, &words, requantizer.into()).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }

    #[test]
    fn other_windows_are_refused() {
        let geometry = Geometry {
            rows_in: 5,
            columns_in: 5,
            channels_in: 2,
            rows_out: 5,
            columns_out: 5,
            channels_out: 2,
            kernel: [3, 3],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [1, 1],
        };
        assert!(Depthwise3::fits(&geometry));
        assert!(!Depthwise3::fits(&Geometry { kernel: [3, 1], ..geometry }));
        assert!(!Depthwise3::fits(&Geometry { stride: [1, 3], ..geometry }));
        assert!(!Depthwise3::fits(&Geometry { dilation: [1, 2], ..geometry }));
        assert!(!Depthwise3::fits(&Geometry { pad: [1, 2], ..geometry }));
        assert!(!Depthwise3::fits(&Geometry { columns_out: 6, ..geometry }));
    }
}
