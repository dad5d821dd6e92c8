//! Convolution: any kernel, stride, dilation, groups and padding.

use super::channels::{Channels, Padding};
use super::geometry::Geometry;
use super::rows::RowWindow;
use super::{Context, RowOperator, dot};
use crate::plan::PlanError;

/// `out[y, x, o] = requantize(bias[o] + Σ w[o, ky, kx, i] · in[row(y, ky), column(x, kx), group(o) + i])`.
///
/// Weights lie `[output][kernel row][kernel column][input of the group]`.
#[derive(Clone, Copy, Debug)]
pub struct Convolution<'p> {
    geometry: Geometry,
    inputs: usize,
    outputs: usize,
    weights: &'p [i8],
    channels: Channels<'p>,
    padding: Padding<'p>,
}

impl<'p> Convolution<'p> {
    /// A convolution of `groups` groups over the geometry's shapes; `None` where sizes do not match.
    pub fn new(
        geometry: Geometry,
        groups: usize,
        weights: &'p [i8],
        channels: Channels<'p>,
        padding: Padding<'p>,
    ) -> Option<Self> {
        let inputs = geometry.channels_in.checked_div(groups)?;
        let outputs = geometry.channels_out.checked_div(groups)?;
        let sound = inputs > 0
            && outputs > 0
            && inputs.checked_mul(groups)? == geometry.channels_in
            && outputs.checked_mul(groups)? == geometry.channels_out
            && weights.len() == Self::fan_in(&geometry, inputs)?.checked_mul(geometry.channels_out)?;
        sound.then_some(Self { geometry, inputs, outputs, weights, channels, padding })
    }

    fn fan_in(geometry: &Geometry, inputs: usize) -> Option<usize> {
        let [rows, columns] = geometry.kernel;
        rows.checked_mul(columns)?.checked_mul(inputs)
    }

    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry()?;
        let groups = usize::from(context.step.groups);
        let misfit = PlanError::Geometry(context.index);
        let inputs = geometry.channels_in.checked_div(groups).ok_or(misfit)?;
        let fan_in = Self::fan_in(&geometry, inputs).ok_or(misfit)?;
        let channels = Channels::decode(context, geometry.channels_out, fan_in)?;
        let weights = context.weights(fan_in.checked_mul(geometry.channels_out).ok_or(misfit)?)?;
        Self::new(geometry, groups, weights, channels, Padding::decode(context)?).ok_or(misfit)
    }

    /// Products of one kernel row with an input row, `first` being the input column of the first tap.
    #[inline]
    fn kernel_row(&self, weights: &[i8], row: Option<&[i8]>, x: usize, group: usize) -> i32 {
        let Some(row) = row else { return self.padding.dot(weights, group, self.inputs) };
        let [_, taps] = self.geometry.kernel;
        let (first, end) = (self.geometry.column(x, 0), self.geometry.column(x, taps.wrapping_sub(1)));
        let width = i64::from(self.geometry.columns_in);
        let whole_pixels = self.inputs == self.geometry.channels_in && self.geometry.dilation[1] == 1;
        if whole_pixels && first >= 0 && end < width {
            let start = (first as usize).wrapping_mul(self.inputs);
            return dot(weights, row.get(start..).unwrap_or(&[]));
        }
        let mut acc = 0i32;
        for (k, tap) in weights.chunks_exact(self.inputs.max(1)).enumerate() {
            let column = self.geometry.column(x, k);
            let products = if (0..width).contains(&column) {
                let start = (column as usize).wrapping_mul(self.geometry.channels_in).wrapping_add(group);
                dot(tap, row.get(start..).unwrap_or(&[]))
            } else {
                self.padding.dot(tap, group, self.inputs)
            };
            acc = acc.wrapping_add(products);
        }
        acc
    }
}

impl RowOperator for Convolution<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let [_, taps] = self.geometry.kernel;
        let kernel_row = taps.wrapping_mul(self.inputs).max(1);
        let kernel = kernel_row.wrapping_mul(self.geometry.kernel[0]).max(1);
        for (x, pixel) in out.chunks_exact_mut(self.geometry.channels_out.max(1)).enumerate() {
            let mut kernels = self.weights.chunks_exact(kernel);
            let mut channels = self.channels.iter();
            for (g, outputs) in pixel.chunks_exact_mut(self.outputs.max(1)).enumerate() {
                let group = g.wrapping_mul(self.inputs);
                for ((out, weights), (bias, multiplier)) in outputs.iter_mut().zip(&mut kernels).zip(&mut channels) {
                    let mut acc = bias;
                    for (k, weights) in weights.chunks_exact(kernel_row).enumerate() {
                        acc = acc.wrapping_add(self.kernel_row(weights, window.tap(k), x, group));
                    }
                    *out = self.channels.requantizer.apply(acc, multiplier);
                }
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let [kernel_rows, kernel_columns] = g.kernel;
        let mut outputs = output.iter_mut();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for (o, (bias, multiplier)) in self.channels.iter().enumerate() {
                    let group = o.checked_div(self.outputs).unwrap_or(0).wrapping_mul(self.inputs);
                    let mut acc = i64::from(bias);
                    let mut weights = self
                        .weights
                        .iter()
                        .skip(o.wrapping_mul(kernel_rows).wrapping_mul(kernel_columns).wrapping_mul(self.inputs));
                    for ky in 0..kernel_rows {
                        for kx in 0..kernel_columns {
                            for i in group..group.wrapping_add(self.inputs) {
                                let value = g.element(input, g.row(y, ky), g.column(x, kx), i);
                                let value = value.map_or(self.padding.value(i), i32::from);
                                let weight = weights.next().copied().unwrap_or(0);
                                acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                            }
                        }
                    }
                    if let Some(out) = outputs.next() {
                        *out = self.channels.requantizer.apply(acc as i32, multiplier);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::{channel_numbers, geometries, int8s, rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (geometry, groups) in geometries(1..=3, true), seed in any::<u64>(), per_channel in any::<bool>(),
        ) {
            let mut bytes = int8s(seed);
            let fan_in = geometry.channels_in / groups * geometry.kernel[0] * geometry.kernel[1];
            let weights = bytes(fan_in * geometry.channels_out);
            let (bias, multiplier, requantizer) = channel_numbers(seed, geometry.channels_out, fan_in);
            let pixel = bytes(geometry.channels_in);
            let padding = if per_channel { Padding::per_channel(&pixel) } else { Padding::uniform(pixel[0]) };
            let channels = Channels { bias: &bias, multiplier: &multiplier, requantizer };
            let operator = Convolution::new(geometry, groups, &weights, channels, padding).unwrap();
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
            dilation: [1, 1],
            pad: [0, 0],
        };
        let (bias, multiplier, requantizer) = channel_numbers(1, 4, 4);
        let channels = Channels { bias: &bias, multiplier: &multiplier, requantizer };
        let padding = Padding::uniform(0);
        assert!(Convolution::new(geometry, 1, &[0; 16], channels, padding).is_some());
        assert!(Convolution::new(geometry, 1, &[0; 15], channels, padding).is_none());
        assert!(Convolution::new(geometry, 3, &[0; 16], channels, padding).is_none());
        assert!(Convolution::new(geometry, 0, &[0; 16], channels, padding).is_none());
    }
}
