//! Depthwise convolution of columns side by side, sixteen channels at a time.
//!
//! Products of two taps are added in 16 bits, where they fit since no weight is −128; sums are 32 bits wide, with 8 fraction
//! bits.

use crate::kernels::vectors::VectorTaps;
use core::mem::MaybeUninit;
use core::ops::Range;

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Task {
    /// 0: packed words, at the first block.
    weights: *const u32,
    /// 4: output of the next pixel; moves.
    out: *mut i8,
    /// 8: channels.
    channels: usize,
    /// 12: zero point of the output.
    zero_point: i32,
    /// 16: pairs of taps.
    pairs: usize,
    /// 20: whether there is a tap more, before the pairs.
    odd: usize,
    /// 24: fours of taps, the last filled up.
    fours: usize,
    /// 28: whole blocks of channels.
    blocks: usize,
    /// 32: channels of the last block, where it is not whole.
    tail: usize,
    /// 36: the next output column.
    x: usize,
    /// 40: output columns.
    columns: usize,
    /// 44: first output column whose taps all lie inside the row, and how many such columns there are.
    inside: [usize; 2],
    /// 52: columns from an output to the next.
    stride: usize,
    /// 56: columns of a row.
    width: usize,
    /// 60: what stands in padding.
    padding: *const i8,
    /// 64: pixels under the taps of the next column: one of the two arrays of them.
    list: *const *const i8,
    reserved: [MaybeUninit<usize>; 3],
    /// 80: where the pixels under the taps of the next column would be if there were no end to rows; they move.
    pixels: [MaybeUninit<*const i8>; TapColumns::MAX],
    /// 192: bytes from a tap's pixel to that of the next column.
    pitches: [MaybeUninit<usize>; TapColumns::MAX],
    /// 304: columns under the taps of the first output; those before the first wrap to behind the last.
    first: [MaybeUninit<usize>; TapColumns::MAX],
    /// 416: `pixels` with the padding in place of what is outside.
    chosen: [MaybeUninit<*const i8>; TapColumns::MAX],
}

/// How the taps of a depthwise kernel move over the columns of a row.
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
}

impl TapColumns {
    /// Most taps of a kernel.
    pub const MAX: usize = 28;
}

/// Computes an output row; `rows` are those under each kernel row, `None` in the padding, where `padding` stands; the taps of
/// columns `inside` all lie inside the row. Leaves out rows of kernels with more taps than [`TapColumns::MAX`].
pub(crate) fn depthwise<'a>(
    packed: &VectorTaps<'_>,
    columns: &TapColumns,
    inside: Range<usize>,
    rows: impl Iterator<Item = Option<&'a [i8]>>,
    padding: &'a [i8],
    zero_point: i32,
    out: &mut [i8],
) {
    let (taps, channels) = (packed.taps(), packed.channels());
    let row_len = columns.width.wrapping_mul(channels);
    let (pitch, step) = (columns.stride.wrapping_mul(channels), columns.dilation.wrapping_mul(channels));
    let mut task = Task {
        weights: packed.words().as_ptr(),
        out: out.as_mut_ptr(),
        channels,
        zero_point,
        pairs: taps >> 1,
        odd: taps & 1,
        fours: taps.div_ceil(4),
        blocks: channels >> 4,
        tail: channels & 15,
        x: 0,
        columns: out.len().checked_div(channels).unwrap_or(0),
        inside: [inside.start, inside.len()],
        stride: columns.stride,
        width: columns.width,
        padding: padding.as_ptr(),
        list: core::ptr::null(),
        reserved: [MaybeUninit::uninit(); 3],
        pixels: [MaybeUninit::uninit(); TapColumns::MAX],
        pitches: [MaybeUninit::uninit(); TapColumns::MAX],
        first: [MaybeUninit::uninit(); TapColumns::MAX],
        chosen: [MaybeUninit::uninit(); TapColumns::MAX],
    };
    let mut filled = 0usize;
    for row in rows {
        if row.is_some_and(|row| row.len() < row_len) {
            return;
        }
        let mut column = 0usize.wrapping_sub(columns.pad);
        let (mut at, pitch, step) = match row {
            Some(row) => (row.as_ptr().wrapping_sub(columns.pad.wrapping_mul(channels)), pitch, step),
            None => (padding.as_ptr(), 0, 0),
        };
        let end = filled.wrapping_add(columns.taps);
        let (pixels, pitches) = (task.pixels.get_mut(filled..end), task.pitches.get_mut(filled..end));
        let (Some(pixels), Some(pitches), Some(first)) = (pixels, pitches, task.first.get_mut(filled..end)) else {
            return;
        };
        for ((pixel, to), first) in pixels.iter_mut().zip(pitches).zip(first) {
            pixel.write(at);
            to.write(pitch);
            first.write(column);
            at = at.wrapping_add(step);
            column = column.wrapping_add(columns.dilation);
        }
        filled = end;
    }
    if filled == taps && padding.len() >= channels && task.columns > 0 {
        // SAFETY: there are words for each block of 16 channels and each tap, of which there is at least one. Each tap's
        // pixel is the padding or a column inside a complete row. All outputs, at least one, are inside. Loads from pixels and
        // stores leave out what is behind the last channel. What is behind the last tap in an array is moved, but not used.
        unsafe { if taps == 9 { nine(&mut task) } else { any(&mut task) } }
    }
}

/// Chooses the list of pixels of the next column; keeps r0 and r10 to r12.
#[unsafe(naked)]
unsafe extern "C" fn choose(task: *mut Task) {
    mve_asm!(
        "ldr r1, [r0, #36]",
        "ldrd r2, r3, [r0, #44]",
        "sub r2, r1, r2",
        "add.w r4, r0, #80",
        "cmp r2, r3",
        "blo 3f",
        "ldrd r5, r8, [r0, #52]",
        "ldr r7, [r0, #60]",
        "ldr r6, [r0, #24]",
        "add.w r3, r0, #416",
        "muls r1, r5, r1",
        "vdup.32 q3, r7",
        "2:",
        "vldrw.u32 q1, [r4, #224]",
        "vldrw.u32 q0, [r4], #16",
        "vadd.i32 q1, q1, r1",
        "vcmp.u32 cs, q1, r8",
        "vpsel q0, q3, q0",
        "vstrw.32 q0, [r3], #16",
        "subs r6, #1",
        "bne 2b",
        "add.w r4, r0, #416",
        "3:",
        "str r4, [r0, #64]",
        "bx lr",
    )
}

/// Moves the pixels to the next column and sets the flags for whether there is none.
macro_rules! next_column {
    () => {
        "ldr r2, [r0, #24]
         add.w r1, r0, #80
         dls lr, r2
         7:
         vldrw.u32 q1, [r1, #112]
         vldrw.u32 q0, [r1]
         vadd.i32 q0, q0, q1
         vstrw.32 q0, [r1], #16
         le lr, 7b
         ldrd r1, r2, [r0, #36]
         adds r1, #1
         str r1, [r0, #36]
         cmp r1, r2"
    };
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

/// Blocks of channels of any number of taps.
#[unsafe(naked)]
unsafe extern "C" fn any(task: *mut Task) {
    mve_asm!(
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        // r11: output.
        "ldr r11, [r0, #4]",
        "2:",
        "bl {choose}",
        // r3: pairs; r4: channels to go; r5: whether there is a tap more; r6: zero point; r7: taps; r8: weights; r10: first
        // channel.
        "ldrd r4, r6, [r0, #8]",
        "ldrd r3, r5, [r0, #16]",
        "ldr r7, [r0, #64]",
        "ldr r8, [r0]",
        "movs r10, #0",
        "3:",
        "vctp.8 r4",
        biases!("r8"),
        "mov r9, r7",
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
        "add r1, r11, r10",
        "vpst",
        "vstrbt.8 q4, [r1]",
        "adds r10, #16",
        "subs r4, #16",
        "bgt.w 3b",
        "ldr r4, [r0, #8]",
        "add r11, r4",
        next_column!(),
        "bne.w 2b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
        choose = sym choose,
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

/// Blocks of channels of nine taps, with a register each.
#[unsafe(naked)]
unsafe extern "C" fn nine(task: *mut Task) {
    mve_asm!(
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        // r11: output; r12: zero point.
        "ldr r11, [r0, #4]",
        "ldr.w r12, [r0, #12]",
        "2:",
        "bl {choose}",
        "ldr.w lr, [r0, #64]",
        "ldr r10, [r0]",
        "ldm.w lr, {{r1-r9}}",
        "ldr.w lr, [r0, #28]",
        "wls lr, lr, 4f",
        "3:",
        block9!(whole),
        "vstrb.8 q4, [r11], #16",
        "le lr, 3b",
        "4:",
        "ldr.w lr, [r0, #32]",
        "cmp.w lr, #0",
        "beq.w 5f",
        "vctp.8 lr",
        block9!(tail),
        "vpst",
        "vstrbt.8 q4, [r11]",
        "add r11, lr",
        "5:",
        next_column!(),
        "bne.w 2b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
        choose = sym choose,
    )
}
