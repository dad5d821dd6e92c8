//! Convolutions of 3×3 taps, two tiles at a time, see [`crate::kernels::tiles`].

use crate::kernels::Output;
use crate::kernels::tiles::{FORMS, PackedTiles};
use crate::requantize::high_word;

/// Transforms the six columns of `channels` int8 (a multiple of 4) under two tiles beside each other, for a kernel row: the words of each
/// step, form by form, the tiles in turn.
pub fn transform(columns: &[i8], channels: usize, out: &mut [u32]) {
    let value = |column: usize, channel: usize| {
        columns.get(column.wrapping_mul(channels).wrapping_add(channel)).copied().map_or(0, i16::from)
    };
    for (step, out) in out.as_chunks_mut::<{ 2 * FORMS }>().0.iter_mut().enumerate().take(channels >> 1) {
        let channel = (step >> 1).wrapping_mul(4).wrapping_add(step & 1);
        for (place, out) in out.iter_mut().enumerate() {
            let lane = |channel: usize| {
                let d = |column: usize| value((place & 1).wrapping_mul(2).wrapping_add(column), channel);
                let form = match place >> 1 {
                    0 => d(1).wrapping_add(d(2)),
                    1 => d(2).wrapping_sub(d(1)),
                    2 => d(0).wrapping_sub(d(2)),
                    _ => d(3).wrapping_sub(d(1)),
                };
                u32::from(form as u16)
            };
            *out = lane(channel) | lane(channel.wrapping_add(2)) << 16;
        }
    }
}

/// Multiplies two transformed tiles beside each other, four output pixels, with all channels.
pub fn multiply_tiles(weights: &PackedTiles<'_>, tiles: &[u32], out: &mut Output<'_>) {
    for (index, block) in weights.blocks().enumerate() {
        for (c, (init, multiplier)) in block.init.into_iter().zip(block.multiplier).enumerate() {
            let channel = index.wrapping_mul(4).wrapping_add(c);
            for tile in 0..2usize {
                let mut forms = block.weights.chunks_exact(weights.steps().wrapping_mul(4).max(1)).enumerate();
                let mut sum = || {
                    let (form, weights) = forms.next().unwrap_or_default();
                    let place = form.wrapping_mul(2).wrapping_add(tile);
                    let weights = weights.as_chunks::<4>().0.iter().filter_map(|weights| weights.get(c));
                    let tiles = tiles.as_chunks::<{ 2 * FORMS }>().0.iter().filter_map(|tiles| tiles.get(place));
                    weights.zip(tiles).fold(0, |sum, (&weight, &tile)| dual(sum, weight, tile))
                };
                let [sums, differences, first, last] = [sum(), sum(), sum(), sum()];
                let pixels = [
                    sums.wrapping_add(differences).wrapping_add(first.wrapping_mul(2)),
                    sums.wrapping_sub(differences).wrapping_add(last.wrapping_mul(2)),
                ];
                for (side, twice) in pixels.into_iter().enumerate() {
                    let at = tile.wrapping_mul(2).wrapping_add(side).wrapping_mul(out.stride).wrapping_add(channel);
                    if let Some(out_element) = out.elements.get_mut(at) {
                        *out_element = high_word(init.wrapping_add(twice << 7), multiplier, out.zero_point);
                    }
                }
            }
        }
    }
}

/// Adds the products of both lanes.
#[inline(always)]
fn dual(sum: i32, a: u32, b: u32) -> i32 {
    let product = |a: u32, b: u32| i32::from(a as i16).wrapping_mul((b as i16).into());
    sum.wrapping_add(product(a, b)).wrapping_add(product(a >> 16, b >> 16))
}
