//! Convolution: any kernel, stride, dilation, groups and padding.

use super::RowOperator;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::layer::{HoldsLayer, Kind, Layer, Pixel};
use super::padding::Padding;
use super::rows::RowWindow;
use super::windows::{self, Windows};
use crate::kernels::{Matrix, Output};

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, ky, kx, i] · in[row(y, ky), column(x, kx), group(o) + i])`.
///
/// Biases, weights and multipliers are a [`Matrix`] for each group, one behind the other, whose inputs are
/// `[kernel row][kernel column][input of the group]`.
#[derive(Clone, Copy, Debug)]
pub struct Convolution<L>(pub(in crate::operators) L);

impl<'p> Convolution<Layer<'p>> {
    pub(super) const KIND: Kind = Kind { words: Self::words, columns: true, pixel: Pixel::Any };

    /// Number of packed words of a convolution of `groups` groups; `None` where the channels are no multiple.
    pub fn words(geometry: &Geometry, groups: usize) -> Option<usize> {
        let [inputs, outputs] = Self::sizes(geometry, groups)?;
        let whole = inputs.wrapping_mul(groups) == geometry.channels_in
            && outputs.wrapping_mul(groups) == geometry.channels_out
            && inputs > 0
            && outputs > 0;
        let fan_in = Windows { geometry, first: 0, inputs }.fan_in()?;
        Matrix::len(fan_in, outputs)?.checked_mul(groups).filter(|_| whole)
    }

    /// Input and output channels of a group.
    fn sizes(geometry: &Geometry, groups: usize) -> Option<[usize; 2]> {
        Some([geometry.channels_in.checked_div(groups)?, geometry.channels_out.checked_div(groups)?])
    }

    /// A convolution of `groups` groups over the geometry's shapes; `None` where sizes do not match.
    pub fn new(
        geometry: Geometry,
        groups: usize,
        words: &'p [u32],
        epilogue: Epilogue,
        padding: Padding<'p>,
    ) -> Option<Self> {
        Layer::new(geometry, groups, words, epilogue, padding, &Self::KIND).map(Self)
    }
}

impl<L: HoldsLayer> Convolution<L> {
    /// Windows, matrix and first output channel of a group; `None` past the last.
    #[inline(never)]
    fn group(&self, group: usize) -> Option<(Windows<'_>, Matrix<'_>, usize)> {
        let Layer { geometry, groups, words, .. } = self.0.layer();
        let [inputs, outputs] = Convolution::sizes(geometry, *groups)?;
        let windows = Windows { geometry, first: group.wrapping_mul(inputs), inputs };
        let fan_in = windows.fan_in()?;
        let len = Matrix::len(fan_in, outputs)?;
        let (_, rest) = words.split_at_checked(group.wrapping_mul(len))?;
        Some((windows, Matrix::new(rest.get(..len)?, fan_in, outputs)?, group.wrapping_mul(outputs)))
    }
}

impl<L: HoldsLayer> RowOperator for Convolution<L> {
    fn geometry(&self) -> &Geometry {
        &self.0.layer().geometry
    }

    fn scratch_words(&self) -> usize {
        let Layer { geometry, groups, .. } = self.0.layer();
        windows::scratch_words(geometry, *groups)
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let Layer { geometry, epilogue, padding, .. } = self.0.layer();
        if epilogue.is_closed(window.second(), out) {
            return;
        }
        let (stride, zero_point) = (geometry.channels_out, epilogue.zero_point());
        for group in 0..self.0.layer().groups {
            let Some((windows, matrix, first)) = &self.group(group) else { continue };
            let output = Output { elements: out.get_mut(*first..).unwrap_or(&mut []), stride, zero_point };
            windows.multiply(window, matrix, padding, scratch, output);
        }
        epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let Layer { geometry: g, groups, epilogue, padding, .. } = self.0.layer();
        if epilogue.is_closed(second, output) {
            return;
        }
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for (windows, matrix, _) in (0..*groups).filter_map(|group| self.group(group)) {
                    for o in 0..matrix.channels() {
                        let mut acc = i64::from(matrix.bias(o));
                        let mut k = 0usize;
                        for ky in 0..g.kernel[0] {
                            for kx in 0..g.kernel[1] {
                                for i in windows.first..windows.first.wrapping_add(windows.inputs) {
                                    let value = g.element(input, g.row(y, ky), g.column(x, kx), i);
                                    let value = value.map_or(padding.value(i), i32::from);
                                    let weight = i64::from(matrix.weight(o, k));
                                    acc = acc.wrapping_add(weight.wrapping_mul(value.into()));
                                    k = k.wrapping_add(1);
                                }
                            }
                        }
                        if let Some((index, out)) = outputs.next() {
                            *out = epilogue.reference(acc, matrix.multiplier(o), second, index);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{geometries, int8s, packed, rows_equal_reference};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (geometry, groups) in geometries(1..=9, true), seed in any::<u64>(), per_channel in any::<bool>(),
        ) {
            let mut bytes = int8s(seed);
            let fan_in = geometry.channels_in / groups * geometry.kernel[0] * geometry.kernel[1];
            let matrices = (0..groups as u64).map(|g| packed(seed ^ g, geometry.channels_out / groups, fan_in));
            let matrices: Vec<_> = matrices.collect();
            let words: Vec<u32> = matrices.iter().flat_map(|(words, _)| words.iter().copied()).collect();
            let pixel = bytes(geometry.channels_in);
            let padding = if per_channel { Padding::per_channel(&pixel) } else { Padding::uniform(pixel[0]) };
            let operator = Convolution::new(geometry, groups, &words, matrices[0].1.into(), padding).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }

    #[test]
    fn sizes_that_do_not_match_are_refused() {
        let geometry = Geometry {
            rows_in: 4,
            columns_in: 4,
            channels_in: 4,
            rows_out: 4,
            columns_out: 4,
            channels_out: 4,
            kernel: [1, 1],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [0, 0],
        };
        let (words, requantizer) = packed(1, 4, 4);
        let new = |groups, words| Convolution::new(geometry, groups, words, requantizer.into(), Padding::uniform(0));
        assert!(new(1, &words).is_some());
        assert!(new(1, &words[1..]).is_none());
        assert!(new(3, &words).is_none());
        assert!(new(0, &words).is_none());
    }
}
