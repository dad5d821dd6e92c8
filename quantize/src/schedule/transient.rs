//! The transient bytes of a segment: scratch of the step at work, and heads.

use super::wiring::Wiring;
use std::ops::Range;

/// Offsets of the heads of a segment, counted from the first transient byte, and how many bytes there are.
///
/// A head is live while its value is written and while the step behind reads it, beside the scratch of these steps, which
/// starts at the first byte. Consecutive heads lie alternately below and at the high end, as far up as they can, so that all
/// that is over is left to the scratch.
pub fn place(wiring: &Wiring<'_>, steps: &Range<usize>, heads: &[bool]) -> (Vec<(usize, usize)>, usize) {
    let written = wiring.written(steps);
    let scratch = steps.clone().map(|s| wiring.scratch_len(s)).max().unwrap_or(0);
    let len = written.clone().map(|v| heads_len(wiring, v, heads)).max().unwrap_or(0).max(scratch);
    let mut low = true;
    let mut offsets = Vec::new();
    for v in written {
        if !heads[v] {
            low = true;
            continue;
        }
        let above = |other: usize| if heads.get(other) == Some(&true) { wiring.row_len(other) } else { 0 };
        let above = if low { v.checked_sub(1).map_or(0, above).max(above(v + 1)) } else { 0 };
        offsets.push((v, len - above - wiring.row_len(v)));
        low = !low;
    }
    (offsets, len)
}

/// Bytes that scratch and heads take while a value's head is live, with that of the next value; 0 where it has none.
pub fn heads_len(wiring: &Wiring<'_>, v: usize, heads: &[bool]) -> usize {
    match (heads.get(v), heads.get(v + 1)) {
        (Some(true), Some(true)) => {
            floor(wiring, v).max(floor(wiring, v + 1)) + wiring.row_len(v) + wiring.row_len(v + 1)
        }
        (Some(true), _) => floor(wiring, v) + wiring.row_len(v),
        _ => 0,
    }
}

/// Bytes of scratch of the steps that write a value and read it next.
fn floor(wiring: &Wiring<'_>, v: usize) -> usize {
    wiring.scratch_len(v).max(v.checked_sub(1).map_or(0, |s| wiring.scratch_len(s)))
}
