//! Depthwise convolution: one kernel per channel.

use super::channels::{Channels, Padding};
use super::geometry::Geometry;
use super::rows::RowWindow;
use super::{Context, RowOperator};
use crate::plan::PlanError;

/// Channels computed together, so that a row is read in runs.
const BLOCK: usize = 16;

/// `out[y, x, c] = requantize(bias[c] + Σ w[ky, kx, c] · in[row(y, ky), column(x, kx), c])`.
///
/// Weights lie `[kernel row][kernel column][channel]`.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'p> {
    geometry: Geometry,
    weights: &'p [i8],
    channels: Channels<'p>,
    padding: Padding<'p>,
}

impl<'p> Depthwise<'p> {
    /// A depthwise convolution over the geometry's shapes; `None` where sizes do not match.
    pub fn new(geometry: Geometry, weights: &'p [i8], channels: Channels<'p>, padding: Padding<'p>) -> Option<Self> {
        let sound = geometry.channels_in == geometry.channels_out
            && weights.len() == Self::taps(&geometry)?.checked_mul(geometry.channels_in)?;
        sound.then_some(Self { geometry, weights, channels, padding })
    }

    fn taps(geometry: &Geometry) -> Option<usize> {
        geometry.kernel[0].checked_mul(geometry.kernel[1])
    }

    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let geometry = context.geometry()?;
        let misfit = PlanError::Geometry(context.index);
        let taps = Self::taps(&geometry).ok_or(misfit)?;
        let channels = Channels::decode(context, geometry.channels_out, taps)?;
        let weights = context.weights(taps.checked_mul(geometry.channels_in).ok_or(misfit)?)?;
        Self::new(geometry, weights, channels, Padding::decode(context)?).ok_or(misfit)
    }

    /// Computes `N` channels from channel `first` of output column `x`.
    #[inline(always)]
    fn block<const N: usize>(&self, window: &RowWindow<'_>, x: usize, first: usize, out: &mut [i8]) {
        let channels = self.geometry.channels_in;
        let numbers = |all: &[i32]| all.get(first..).and_then(|n| n.first_chunk::<N>()).copied().unwrap_or([0; N]);
        let mut acc = numbers(self.channels.bias);
        let mut tap = 0usize;
        for ky in 0..self.geometry.kernel[0] {
            let row = window.tap(ky);
            for kx in 0..self.geometry.kernel[1] {
                let start = tap.wrapping_mul(channels).wrapping_add(first);
                let weights = self.weights.get(start..).and_then(|w| w.first_chunk::<N>()).unwrap_or(&[0; N]);
                let pixel = usize::try_from(self.geometry.column(x, kx))
                    .ok()
                    .filter(|&c| c < self.geometry.columns_in as usize)
                    .and_then(|c| row?.get(c.wrapping_mul(channels).wrapping_add(first)..)?.first_chunk::<N>());
                match pixel {
                    Some(pixel) => {
                        for ((acc, &w), &v) in acc.iter_mut().zip(weights).zip(pixel) {
                            *acc = acc.wrapping_add(i32::from(w).wrapping_mul(v.into()));
                        }
                    }
                    None => {
                        for (c, (acc, &w)) in acc.iter_mut().zip(weights).enumerate() {
                            let padding = self.padding.value(first.wrapping_add(c));
                            *acc = acc.wrapping_add(i32::from(w).wrapping_mul(padding));
                        }
                    }
                }
                tap = tap.wrapping_add(1);
            }
        }
        for ((out, acc), multiplier) in out.iter_mut().zip(acc).zip(numbers(self.channels.multiplier)) {
            *out = self.channels.requantizer.apply(acc, multiplier);
        }
    }
}

impl RowOperator for Depthwise<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        for (x, pixel) in out.chunks_exact_mut(self.geometry.channels_out.max(1)).enumerate() {
            let mut first = 0usize;
            let mut blocks = pixel.chunks_exact_mut(BLOCK);
            for block in &mut blocks {
                self.block::<BLOCK>(window, x, first, block);
                first = first.wrapping_add(BLOCK);
            }
            for out in blocks.into_remainder().chunks_exact_mut(1) {
                self.block::<1>(window, x, first, out);
                first = first.wrapping_add(1);
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let mut outputs = output.iter_mut();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for (c, (bias, multiplier)) in self.channels.iter().enumerate() {
                    let mut acc = i64::from(bias);
                    let mut weights = self.weights.iter().skip(c).step_by(g.channels_in.max(1));
                    for ky in 0..g.kernel[0] {
                        for kx in 0..g.kernel[1] {
                            let value = g.element(input, g.row(y, ky), g.column(x, kx), c);
                            let value = value.map_or(self.padding.value(c), i32::from);
                            let weight = weights.next().copied().unwrap_or(0);
                            acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
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
            (mut geometry, _) in geometries(1..=40, false), seed in any::<u64>(), per_channel in any::<bool>(),
        ) {
            geometry.channels_out = geometry.channels_in;
            let taps = geometry.kernel[0] * geometry.kernel[1];
            let mut bytes = int8s(seed);
            let weights = bytes(taps * geometry.channels_in);
            let (bias, multiplier, requantizer) = channel_numbers(seed, geometry.channels_out, taps);
            let pixel = bytes(geometry.channels_in);
            let padding = if per_channel { Padding::per_channel(&pixel) } else { Padding::uniform(pixel[0]) };
            let channels = Channels { bias: &bias, multiplier: &multiplier, requantizer };
            let operator = Depthwise::new(geometry, &weights, channels, padding).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }
}
