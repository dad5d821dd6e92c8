//! Depthwise convolution: one kernel per channel.

#[cfg(not(residua_mve))]
mod lanes;
#[cfg(residua_mve)]
mod vectors;

use super::RowOperator;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::layer::{HoldsLayer, Kind, Layer, Pixel};
use super::padding::Padding;
use super::rows::RowWindow;
use crate::kernels::ChannelTaps;
use crate::requantize::high_word;

/// Channels of a large kernel that are summed at once.
const BLOCK: usize = 8;

/// `out[y, x, c] = requantize(bias[c] + Σ w[ky, kx, c] · in[row(y, ky), column(x, kx), c])`.
///
/// Biases, weights and multipliers are [`ChannelTaps`], taps in the order `[kernel row][kernel column]`.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<L>(pub(in crate::operators) L);

#[cfg(not(residua_mve))]
pub use lanes::depthwise_scratch_words;
#[cfg(residua_mve)]
pub use vectors::depthwise_scratch_words;

impl<'p> Depthwise<Layer<'p>> {
    // Vectors are read from the padding as from a row.
    pub(super) const KIND: Kind =
        Kind { words: Self::words, columns: false, pixel: if cfg!(residua_mve) { Pixel::Always } else { Pixel::Any } };

    /// Number of packed words; `None` where sizes do not match.
    fn words(geometry: &Geometry, _groups: usize) -> Option<usize> {
        let len = ChannelTaps::len(Self::taps(geometry)?, geometry.channels_in);
        len.filter(|_| geometry.channels_in == geometry.channels_out)
    }

    fn taps(geometry: &Geometry) -> Option<usize> {
        geometry.kernel[0].checked_mul(geometry.kernel[1])
    }

    /// A depthwise convolution over the geometry's shapes; `None` where sizes do not match.
    pub fn new(geometry: Geometry, words: &'p [u32], epilogue: Epilogue, padding: Padding<'p>) -> Option<Self> {
        Layer::new(geometry, 1, words, epilogue, padding, &Self::KIND).map(Self)
    }
}

impl<L: HoldsLayer> Depthwise<L> {
    fn packed(&self) -> Option<ChannelTaps<'_>> {
        ChannelTaps::new(
            self.0.layer().words,
            Depthwise::taps(&self.0.layer().geometry)?,
            self.0.layer().geometry.channels_in,
        )
    }

    /// The pixels under the taps of output column `x`, in the kernel's order.
    #[inline(always)]
    fn pixels<'a>(&self, window: &RowWindow<'a>, padding: &'a [i8], x: usize) -> impl Iterator<Item = &'a [i8]> {
        let (g, channels) = (self.0.layer().geometry, self.0.layer().geometry.channels_in);
        let taps_across = g.kernel[1];
        let window = *window;
        (0..g.kernel[0]).flat_map(move |ky| {
            let row = window.tap(ky);
            (0..taps_across).map(move |kx| {
                let column = usize::try_from(g.column(x, kx)).ok().filter(|&c| c < g.columns_in as usize);
                let start = column.map(|column| column.wrapping_mul(channels));
                row.zip(start).and_then(|(row, start)| row.get(start..start.wrapping_add(channels))).unwrap_or(padding)
            })
        })
    }

    /// An output pixel of a kernel with more taps than [`Taps`] holds.
    #[inline(never)]
    fn large(&self, packed: &ChannelTaps<'_>, window: &RowWindow<'_>, padding: &[i8], x: usize, out: &mut [i8]) {
        // Rows are looked up once for several channels.
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let first = block.wrapping_mul(BLOCK);
            let mut channels: [_; BLOCK] = core::array::from_fn(|c| packed.channel(first.wrapping_add(c)));
            let mut sums = [0i32; BLOCK];
            for pixel in self.pixels(window, padding, x) {
                let values = pixel.get(first..).unwrap_or(&[]);
                for ((channel, sum), &value) in channels.iter_mut().zip(&mut sums).zip(values) {
                    let weight = channel.as_mut().and_then(|(_, weights, _)| weights.next()).unwrap_or(0);
                    *sum = sum.wrapping_add(i32::from(weight).wrapping_mul(value.into()));
                }
            }
            for ((out, channel), sum) in out.iter_mut().zip(channels).zip(sums) {
                if let Some((bias, _, multiplier)) = channel {
                    *out = high_word(bias.wrapping_add(sum) << 8, multiplier, self.0.layer().epilogue.zero_point());
                }
            }
        }
    }
}

impl<L: HoldsLayer> RowOperator for Depthwise<L> {
    fn geometry(&self) -> &Geometry {
        &self.0.layer().geometry
    }

    fn scratch_words(&self) -> usize {
        depthwise_scratch_words(&self.0.layer().geometry)
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let epilogue = &self.0.layer().epilogue;
        if epilogue.is_closed(window.second(), out) {
            return;
        }
        if let Some(packed) = &self.packed() {
            self.compute(packed, window, scratch, out);
        }
        epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let Layer { geometry: g, epilogue, padding, .. } = self.0.layer();
        let Some(packed) = self.packed().filter(|_| !epilogue.is_closed(second, output)) else { return };
        let mut outputs = output.iter_mut().enumerate();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for c in 0..g.channels_out {
                    let (Some((bias, mut weights, multiplier)), Some((index, out))) =
                        (packed.channel(c), outputs.next())
                    else {
                        continue;
                    };
                    let mut acc = i64::from(bias);
                    for ky in 0..g.kernel[0] {
                        for kx in 0..g.kernel[1] {
                            let value = g.element(input, g.row(y, ky), g.column(x, kx), c);
                            let value = value.map_or(padding.value(c), i32::from);
                            let weight = weights.next().unwrap_or(0);
                            acc = acc.wrapping_add(i64::from(value).wrapping_mul(weight.into()));
                        }
                    }
                    *out = epilogue.reference(acc, multiplier, second, index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::taps::{PackedTaps, pack_taps};
    use crate::operators::testing::{channel_numbers, geometries, int8s, rows_equal_reference};
    use crate::requantize::{HIGH_WORD_SHIFT, Requantizer};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (mut geometry, _) in geometries(1..=40, false), seed in any::<u64>(), per_channel in any::<bool>(),
            large in any::<bool>(),
        ) {
            geometry.channels_out = geometry.channels_in;
            if large {
                // More taps than are held at once, most of them in the padding below.
                geometry.kernel[0] += 16;
            }
            let taps = geometry.kernel[0] * geometry.kernel[1];
            let mut bytes = int8s(seed);
            let weights = bytes(taps * geometry.channels_in);
            let (bias, multiplier, _) = channel_numbers(seed, geometry.channels_out, taps);
            let multiplier: Vec<i32> = multiplier.iter().map(|m| (m >> 12).max(1)).collect();
            let mut words = std::vec![0; PackedTaps::len(taps, geometry.channels_in).unwrap()];
            pack_taps(&weights, &bias, &multiplier, &mut words).unwrap();
            let requantizer = Requantizer::new(HIGH_WORD_SHIFT, bytes(1)[0].into(), -128, 120).unwrap();
            let pixel = bytes(geometry.channels_in);
            let padding = if per_channel { Padding::per_channel(&pixel) } else { Padding::uniform(pixel[0]) };
            let operator = Depthwise::new(geometry, &words, requantizer.into(), padding).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }
}
