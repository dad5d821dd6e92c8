//! Bytes that are read and written in one inference: what makes a buffer worth fast memory.

use residua::operators::geometry::Geometry;

/// A step as traffic sees it.
pub struct Reads<'a> {
    /// Its shapes and window.
    pub geometry: &'a Geometry,
    /// Whether it takes each input row once, into sums.
    pub accumulates: bool,
    /// The value that its window moves over.
    pub input: usize,
    /// The value of which it reads the row that it writes.
    pub second: Option<usize>,
}

/// Rows read of each of `values` values: those of a window once for each row that the step writes.
pub fn rows_read<'a>(values: usize, steps: impl IntoIterator<Item = Reads<'a>>) -> Vec<u64> {
    let mut rows = vec![0u64; values];
    for step in steps {
        let g = step.geometry;
        let of_input = if step.accumulates { g.rows_in.into() } else { window_rows(g) };
        for (value, read) in [(Some(step.input), of_input), (step.second, g.rows_out.into())] {
            if let Some(rows) = value.and_then(|v| rows.get_mut(v)) {
                *rows = rows.saturating_add(read);
            }
        }
    }
    rows
}

/// Taps over all output rows that meet a row of the input.
fn window_rows(g: &Geometry) -> u64 {
    let ([taps, _], [stride, _], [dilation, _], [pad, _]) = (g.kernel, g.stride, g.dilation, g.pad);
    let upsampling = g.upsampling.max(1);
    let steps = i64::from(g.rows_out.div_ceil(upsampling));
    let (stride, dilation, pad) = (i64::from(stride.max(1)), i64::from(dilation), i64::from(pad));
    let of_tap = |tap: i64| {
        // Steps y of the window with 0 <= y · stride − pad + tap · dilation < rows in.
        let shift = pad - tap * dilation;
        let first = (shift.max(0) + stride - 1) / stride;
        let last = (i64::from(g.rows_in) - 1 + shift).div_euclid(stride).min(steps - 1);
        (last - first + 1).max(0) as u64
    };
    (0..taps as i64).map(of_tap).sum::<u64>().saturating_mul(upsampling.into())
}

/// Bytes read and written of a value's ring and of its head. The newest row is read in the head once, and moves from there to
/// the ring, if there is one.
pub fn of_value(row_len: usize, rows: u64, read: u64, head: bool, ring: bool) -> [u64; 2] {
    let newest = if head { rows.min(read) } else { 0 };
    let moved = if head && ring { rows } else { 0 };
    let in_ring = if ring { rows.saturating_add(read - newest) } else { 0 };
    let in_head = if head { rows.saturating_add(newest).saturating_add(moved) } else { 0 };
    [in_ring, in_head].map(|rows| rows.saturating_mul(row_len as u64))
}

/// Bytes read and written of a step's sums: all of them for each input row.
pub fn of_sums(bytes: usize, rows_in: u32) -> u64 {
    (bytes as u64).saturating_mul(2).saturating_mul(rows_in.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn taps_are_counted(
            rows_in in 1u32..20, steps in 1u32..20, upsampling in 1u32..4, taps in 1usize..6, stride in 1u32..4, dilation in 1u32..4, pad in 0u32..8,
        ) {
            let rows_out = steps * upsampling;
            let g = Geometry {
                rows_in, columns_in: 1, channels_in: 1, rows_out, columns_out: 1, channels_out: 1,
                kernel: [taps, 1], stride: [stride, 1], dilation: [dilation, 1], pad: [pad, 0],
                upsampling,
            };
            let inside = |&(y, k): &(u32, usize)| (0..i64::from(rows_in)).contains(&g.row(y, k));
            let count = (0..rows_out).flat_map(|y| (0..taps).map(move |k| (y, k))).filter(inside).count();
            prop_assert_eq!(window_rows(&g), count as u64);
        }
    }
}
