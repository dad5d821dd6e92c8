//! Windows of two or three output pixels at a time, the fours of which stand in turn, for kernels without vectors.

use super::{Source, Windows};
use crate::kernels::{Matrix, Output, PAIRS, Runs, expand, multiply, multiply_one};
use crate::operators::padding::Padding;
use crate::operators::rows::RowWindow;

/// Words of scratch: expanded windows, padding pixel, windows as they are.
struct Parts {
    expanded: usize,
    padding: usize,
    plain: usize,
}

/// Most output pixels that are taken at once where `columns` are to go. One is left over only where there is but one.
#[inline(always)]
fn most(columns: usize) -> usize {
    match columns {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

impl Windows<'_> {
    /// Whether pieces of windows are whole fours.
    fn in_fours(&self) -> bool {
        self.inputs & 3 == 0
    }

    fn parts(&self) -> Parts {
        let steps = self.fan_in().unwrap_or(0).div_ceil(4);
        let pixels = most(self.geometry.columns_out as usize);
        let single = self.geometry.kernel == [1, 1];
        let plain = match (pixels, self.in_fours()) {
            (1, true) => usize::from(!single),
            (_, true) => 0,
            (pixels, false) => pixels,
        };
        Parts {
            expanded: if pixels == 1 { 0 } else { pixels.saturating_mul(steps) },
            padding: if single { 0 } else { self.inputs.div_ceil(4) },
            plain: plain.saturating_mul(steps),
        }
    }

    /// Words of scratch that [`Windows::multiply`] needs.
    pub fn scratch_words(&self) -> usize {
        let parts = self.parts();
        parts.expanded.saturating_add(parts.padding).saturating_add(parts.plain)
    }

    /// Multiplies all windows of a row. `out` starts at the group's first output channel.
    #[inline(never)]
    pub fn multiply(
        &self,
        window: &RowWindow<'_>,
        matrix: &Matrix<'_>,
        padding: &Padding<'_>,
        scratch: &mut [u32],
        mut out: Output<'_>,
    ) {
        let parts = self.parts();
        let Some((expanded, rest)) = scratch.split_at_mut_checked(parts.expanded) else { return };
        let Some((pad, plain)) = rest.split_at_mut_checked(parts.padding) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let plain: &mut [i8] = bytemuck::must_cast_slice_mut(plain);
        let padding = pad.get(..self.inputs).unwrap_or(&[]);
        let source = Source::new(*self, window, padding);
        let columns = self.geometry.columns_out as usize;
        // Windows that are copied first are better copied three at a time.
        let pairs = PAIRS && parts.plain == 0;
        let mut x = 0usize;
        while x < columns {
            let rest = columns.wrapping_sub(x);
            let pixels = if pairs && rest & 1 == 0 { 2 } else { most(rest) };
            if parts.plain > 0 {
                source.gather(x, pixels, matrix.steps().wrapping_mul(4), plain);
            }
            if pixels == 1 {
                multiply_one(matrix, if parts.plain > 0 { plain } else { source.pixel(x) }, &mut out);
            } else {
                if parts.plain > 0 {
                    let len = matrix.steps().wrapping_mul(4);
                    expand(&Runs { elements: plain, len, pitch: len, count: pixels }, pixels, expanded);
                } else {
                    source.expand(x, pixels, expanded);
                }
                multiply(pixels, matrix, expanded, &mut out);
            }
            let elements = core::mem::take(&mut out.elements);
            out.elements = elements.get_mut(pixels.wrapping_mul(out.stride)..).unwrap_or_default();
            x = x.wrapping_add(pixels);
        }
    }
}

impl Source<'_> {
    /// The pixel under a window of one tap.
    fn pixel(&self, x: usize) -> &[i8] {
        let Windows { geometry, first, inputs } = self.windows;
        let start = (geometry.column(x, 0) as usize).wrapping_mul(geometry.channels_in).wrapping_add(first);
        self.row(0).and_then(|row| row.get(start..start.wrapping_add(inputs))).unwrap_or(&[])
    }

    /// The windows of `pixels` output pixels from column `x` if they are pixels of the input.
    #[inline(always)]
    fn single(&self, x: usize, pixels: usize) -> Option<Runs<'_>> {
        let Windows { geometry, inputs, .. } = self.windows;
        let inside = self.inside.start <= x && x.wrapping_add(pixels) <= self.inside.end;
        let [row, ..] = self.held;
        let row = row.filter(|_| inside && geometry.kernel == [1, 1])?;
        let [pitch, start] = [geometry.stride[1] as usize, geometry.column(x, 0) as usize]
            .map(|columns| columns.wrapping_mul(geometry.channels_in));
        Some(Runs { elements: row.get(start..)?, len: inputs, pitch, count: pixels })
    }

    /// Expands the windows of `pixels` output pixels from column `x`.
    #[inline(never)]
    fn expand(&self, x: usize, pixels: usize, expanded: &mut [u32]) {
        if let Some(runs) = self.single(x, pixels) {
            return expand(&runs, pixels, expanded);
        }
        self.pieces(x, pixels, |pixel, at, runs| {
            let start = (at >> 2).wrapping_mul(pixels).wrapping_add(pixel);
            expand(&runs, pixels, expanded.get_mut(start..).unwrap_or(&mut []));
        });
    }
}
