//! The transient bytes of a segment: scratch of the step at work, and heads.

use super::wiring::Wiring;
use std::ops::Range;

/// Offsets of the heads of a segment, counted from the first transient byte, and how many bytes there are.
///
/// A head is live while its value is written and while the step behind reads it, beside the scratch of these steps, which
/// starts at the first byte. Consecutive heads lie alternately at the low and the high end.
pub fn place(wiring: &Wiring<'_>, steps: &Range<usize>, heads: &[bool]) -> (Vec<(usize, usize)>, usize) {
    let written = wiring.written(steps);
    let floor = |v: usize| wiring.scratch_len(v).max(v.checked_sub(1).map_or(0, |s| wiring.scratch_len(s)));
    let mut len = steps.clone().map(|s| wiring.scratch_len(s)).max().unwrap_or(0);
    for v in written.clone().filter(|&v| heads[v]) {
        len = len.max(floor(v) + wiring.row_len(v));
        if written.contains(&(v + 1)) && heads[v + 1] {
            len = len.max(floor(v).max(floor(v + 1)) + wiring.row_len(v) + wiring.row_len(v + 1));
        }
    }
    let mut low = true;
    let mut offsets = Vec::new();
    for v in written {
        if !heads[v] {
            low = true;
            continue;
        }
        offsets.push((v, if low { floor(v) } else { len - wiring.row_len(v) }));
        low = !low;
    }
    (offsets, len)
}
