//! Windows of two or three output pixels at a time, the fours of which stand in turn, for kernels without vectors.

use super::{Layout, Source, Windows};
use crate::kernels::{Matrix, Output, PAIRS, Runs, gather, multiply, multiply_one};
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
        _ if !cfg!(feature = "columns") => 1,
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

/// Output pixels that are taken at once where `columns` are to go. Windows that are `copied` first are better taken by three.
#[inline(always)]
fn taken(columns: usize, copied: bool) -> usize {
    let most = most(columns);
    if PAIRS && !copied && columns & 1 == 0 { most.min(2) } else { most }
}

/// Multiplies `runs.count` pixels, each of so many activations as the matrix has steps of four.
#[inline(never)]
fn multiply_runs(runs: &Runs<'_>, matrix: &Matrix<'_>, expanded: &mut [u32], out: &mut Output<'_>) {
    if runs.count == 1 || !cfg!(feature = "columns") {
        return multiply_one(matrix, runs.get(0), out);
    }
    Layout::Expanded { out: expanded, pixels: runs.count }.place(0, 0, runs);
    multiply(runs.count, matrix, expanded, out);
}

impl Windows<'_> {
    /// Whether pieces of windows are whole fours.
    fn in_fours(&self) -> bool {
        self.inputs & 3 == 0
    }

    #[inline(never)]
    fn parts(&self) -> Parts {
        // A packed matrix of so many steps is in the plan: nothing overflows.
        let [rows, columns] = self.geometry.kernel;
        let steps = rows.wrapping_mul(columns).wrapping_mul(self.inputs).div_ceil(4);
        let pixels = most(self.geometry.columns_out as usize);
        let single = self.geometry.kernel == [1, 1];
        let plain = match (pixels, self.in_fours()) {
            (1, true) => usize::from(!single),
            (_, true) => 0,
            (pixels, false) => pixels,
        };
        Parts {
            expanded: if pixels == 1 { 0 } else { pixels.wrapping_mul(steps) },
            padding: if single { 0 } else { self.inputs.div_ceil(4) },
            plain: plain.wrapping_mul(steps),
        }
    }

    /// Words of scratch that [`Windows::multiply`] and [`Windows::multiply_pixels`] need.
    pub fn scratch_words(&self) -> usize {
        let parts = self.parts();
        parts.expanded.wrapping_add(parts.padding).wrapping_add(parts.plain)
    }

    /// Multiplies the pixels under windows of one tap. `out` starts at the group's first output channel.
    #[inline(never)]
    pub fn multiply_pixels(
        &self,
        window: &RowWindow<'_>,
        matrix: &Matrix<'_>,
        scratch: &mut [u32],
        mut out: Output<'_>,
    ) {
        let parts = self.parts();
        let Some((expanded, plain)) = scratch.split_at_mut_checked(parts.expanded) else { return };
        let plain: &mut [i8] = bytemuck::must_cast_slice_mut(plain);
        // Without padding they lie in the row: the geometry says so.
        let mut row = window.tap(0).and_then(|row| row.get(self.first..)).unwrap_or(&[]);
        let pitch = self.geometry.channels_in.wrapping_mul(self.geometry.stride[1] as usize);
        let len = matrix.steps().wrapping_mul(4);
        let mut columns = self.geometry.columns_out as usize;
        while columns > 0 {
            let count = taken(columns, !self.in_fours());
            let mut runs = Runs { elements: row, len: self.inputs, pitch, count };
            if !self.in_fours() {
                gather(&runs, len, plain);
                runs = Runs { elements: plain, len, pitch: len, count };
            }
            multiply_runs(&runs, matrix, expanded, &mut out);
            out.advance(count);
            row = row.get(count.wrapping_mul(pitch)..).unwrap_or(&[]);
            columns = columns.wrapping_sub(count);
        }
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
        if self.geometry.kernel == [1, 1] {
            return self.multiply_pixels(window, matrix, scratch, out);
        }
        let parts = self.parts();
        let Some((expanded, rest)) = scratch.split_at_mut_checked(parts.expanded) else { return };
        let Some((pad, plain)) = rest.split_at_mut_checked(parts.padding) else { return };
        let pad: &mut [i8] = bytemuck::must_cast_slice_mut(pad);
        padding.fill(self.first, pad);
        let plain: &mut [i8] = bytemuck::must_cast_slice_mut(plain);
        let source = Source::new(self, window, pad.get(..self.inputs).unwrap_or(&[]));
        let len = matrix.steps().wrapping_mul(4);
        let columns = self.geometry.columns_out as usize;
        let mut x = 0usize;
        while x < columns {
            let count = taken(columns.wrapping_sub(x), parts.plain > 0);
            if parts.plain > 0 {
                source.lay_out(x, count, &mut Layout::Plain { out: plain, len });
                multiply_runs(&Runs { elements: plain, len, pitch: len, count }, matrix, expanded, &mut out);
            } else {
                source.lay_out(x, count, &mut Layout::Expanded { out: expanded, pixels: count });
                multiply(count, matrix, expanded, &mut out);
            }
            out.advance(count);
            x = x.wrapping_add(count);
        }
    }
}
