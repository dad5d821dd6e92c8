//! Depthwise convolution of 3×3 taps: an output row, channel by channel.
//!
//! The sums of the windows that a column lies under are kept in registers, so that each input is read once.

use super::isa::depthwise3::{dense, strided};
#[cfg(residua_quads)]
use super::isa::threes::threes;
use crate::kernels::nines::{PackedNines, ThreeRows};

/// All weights of a word.
const ALL: u32 = 0xff00_ff00;

/// Output columns that [`in_threes`] takes at once.
#[cfg(residua_quads)]
const THREE: usize = 3;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::kernels) struct Task {
    /// 0: words of the next channel; moves.
    weights: *const u32,
    /// 4: the first element of each row; may be overwritten.
    rows: [*const i8; 3],
    /// 16: output of the next channel; moves.
    out: *mut i8,
    /// 20: channels to go; counts down.
    channels: usize,
    /// 24: rounds of the loop over columns but one, in the upper half.
    rounds: usize,
    /// 28: where the loop is entered: stride 1: 0 to 2 columns of a round are left, all three for 0; 3: not at all.
    entry: usize,
    /// 32: mask of the weights of the first two rows: those in the padding are left out.
    upper: u32,
    /// 36: mask of those of the third row.
    lower: u32,
    /// 40: whether the first column is padding.
    left: usize,
    /// 44: whether the last column is padding.
    right: usize,
    /// 48: zero point of the output.
    zero_point: i32,
    /// 52: elements of a pixel.
    pitch: usize,
    /// 56: elements from the first output of a channel to its last.
    span: usize,
    /// 60: whether no row is in the padding.
    complete: usize,
    /// 64: where the words of the channels end.
    end: *const u32,
    /// 68: elements from the first one of the next channel that is read to the last column of this one.
    back: usize,
}

/// Computes an output row of `packed.channels()` channels, from at least one row; leaves out rows longer than
/// [`ThreeRows::LONGEST`].
pub(crate) fn depthwise3(packed: &PackedNines<'_>, window: &ThreeRows<'_>, zero_point: i32, out: &mut [i8]) {
    let channels = packed.channels();
    let columns = out.len().checked_div(channels).unwrap_or(0);
    let stride = window.stride;
    let read = columns.saturating_sub(1).wrapping_mul(stride).wrapping_add(3);
    let read = read.wrapping_sub(window.left.into()).wrapping_sub(window.right.into()).wrapping_mul(channels);
    let enough = window.rows.iter().flatten().all(|row| row.len() >= read);
    let some = window.rows.iter().flatten().next().copied();
    let (Some(some), true, true) = (some, enough && stride <= 2, (1..=ThreeRows::LONGEST).contains(&columns)) else {
        return;
    };
    let [first, second, third] = window.rows.map(|row| row.is_some());
    let mask = |kept: bool, mask: u32| if kept { mask } else { 0 };
    let rest = columns.wrapping_sub(1);
    let per_round = if stride == 1 { 3 } else { 1 };
    let rounds = rest.div_ceil(per_round);
    let entry = if rest == 0 { 3 } else { rest.checked_rem(per_round).unwrap_or(0) };
    let words = packed.words();
    let mut task = Task {
        weights: words.as_ptr().cast(),
        rows: window.rows.map(|row| row.unwrap_or(some).as_ptr()),
        out: out.as_mut_ptr(),
        channels,
        rounds: rounds.wrapping_sub(1) << 16,
        entry,
        upper: mask(first, ALL & 0xffff) | mask(second, ALL & !0xffff),
        lower: mask(third, ALL),
        left: window.left.into(),
        right: window.right.into(),
        zero_point,
        pitch: channels,
        span: rest.wrapping_mul(channels),
        complete: (first && second && third).into(),
        end: words.as_ptr_range().end.cast(),
        back: rest
            .wrapping_mul(stride)
            .wrapping_add(2)
            .wrapping_sub(window.left.into())
            .wrapping_mul(channels)
            .wrapping_sub(1),
    };
    #[cfg(residua_quads)]
    if stride == 1 && columns >= THREE && task.complete != 0 {
        return in_threes(&task, columns);
    }
    // SAFETY: there are words for each channel; `read` elements of each row are inside (a row in the padding is read as
    // another one and multiplied by zero), and `columns` pixels of the output, at least one.
    unsafe { if stride == 1 { dense(&mut task) } else { strided(&mut task) } }
}

/// Computes a row of `columns` pixels, at least [`THREE`], of stride 1, from three rows. The last pixels may be computed twice.
#[cfg(residua_quads)]
fn in_threes(task: &Task, columns: usize) {
    let last = columns.wrapping_sub(THREE);
    for x in (0..columns).step_by(THREE).map(|x| x.min(last)) {
        let from = x.saturating_sub(task.left).wrapping_mul(task.pitch);
        let mut task = Task {
            rows: task.rows.map(|row| row.wrapping_add(from)),
            out: task.out.wrapping_add(x.wrapping_mul(task.pitch)),
            ..*task
        };
        let kernel = threes(task.left > 0 && x == 0, task.right > 0 && x == last);
        // SAFETY: as in [`depthwise3`], for three of the pixels and the five columns under them, but for those in the padding.
        unsafe { kernel(&mut task) }
    }
}
