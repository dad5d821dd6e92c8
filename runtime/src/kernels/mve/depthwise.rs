//! Depthwise convolution of columns side by side, sixteen channels at a time.
//!
//! Products of two taps are added in 16 bits, where they fit since no weight is −128; sums are 32 bits wide, with 8 fraction
//! bits.

use crate::kernels::taps::Taps;
use crate::kernels::vectors::VectorTaps;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Task {
    /// 0: packed words, at the first block.
    weights: *const u32,
    /// 4: output of the next pixel; moves.
    out: *mut i8,
    /// 8: channels.
    channels: usize,
    /// 12: output pixels to go; counts down.
    columns: usize,
    /// 16: zero point of the output.
    zero_point: i32,
    /// 20: pairs of taps.
    pairs: usize,
    /// 24: whether there is a tap more, before the pairs.
    odd: usize,
    /// 28: fours of taps, the last filled up.
    fours: usize,
    /// 32: the next pixel under each tap; they move.
    pixels: [*const i8; Taps::MAX],
    /// 96: bytes from a tap's pixel to that of the next column.
    pitches: [usize; Taps::MAX],
    /// 160: whole blocks of channels.
    blocks: usize,
    /// 164: channels of the last block, where it is not whole.
    tail: usize,
}

/// The rows under a depthwise kernel, and how its taps move over their columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapColumns {
    /// Taps in a row.
    pub taps: usize,
    /// Columns from an output to the next.
    pub stride: usize,
    /// Columns from a tap to the next.
    pub dilation: usize,
    /// Padding columns before the first.
    pub pad: usize,
    /// Columns of a row.
    pub width: usize,
    /// Outputs whose taps all lie inside the row.
    pub inside: (usize, usize),
}

/// Computes an output row; `rows` are those under each kernel row, `None` in the padding, where `padding` stands. Leaves out
/// rows of kernels with more taps than [`Taps::MAX`].
pub(crate) fn depthwise<'a>(
    packed: &VectorTaps<'_>,
    columns: &TapColumns,
    rows: impl Iterator<Item = Option<&'a [i8]>>,
    padding: &'a [i8],
    zero_point: i32,
    out: &mut [i8],
) {
    let (taps, channels) = (packed.taps(), packed.channels());
    let across = columns.taps;
    let row_len = columns.width.wrapping_mul(channels);
    let (pitch, step) = (columns.stride.wrapping_mul(channels), columns.dilation.wrapping_mul(channels));
    let mut task = Task {
        weights: packed.words().as_ptr(),
        out: core::ptr::null_mut(),
        channels,
        columns: 0,
        zero_point,
        pairs: taps >> 1,
        odd: taps & 1,
        fours: taps.div_ceil(4),
        pixels: [core::ptr::null(); Taps::MAX],
        pitches: [0; Taps::MAX],
        blocks: channels >> 4,
        tail: channels & 15,
    };
    // Where the taps of the first output would be if there were no end to rows.
    let mut first = [padding.as_ptr(); Taps::MAX];
    let mut filled = 0usize;
    for (row, (first, pitches)) in rows.zip(first.chunks_mut(across.max(1)).zip(task.pitches.chunks_mut(across.max(1))))
    {
        if let Some(row) = row {
            if row.len() < row_len {
                return;
            }
            let mut at = row.as_ptr().wrapping_sub(columns.pad.wrapping_mul(channels));
            for (first, to) in first.iter_mut().zip(pitches) {
                (*first, *to) = (at, pitch);
                at = at.wrapping_add(step);
            }
        }
        filled = filled.wrapping_add(across);
    }
    if filled != taps || taps > Taps::MAX || padding.len() < channels {
        return;
    }
    let (from, to) = columns.inside;
    let mut x = 0usize;
    let mut rest = out;
    while !rest.is_empty() {
        let inside = from <= x && x < to;
        let count = if inside { to.wrapping_sub(x) } else { 1 };
        let Some((out, behind)) = rest.split_at_mut_checked(count.wrapping_mul(channels)) else { return };
        rest = behind;
        let at = task.pixels.iter_mut().zip(&first).zip(&task.pitches);
        at.for_each(|((pixel, &first), &pitch)| *pixel = first.wrapping_add(x.wrapping_mul(pitch)));
        // A column before the first wraps to behind the last.
        let mut column = x.wrapping_mul(columns.stride).wrapping_sub(columns.pad);
        for kx in 0..if inside { 0 } else { across } {
            if column >= columns.width {
                let pixels = task.pixels.iter_mut().skip(kx).step_by(across);
                pixels.for_each(|pixel| *pixel = padding.as_ptr());
            }
            column = column.wrapping_add(columns.dilation);
        }
        (task.out, task.columns) = (out.as_mut_ptr(), count);
        // SAFETY: there are words for each block of 16 channels and each tap, of which there is at least one. Each tap's
        // pixel is the padding or a column of a complete row, for each of the `count` outputs, at least one, which are inside.
        // Loads from pixels and stores leave out what is behind the last channel.
        unsafe { if taps == 9 { nine(&mut task) } else { blocks(&mut task) } }
        x = x.wrapping_add(count);
    }
}

/// Biases of a block to q4 to q7.
macro_rules! biases {
    ($weights:literal) => {
        concat!(
            "vldrw.u32 q4, [",
            $weights,
            "], #16
             vldrw.u32 q5, [",
            $weights,
            "], #16
             vldrw.u32 q6, [",
            $weights,
            "], #16
             vldrw.u32 q7, [",
            $weights,
            "], #16"
        )
    };
}

/// Products of a tap (q0) to q3 (even channels) and q0 (odd ones).
macro_rules! products1 {
    ($weights:literal) => {
        concat!(
            "vldrb.u8 q2, [",
            $weights,
            "], #16
             vmullb.s8 q3, q0, q2
             vmullt.s8 q0, q0, q2"
        )
    };
}

/// Sums of the products of two taps (q0, q1) to q3 and q0. The second weights are read twice: all registers are taken.
macro_rules! products2 {
    ($weights:literal) => {
        concat!(
            products1!($weights),
            "
             vldrb.u8 q2, [",
            $weights,
            "]
             vmullb.s8 q2, q1, q2
             vadd.i16 q3, q3, q2
             vldrb.u8 q2, [",
            $weights,
            "], #16
             vmullt.s8 q1, q1, q2
             vadd.i16 q0, q0, q1"
        )
    };
}

/// The outputs of the sums in q4 to q7 to q4.
macro_rules! outputs {
    ($weights:literal, $zero_point:literal) => {
        concat!(
            "vldrw.u32 q0, [",
            $weights,
            "], #16
             vldrw.u32 q1, [",
            $weights,
            "], #16
             vrmulh.s32 q4, q4, q0
             vldrw.u32 q0, [",
            $weights,
            "], #16
             vrmulh.s32 q5, q5, q1
             vldrw.u32 q1, [",
            $weights,
            "], #16
             vrmulh.s32 q6, q6, q0
             vrmulh.s32 q7, q7, q1
             vqmovnb.s32 q4, q4
             vqmovnb.s32 q6, q6
             vqmovnt.s32 q4, q5
             vqmovnt.s32 q6, q7
             vqadd.s16 q4, q4, ",
            $zero_point,
            "
             vqadd.s16 q6, q6, ",
            $zero_point,
            "
             vqmovnb.s16 q4, q4
             vqmovnt.s16 q4, q6"
        )
    };
}

/// Adds the products in the two halves of a vector pair (q3: even channels, q0: odd ones) to the sums in q4 to q7.
macro_rules! widen {
    () => {
        "vshllb.s16 q1, q3, #8
         vshllt.s16 q2, q3, #8
         vadd.i32 q4, q4, q1
         vshllb.s16 q1, q0, #8
         vadd.i32 q5, q5, q2
         vshllt.s16 q2, q0, #8
         vadd.i32 q6, q6, q1
         vadd.i32 q7, q7, q2"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn blocks(task: *mut Task) {
    mve_asm!(
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        // r3: taps of the loop; r5: odd; r6: zero point; r12: output.
        "ldrd r6, r3, [r0, #16]",
        "ldr r5, [r0, #24]",
        "ldr r12, [r0, #4]",
        "2:",
        // r4: channels to go; r8: weights; r10: first channel.
        "ldr r8, [r0]",
        "ldr r4, [r0, #8]",
        "movs r10, #0",
        "3:",
        "vctp.8 r4",
        biases!("r8"),
        "add.w r9, r0, #32",
        "cbz r5, 4f",
        "ldr r1, [r9], #4",
        "add r1, r10",
        "vpst",
        "vldrbt.u8 q0, [r1]",
        products1!("r8"),
        widen!(),
        "4:",
        "wls lr, r3, 6f",
        "5:",
        "ldrd r1, r2, [r9], #8",
        "add r1, r10",
        "add r2, r10",
        "vpstt",
        "vldrbt.u8 q0, [r1]",
        "vldrbt.u8 q1, [r2]",
        products2!("r8"),
        widen!(),
        "le lr, 5b",
        "6:",
        outputs!("r8", "r6"),
        "add r1, r12, r10",
        "vpst",
        "vstrbt.8 q4, [r1]",
        "adds r10, #16",
        "subs r4, #16",
        "bgt.w 3b",
        // The next column.
        "ldrd r4, r1, [r0, #8]",
        "add r12, r4",
        "subs r1, #1",
        "str r1, [r0, #12]",
        "beq 8f",
        "add.w r1, r0, #32",
        "ldr r2, [r0, #28]",
        "dls lr, r2",
        "7:",
        "vldrw.u32 q1, [r1, #64]",
        "vldrw.u32 q0, [r1]",
        "vadd.i32 q0, q0, q1",
        "vstrw.32 q0, [r1], #16",
        "le lr, 7b",
        "b 2b",
        "8:",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// Channels under a tap: all sixteen, or those that are left.
macro_rules! pixel {
    (whole, $q:literal, $from:literal) => {
        concat!("vldrb.u8 ", $q, ", [", $from, "], #16\n")
    };
    (tail, $q:literal, $from:literal) => {
        concat!("vpst\n vldrbt.u8 ", $q, ", [", $from, "]\n")
    };
}

/// A block of nine taps, at r1 to r9, with the weights at r10.
macro_rules! block9 {
    ($part:ident) => {
        concat!(
            biases!("r10"),
            "\n",
            pixel!($part, "q0", "r1"),
            products1!("r10"),
            "\n",
            widen!(),
            "\n",
            pixel!($part, "q0", "r2"),
            pixel!($part, "q1", "r3"),
            products2!("r10"),
            "\n",
            widen!(),
            "\n",
            pixel!($part, "q0", "r4"),
            pixel!($part, "q1", "r5"),
            products2!("r10"),
            "\n",
            widen!(),
            "\n",
            pixel!($part, "q0", "r6"),
            pixel!($part, "q1", "r7"),
            products2!("r10"),
            "\n",
            widen!(),
            "\n",
            pixel!($part, "q0", "r8"),
            pixel!($part, "q1", "r9"),
            products2!("r10"),
            "\n",
            widen!(),
            "\n",
            outputs!("r10", "r12")
        )
    };
}

/// [`blocks`] for nine taps, with a register each.
#[unsafe(naked)]
unsafe extern "C" fn nine(task: *mut Task) {
    mve_asm!(
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        // r11: output; r12: zero point.
        "ldr r11, [r0, #4]",
        "ldr r12, [r0, #16]",
        "2:",
        "add.w lr, r0, #32",
        "ldm.w lr, {{r1-r9}}",
        "ldr r10, [r0]",
        "ldr.w lr, [r0, #160]",
        "wls lr, lr, 4f",
        "3:",
        block9!(whole),
        "vstrb.8 q4, [r11], #16",
        "le lr, 3b",
        "4:",
        "ldr.w lr, [r0, #164]",
        "cmp.w lr, #0",
        "beq.w 5f",
        "vctp.8 lr",
        block9!(tail),
        "vpst",
        "vstrbt.8 q4, [r11]",
        "add r11, lr",
        "5:",
        "ldr r1, [r0, #12]",
        "subs r1, #1",
        "str r1, [r0, #12]",
        "beq.w 6f",
        // The next column.
        "vldrw.u32 q0, [r0, #32]",
        "vldrw.u32 q1, [r0, #96]",
        "vldrw.u32 q2, [r0, #48]",
        "vadd.i32 q0, q0, q1",
        "vldrw.u32 q3, [r0, #112]",
        "vstrw.32 q0, [r0, #32]",
        "vadd.i32 q2, q2, q3",
        "ldr r2, [r0, #64]",
        "ldr.w r3, [r0, #128]",
        "vstrw.32 q2, [r0, #48]",
        "add r2, r3",
        "str r2, [r0, #64]",
        "b.w 2b",
        "6:",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
