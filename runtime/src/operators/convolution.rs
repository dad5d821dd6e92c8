//! Convolution: any kernel, stride, dilation, groups and padding.

use super::epilogue::Epilogue;
use super::geometry::{Geometry, fits};
use super::padding::Padding;
use super::rows::RowWindow;
use super::windows::Windows;
use super::{Context, RowOperator};
use crate::kernels::{Matrix, Output};
use crate::plan::PlanError;

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, ky, kx, i] · in[row(y, ky), column(x, kx), group(o) + i])`.
///
/// Biases, weights and multipliers are a [`Matrix`] for each group, one behind the other, whose inputs are
/// `[kernel row][kernel column][input of the group]`.
#[derive(Clone, Copy, Debug)]
pub struct Convolution<'p> {
    geometry: Geometry,
    inputs: usize,
    outputs: usize,
    words: &'p [u32],
    groups: usize,
    epilogue: Epilogue,
    padding: Padding<'p>,
}

impl<'p> Convolution<'p> {
    /// Number of packed words of a convolution of `groups` groups; `None` where the channels are no multiple.
    pub fn words(geometry: &Geometry, groups: usize) -> Option<usize> {
        let (_, _, words) = Self::shape(geometry, groups)?;
        Some(words)
    }

    /// Inputs and outputs of a group, and packed words of all.
    fn shape(geometry: &Geometry, groups: usize) -> Option<(usize, usize, usize)> {
        let inputs = geometry.channels_in.checked_div(groups)?;
        let outputs = geometry.channels_out.checked_div(groups)?;
        let whole = inputs.wrapping_mul(groups) == geometry.channels_in
            && outputs.wrapping_mul(groups) == geometry.channels_out
            && inputs > 0
            && outputs > 0;
        let fan_in = Windows { geometry, first: 0, inputs }.fan_in()?;
        let words = Matrix::len(fan_in, outputs)?.checked_mul(groups)?;
        whole.then_some((inputs, outputs, words))
    }

    /// A convolution of `groups` groups over the geometry's shapes; `None` where sizes do not match.
    pub fn new(
        geometry: Geometry,
        groups: usize,
        words: &'p [u32],
        epilogue: Epilogue,
        padding: Padding<'p>,
    ) -> Option<Self> {
        let (inputs, outputs, len) = Self::shape(&geometry, groups)?;
        let sound = words.len() == len && epilogue.is_high_word();
        sound.then_some(Self { geometry, inputs, outputs, words, groups, epilogue, padding })
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry();
        context.linked()?;
        let groups = usize::from(context.step.groups);
        let (inputs, outputs, len) = Self::shape(&geometry, groups).ok_or(PlanError::Constants(context.index))?;
        let words = context.packed(Some(len))?;
        let (epilogue, padding) = (Epilogue::decode(context)?, Padding::decode(context)?);
        fits(epilogue.is_high_word(), context.index)?;
        Ok(Self { geometry, inputs, outputs, words, groups, epilogue, padding })
    }

    /// Windows and matrix of a group; `None` past the last.
    #[inline(never)]
    fn group(&self, group: usize) -> Option<(Windows<'_>, Matrix<'p>)> {
        let windows = Windows { geometry: &self.geometry, first: group.wrapping_mul(self.inputs), inputs: self.inputs };
        let fan_in = windows.fan_in()?;
        let len = Matrix::len(fan_in, self.outputs)?;
        let (_, rest) = self.words.split_at_checked(group.wrapping_mul(len))?;
        Some((windows, Matrix::new(rest.get(..len)?, fan_in, self.outputs)?))
    }
}

impl RowOperator for Convolution<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn scratch_words(&self) -> usize {
        Windows { geometry: &self.geometry, first: 0, inputs: self.inputs }.scratch_words()
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        if self.epilogue.is_closed(window.second(), out) {
            return;
        }
        let (stride, zero_point) = (self.geometry.channels_out, self.epilogue.zero_point());
        for group in 0..self.groups {
            let Some((windows, matrix)) = &self.group(group) else { continue };
            let elements = out.get_mut(group.wrapping_mul(self.outputs)..).unwrap_or(&mut []);
            let output = Output { elements, stride, zero_point };
            windows.multiply(window, matrix, &self.padding, scratch, output);
        }
        self.epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        if self.epilogue.is_closed(second, output) {
            return;
        }
        let g = &self.geometry;
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for (windows, matrix) in (0..self.groups).filter_map(|group| self.group(group)) {
                    for o in 0..self.outputs {
                        let mut acc = i64::from(matrix.bias(o));
                        let mut k = 0usize;
                        for ky in 0..g.kernel[0] {
                            for kx in 0..g.kernel[1] {
                                for i in windows.first..windows.first.wrapping_add(self.inputs) {
                                    let value = g.element(input, g.row(y, ky), g.column(x, kx), i);
                                    let value = value.map_or(self.padding.value(i), i32::from);
                                    let weight = i64::from(matrix.weight(o, k));
                                    acc = acc.wrapping_add(weight.wrapping_mul(value.into()));
                                    k = k.wrapping_add(1);
                                }
                            }
                        }
                        if let Some((index, out)) = outputs.next() {
                            *out = self.epilogue.reference(acc, matrix.multiplier(o), second, index);
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
