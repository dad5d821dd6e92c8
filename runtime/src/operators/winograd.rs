//! Convolution of 3×3 taps by Winograd's minimal filtering, see [`crate::kernels::tiles`].

use super::RowOperator;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::layer::{HoldsLayer, Kind, Layer, Pixel};
use super::padding::Padding;
use super::rows::RowWindow;
use crate::kernels::tiles::PackedTiles;
use crate::kernels::{Output, multiply_tiles, transform};

/// Output columns of two tiles, and input columns under them.
const COLUMNS_OUT: usize = 4;
const COLUMNS_IN: usize = 6;
/// Words of the transformed tiles of a kernel row, for each channel.
const WORDS: usize = 4;

/// What a [`Convolution`](super::Convolution) computes, from two thirds of the products.
///
/// Biases, weights and multipliers are [`PackedTiles`].
#[derive(Clone, Copy, Debug)]
pub struct Winograd<L>(pub(in crate::operators) L);

impl<'p> Winograd<Layer<'p>> {
    pub(super) const KIND: Kind = Kind { words: Self::words, columns: true, pixel: Pixel::Any };

    /// Whether it computes a convolution, of one group, of this geometry.
    pub fn fits(geometry: &Geometry) -> bool {
        geometry.kernel == [3, 3]
            && geometry.stride[1] == 1
            && geometry.dilation[1] == 1
            && geometry.upsampling == 1
            && (geometry.columns_out as usize | geometry.channels_in | geometry.channels_out) & 3 == 0
    }

    /// Number of packed words; `None` where the geometry does not fit.
    fn words(geometry: &Geometry, groups: usize) -> Option<usize> {
        PackedTiles::len(geometry.channels_in, geometry.channels_out).filter(|_| groups == 1 && Self::fits(geometry))
    }

    /// A convolution over the geometry's shapes; `None` where they do not fit.
    pub fn new(geometry: Geometry, words: &'p [u32], epilogue: Epilogue, padding: Padding<'p>) -> Option<Self> {
        Layer::new(geometry, 1, words, epilogue, padding, &Self::KIND).map(Self)
    }
}

impl<L: HoldsLayer> Winograd<L> {
    fn tiles(&self) -> Option<PackedTiles<'_>> {
        let Layer { geometry, words, .. } = self.0.layer();
        PackedTiles::new(words, geometry.channels_in, geometry.channels_out)
    }

    /// Transforms the columns under two tiles, from column `first` on, in all kernel rows.
    #[inline(never)]
    fn transform(&self, window: &RowWindow<'_>, first: i32, scratch: &mut [u32]) {
        let &Geometry { channels_in: channels, kernel: [taps, _], .. } = &self.0.layer().geometry;
        let words = channels.wrapping_mul(WORDS);
        let start = (first as usize).wrapping_mul(channels);
        let end = start.wrapping_add(channels.wrapping_mul(COLUMNS_IN));
        let Some((mut tiles, strip)) = scratch.split_at_mut_checked(words.wrapping_mul(taps)) else { return };
        let strip: &mut [i8] = bytemuck::must_cast_slice_mut(strip);
        for ky in 0..taps {
            let row = window.tap(ky);
            let inside = row.and_then(|row| row.get(start..end));
            let columns = inside.unwrap_or_else(|| {
                self.strip(row, first, strip);
                strip
            });
            transform(columns, channels, tiles);
            tiles = tiles.get_mut(words..).unwrap_or_default();
        }
    }

    /// The columns under two tiles where not all of them are there: what is in the padding is filled.
    #[inline(never)]
    fn strip(&self, row: Option<&[i8]>, first: i32, strip: &mut [i8]) {
        let channels = self.0.layer().geometry.channels_in.max(1);
        for (column, out) in strip.chunks_exact_mut(channels).enumerate() {
            // Wraps in the padding on the left, to behind the last column.
            let start = (first as usize).wrapping_add(column).wrapping_mul(channels);
            match row.and_then(|row| row.get(start..start.wrapping_add(channels))) {
                Some(pixel) => out.copy_from_slice(pixel),
                None => self.0.layer().padding.fill(0, out),
            }
        }
    }
}

impl<L: HoldsLayer> RowOperator for Winograd<L> {
    fn geometry(&self) -> &Geometry {
        &self.0.layer().geometry
    }

    fn scratch_words(&self) -> usize {
        // Packed weights of so many channels are in the plan: nothing overflows.
        let channels = self.0.layer().geometry.channels_in;
        channels.wrapping_mul(3 * WORDS).wrapping_add(channels.wrapping_mul(COLUMNS_IN) >> 2)
    }

    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let Layer { geometry: g, epilogue, .. } = self.0.layer();
        if epilogue.is_closed(window.second(), out) {
            return;
        }
        let (stride, zero_point) = (g.channels_out, epilogue.zero_point());
        let Some(tiles) = &self.tiles() else { return };
        let mut x = 0usize;
        while x < g.columns_out as usize {
            self.transform(window, g.column(x, 0), scratch);
            let elements = out.get_mut(x.wrapping_mul(stride)..).unwrap_or_default();
            multiply_tiles(tiles, scratch, &mut Output { elements, stride, zero_point });
            x = x.wrapping_add(COLUMNS_OUT);
        }
        epilogue.finish(window, out);
    }

    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
        let Layer { geometry: g, epilogue, padding, .. } = self.0.layer();
        let Some(tiles) = self.tiles().filter(|_| !epilogue.is_closed(second, output)) else { return };
        for (index, out) in output.iter_mut().enumerate() {
            let (y, x, o) = g.output_place(index);
            let mut acc = i64::from(tiles.bias(o));
            for [ky, kx] in (0..3).flat_map(|ky| [0, 1, 2].map(|kx| [ky, kx])) {
                for i in 0..g.channels_in {
                    let value = g.element(input, g.row(y, ky), g.column(x, kx), i);
                    let value = value.map_or(padding.value(i), i32::from);
                    acc = acc.wrapping_add(i64::from(tiles.weight(o, [ky, kx], i)).wrapping_mul(value.into()));
                }
            }
            *out = epilogue.reference(acc, tiles.multiplier(o), second, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tiles::pack;
    use crate::operators::testing::{channel_numbers, int8s, rows_equal_reference};
    use crate::requantize::{HIGH_WORD_SHIFT, Requantizer};
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    prop_compose! {
        /// Windows that fit, of any stride and dilation over rows.
        fn geometries()(
            rows in 1u32..9, columns in 1u32..4, inputs in 1usize..4, outputs in 1usize..4, stride in 1u32..4,
            dilation in 1u32..3, pad in (0u32..3, 0u32..4), right in 0u32..3,
        ) -> Geometry {
            let columns = 4 * columns;
            let rows_out = (rows + pad.0 - 1) / stride + 1;
            Geometry {
                rows_in: rows, columns_in: (columns + 2).saturating_sub(pad.1 + right).max(1), channels_in: 4 * inputs,
                rows_out, columns_out: columns, channels_out: 4 * outputs,
                kernel: [3, 3], stride: [stride, 1], upsampling: 1, dilation: [dilation, 1], pad: [pad.0, pad.1],
            }
        }
    }

    proptest! {
        #[test]
        fn rows_equal_the_reference(geometry in geometries(), seed in any::<u64>(), per_channel in any::<bool>()) {
            let mut bytes = int8s(seed);
            let fan_in = 9 * geometry.channels_in;
            let (bias, multiplier, _) = channel_numbers(seed, geometry.channels_out, fan_in);
            let multiplier: Vec<i32> = multiplier.iter().map(|m| (m >> 12).max(1)).collect();
            let mut words = vec![0; PackedTiles::len(geometry.channels_in, geometry.channels_out).unwrap()];
            pack(&bytes(fan_in * geometry.channels_out), &bias, &multiplier, &mut words).unwrap();
            let requantizer = Requantizer::new(HIGH_WORD_SHIFT, bytes(1)[0].into(), -128, 120).unwrap();
            let pixel = bytes(geometry.channels_in);
            let padding = if per_channel { Padding::per_channel(&pixel) } else { Padding::uniform(pixel[0]) };
            let operator = Winograd::new(geometry, &words, requantizer.into(), padding).unwrap();
            rows_equal_reference(&operator, &mut bytes, None)?;
        }
    }
}
