//! Depthwise convolution of 3×3 taps, three output columns at a time in all channels: sums, the weights of a kernel row and all
//! addresses are in registers.

use crate::kernels::assembly::depthwise3::Task;
use core::arch::naked_asm;

/// Reads a column to r6: that of the padding, or so many elements behind the row's next one, which is the last to be read.
macro_rules! column {
    (pad, $row:literal) => {
        "ldrsb r6, [lr, #18]"
    };
    (0, $row:literal) => {
        concat!("ldrsb r6, [", $row, "], #1")
    };
    (1, $row:literal) => {
        concat!("ldrsb r6, [", $row, ", r11]")
    };
    (2, $row:literal) => {
        concat!("ldrsb r6, [", $row, ", r11, lsl #1]")
    };
    (3, $row:literal) => {
        concat!("ldrsb r6, [", $row, ", r12]")
    };
    (4, $row:literal) => {
        concat!("ldrsb r6, [", $row, ", r11, lsl #2]")
    };
}

/// Adds the products of a kernel row, whose weights are so many bytes behind the channel's words, to the three sums.
macro_rules! row {
    ($row:literal, $left:literal, $middle:literal, $right:literal, [$a:tt, $b:tt, $c:tt, $d:tt, $e:tt]) => {
        concat!(
            "ldrsb r3, [lr, #",
            $left,
            "]\n ldrsb r4, [lr, #",
            $middle,
            "]\n ldrsb r5, [lr, #",
            $right,
            "]\n",
            column!($e, $row),
            "\n mla r2, r5, r6, r2\n",
            column!($d, $row),
            "\n mla r1, r5, r6, r1\n mla r2, r4, r6, r2\n",
            column!($c, $row),
            "\n mla r0, r5, r6, r0\n mla r1, r4, r6, r1\n mla r2, r3, r6, r2\n",
            column!($b, $row),
            "\n mla r0, r4, r6, r0\n mla r1, r3, r6, r1\n",
            column!($a, $row),
            "\n mla r0, r3, r6, r0"
        )
    };
}

/// A sum to its output; r3: multiplier, r4: zero point.
macro_rules! requantize {
    ($sum:literal, $out:literal) => {
        concat!(
            "lsl ",
            $sum,
            ", ",
            $sum,
            ", #8\n smull r5, ",
            $sum,
            ", ",
            $sum,
            ", r3\n adds r5, r5, #0x80000000\n adc ",
            $sum,
            ", ",
            $sum,
            ", r4\n ssat ",
            $sum,
            ", #8, ",
            $sum,
            "\n strb ",
            $sum,
            ", [r7",
            $out
        )
    };
}

/// A kernel for five columns, each as [`column!`] takes it. r7: output, r8, r9, r10: rows, r11: elements of a pixel, r12: three
/// times as many, lr: words of the channel; on the stack, 0: zero point, 4: where the words end.
macro_rules! threes {
    ($(#[$doc:meta])* $name:ident: $columns:tt) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(task: *mut Task) {
            naked_asm!(
                "push {{r4-r11, lr}}",
                "ldr r1, [r0, #48]",
                "ldr r2, [r0, #64]",
                "push {{r1, r2, r3}}",
                "ldr lr, [r0]",
                "ldr r8, [r0, #4]",
                "ldr r9, [r0, #8]",
                "ldr r10, [r0, #12]",
                "ldr r7, [r0, #16]",
                "ldr r11, [r0, #52]",
                "add r12, r11, r11, lsl #1",
                "2:",
                "ldr r0, [lr]",
                "asr r0, r0, #8",
                "mov r1, r0",
                "mov r2, r0",
                row!("r8", "8", "9", "12", $columns),
                row!("r9", "10", "11", "14", $columns),
                row!("r10", "13", "15", "17", $columns),
                "ldr r3, [lr, #4]",
                "ldr r4, [sp]",
                requantize!("r2", ", r11, lsl #1]"),
                requantize!("r1", ", r11]"),
                requantize!("r0", "], #1"),
                "ldr r3, [sp, #4]",
                "add lr, lr, #20",
                "cmp lr, r3",
                "bne.w 2b",
                "add sp, #12",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

threes!(
    /// Three columns between others.
    inner: [0, 1, 2, 3, 4]
);
threes!(
    /// The first three columns, behind padding.
    first: [pad, 0, 1, 2, 3]
);
threes!(
    /// The last three columns, before padding.
    last: [0, 1, 2, 3, pad]
);
threes!(
    /// Three columns, between padding.
    only: [pad, 0, 1, 2, pad]
);

/// The kernel of three columns, with or without padding on the left and on the right.
pub(in crate::kernels) fn threes(left: bool, right: bool) -> unsafe extern "C" fn(*mut Task) {
    match (left, right) {
        (false, false) => inner,
        (true, false) => first,
        (false, true) => last,
        (true, true) => only,
    }
}
