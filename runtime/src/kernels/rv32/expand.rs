//! Windows of several pixels in the order in which they are multiplied.

use crate::kernels::{Runs, portable};

/// Writes the fours of each run to every `stride`-th word of `out`, the first run from the first word on,
/// the second from the second, and so on: as many as fit.
#[inline(never)]
pub(crate) fn expand(runs: &Runs<'_>, stride: usize, out: &mut [u32]) {
    let fours = runs.len >> 2;
    let last = fours.saturating_sub(1).wrapping_mul(stride).wrapping_add(runs.count);
    let source: *const u32 = runs.elements.as_ptr().cast();
    // Where there is but one run, nothing lies a pitch behind it.
    let aligned = source.is_aligned() && (runs.pitch & 3 == 0 || runs.count == 1);
    if fours == 0 || runs.count == 0 || !aligned || !runs.complete() || last > out.len() {
        return portable::expand(runs, stride, out);
    }
    let out = out.as_mut_ptr();
    // SAFETY: `4 fours` bytes of each run are inside the elements, aligned, and word `last - 1` is inside `out`; neither number
    // is 0.
    unsafe {
        match (runs.count, stride) {
            (3, 3) => interleave3(source, runs.pitch, fours, out),
            (2, 2) => interleave2(source, runs.pitch, fours, out),
            _ => {
                for index in 0..runs.count {
                    let run = source.wrapping_byte_add(index.wrapping_mul(runs.pitch));
                    spread(run, fours, out.wrapping_add(index), stride.wrapping_mul(4));
                }
            }
        }
    }
}

/// A word of each of three runs, in turn.
macro_rules! three {
    ($from:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "lw t0, ",
            $from,
            "(a0)\n lw t1, ",
            $from,
            "(a4)\n lw t2, ",
            $from,
            "(a5)
             sw t0, ",
            $first,
            "(a3)\n sw t1, ",
            $second,
            "(a3)\n sw t2, ",
            $third,
            "(a3)"
        )
    };
}

/// Reads `fours` words, at least 1, of each of three runs, `pitch` bytes apart, and writes them in turn.
#[unsafe(naked)]
unsafe extern "C" fn interleave3(source: *const u32, pitch: usize, fours: usize, out: *mut u32) {
    rv32_asm!(
        "slli a2, a2, 2",
        "add a4, a0, a1",
        "add a5, a4, a1",
        "add a2, a2, a0",
        "addi a1, a2, -16",
        "bltu a1, a0, 4f",
        "3:",
        three!("0", "0", "4", "8"),
        three!("4", "12", "16", "20"),
        three!("8", "24", "28", "32"),
        three!("12", "36", "40", "44"),
        "addi a0, a0, 16",
        "addi a4, a4, 16",
        "addi a5, a5, 16",
        "addi a3, a3, 48",
        "bgeu a1, a0, 3b",
        "4:",
        "beq a0, a2, 6f",
        "5:",
        three!("0", "0", "4", "8"),
        "addi a0, a0, 4",
        "addi a4, a4, 4",
        "addi a5, a5, 4",
        "addi a3, a3, 12",
        "bne a0, a2, 5b",
        "6:",
        "ret",
    )
}

/// A word of each of two runs, in turn.
macro_rules! two {
    ($from:literal, $first:literal, $second:literal) => {
        concat!(
            "lw t0, ",
            $from,
            "(a0)\n lw t1, ",
            $from,
            "(a4)
             sw t0, ",
            $first,
            "(a3)\n sw t1, ",
            $second,
            "(a3)"
        )
    };
}

/// Reads `fours` words, at least 1, of each of two runs, `pitch` bytes apart, and writes them in turn.
#[unsafe(naked)]
unsafe extern "C" fn interleave2(source: *const u32, pitch: usize, fours: usize, out: *mut u32) {
    rv32_asm!(
        "slli a2, a2, 2",
        "add a4, a0, a1",
        "add a2, a2, a0",
        "addi a1, a2, -16",
        "bltu a1, a0, 4f",
        "3:",
        two!("0", "0", "4"),
        two!("4", "8", "12"),
        two!("8", "16", "20"),
        two!("12", "24", "28"),
        "addi a0, a0, 16",
        "addi a4, a4, 16",
        "addi a3, a3, 32",
        "bgeu a1, a0, 3b",
        "4:",
        "beq a0, a2, 6f",
        "5:",
        two!("0", "0", "4"),
        "addi a0, a0, 4",
        "addi a4, a4, 4",
        "addi a3, a3, 8",
        "bne a0, a2, 5b",
        "6:",
        "ret",
    )
}

/// Reads `fours` words, at least 1, and writes each `stride` bytes behind the one before.
#[unsafe(naked)]
unsafe extern "C" fn spread(source: *const u32, fours: usize, out: *mut u32, stride: usize) {
    rv32_asm!(
        "slli a1, a1, 2",
        "add a1, a1, a0",
        "3:",
        "lw t0, 0(a0)",
        "addi a0, a0, 4",
        "sw t0, 0(a2)",
        "add a2, a2, a3",
        "bne a0, a1, 3b",
        "ret",
    )
}
