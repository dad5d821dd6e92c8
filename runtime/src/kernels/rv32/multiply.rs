//! Matrix products of four channels at a time, two products with one multiplication, see [`crate::kernels::halves`]; the sums of
//! twelve outputs are kept in registers.

use crate::kernels::assembly::blocks::Product;

/// Saves registers, the product at 52 on the stack, and begins the first block: a5: the second flag of a word, a6: half an upper
/// sum's unit, t6: words of the block, a1: the product.
macro_rules! begin {
    () => {
        "addi sp, sp, -64
         sw ra, 0(sp)
         sw s0, 4(sp)
         sw s1, 8(sp)
         sw s2, 12(sp)
         sw s3, 16(sp)
         sw s4, 20(sp)
         sw s5, 24(sp)
         sw s6, 28(sp)
         sw s7, 32(sp)
         sw s8, 36(sp)
         sw s9, 40(sp)
         sw s10, 44(sp)
         sw s11, 48(sp)
         sw a0, 52(sp)
         mv a1, a0
         lw t6, 0(a0)
         li a5, 0x40000000
         li a6, 0x8000
         2:\n"
    };
}

/// Ends a block, and with the last one the function.
macro_rules! end {
    () => {
        "addi t0, t0, 4
         addi t6, t6, 16
         lw a3, 12(a1)
         sw t0, 8(a1)
         bne t0, a3, 2b
         lw ra, 0(sp)
         lw s0, 4(sp)
         lw s1, 8(sp)
         lw s2, 12(sp)
         lw s3, 16(sp)
         lw s4, 20(sp)
         lw s5, 24(sp)
         lw s6, 28(sp)
         lw s7, 32(sp)
         lw s8, 36(sp)
         lw s9, 40(sp)
         lw s10, 44(sp)
         lw s11, 48(sp)
         addi sp, sp, 64
         ret\n"
    };
}

/// Begins a block: initial sums of the first pixel to s0, s3, s6, s9; ra: pixels, t6: weights; a2 and a3 as [`chunks!`] takes them.
/// On the stack, at 56: the next flags, at 60: the end of the weights.
macro_rules! block {
    () => {
        "lw s0, 0(t6)
         lw s3, 4(t6)
         lw s6, 8(t6)
         lw s9, 12(t6)
         addi a2, t6, 16
         lw a3, 24(a1)
         lw ra, 4(a1)
         sw a2, 56(sp)
         add t6, t6, a3
         lw a3, 28(a1)
         lw a2, 32(a1)
         add a3, a3, t6
         sw a3, 60(sp)\n"
    };
}

/// Products of the activation of input `$k` of two steps, `$size` bytes each, of a pixel: the first of a chunk, or the next. Its
/// weights are in a2 and a3.
macro_rules! products {
    (first, $k:literal, $pixel:literal, $size:literal, $lower:literal, $upper:literal) => {
        concat!(activation!($k, $pixel, $size), "mul ", $lower, ", a1, a2\n mul ", $upper, ", a1, a3\n")
    };
    (next, $k:literal, $pixel:literal, $size:literal, $lower:literal, $upper:literal) => {
        concat!(
            activation!($k, $pixel, $size),
            "mul a7, a1, a2\n add ",
            $lower,
            ", ",
            $lower,
            ", a7\n mul a7, a1, a3\n add ",
            $upper,
            ", ",
            $upper,
            ", a7\n"
        )
    };
}

/// Reads an activation to a1.
macro_rules! activation {
    ($k:literal, $pixel:literal, $size:literal) => {
        concat!("lb a1, 4*", $pixel, "+", $size, "*(", $k, ">>2)+(", $k, "&3)(ra)\n")
    };
}

/// Reads the weights of input `$k` to a2 and a3.
macro_rules! weights {
    ($k:literal) => {
        concat!("lw a2, 8*", $k, "(t6)\n lw a3, 8*", $k, "+4(t6)\n")
    };
}

/// Products of input `$k` of two steps of three pixels.
macro_rules! tap3 {
    ($kind:ident, $k:literal) => {
        concat!(
            weights!($k),
            products!($kind, $k, "0", "12", "t0", "t3"),
            products!($kind, $k, "1", "12", "t1", "t4"),
            products!($kind, $k, "2", "12", "t2", "t5")
        )
    };
}

/// Products of input `$k` of two steps of two pixels.
macro_rules! tap2 {
    ($kind:ident, $k:literal) => {
        concat!(weights!($k), products!($kind, $k, "0", "8", "t0", "t3"), products!($kind, $k, "1", "8", "t1", "t4"))
    };
}

/// Products of input `$k` of two steps of a pixel.
macro_rules! tap1 {
    ($kind:ident, $k:literal) => {
        concat!(weights!($k), products!($kind, $k, "0", "4", "t0", "t3"))
    };
}

/// Ends a chunk: adds a word's sums to those of its lower and its upper channel.
macro_rules! extract {
    ($sums:literal, $lower:literal, $upper:literal) => {
        concat!(
            "add ",
            $lower,
            ", ",
            $lower,
            ", ",
            $sums,
            "\n add ",
            $sums,
            ", ",
            $sums,
            ", a6\n srai ",
            $sums,
            ", ",
            $sums,
            ", 16\n add ",
            $upper,
            ", ",
            $upper,
            ", ",
            $sums,
            "\n"
        )
    };
}

/// Ends a chunk of three pixels.
macro_rules! end3 {
    () => {
        concat!(
            extract!("t0", "s0", "s3"),
            extract!("t3", "s6", "s9"),
            extract!("t1", "s1", "s4"),
            extract!("t4", "s7", "s10"),
            extract!("t2", "s2", "s5"),
            extract!("t5", "s8", "s11")
        )
    };
}

/// Ends a chunk of two pixels.
macro_rules! end2 {
    () => {
        concat!(
            extract!("t0", "s0", "s3"),
            extract!("t3", "s6", "s9"),
            extract!("t1", "s1", "s4"),
            extract!("t4", "s7", "s10")
        )
    };
}

/// Ends a chunk of a pixel.
macro_rules! end1 {
    () => {
        concat!(extract!("t0", "s0", "s3"), extract!("t3", "s6", "s9"))
    };
}

/// All chunks of a block; a2: whether steps are odd, a3: the end of its weights. `$tap!(first | next, k)` are products of input `k`
/// of two steps, `$end!()` ends a chunk, `$size` is the bytes of a step of activations.
///
/// A round of the loop is two steps, and begins with the second where they are odd. a0 holds flags from the sign down, a4 is where
/// those of a word end. A flag leads out of the loop (30 to 34), where its chunk ends, and back behind the pair of inputs that is
/// the first of the next chunk.
macro_rules! chunks {
    ($tap:ident, $end:ident, $size:literal) => {
        concat!(
            "beqz a2, 5f
             addi t6, t6, -32
             addi ra, ra, -",
            $size,
            "\n",
            flags!(),
            "slli a0, a0, 2
             j 22f
             5:\n",
            flags!(),
            "j 20f
             10:\n",
            $tap!(next, 0),
            $tap!(next, 1),
            "bltz a0, 31f
             11:\n",
            $tap!(next, 2),
            $tap!(next, 3),
            "bgeu a0, a5, 32f
             slli a0, a0, 2
             12:\n",
            $tap!(next, 4),
            $tap!(next, 5),
            "bltz a0, 33f
             13:\n",
            $tap!(next, 6),
            $tap!(next, 7),
            "addi t6, t6, 64
             addi ra, ra, 2*",
            $size,
            "
             bgeu a0, a5, 34f
             slli a0, a0, 2
             bne t6, a4, 10b
             j 35f
             31:\n",
            $end!(),
            "slli a0, a0, 1\n",
            $tap!(first, 2),
            $tap!(next, 3),
            "bltz a0, 36f
             slli a0, a0, 1
             j 12b
             32:
             slli a0, a0, 1
             36:\n",
            $end!(),
            "slli a0, a0, 1
             22:\n",
            $tap!(first, 4),
            $tap!(next, 5),
            "bgez a0, 13b
             33:\n",
            $end!(),
            "slli a0, a0, 1\n",
            $tap!(first, 6),
            $tap!(next, 7),
            "addi t6, t6, 64
             addi ra, ra, 2*",
            $size,
            "
             bltz a0, 35f
             slli a0, a0, 1
             bne t6, a4, 10b
             j 35f
             34:
             slli a0, a0, 1
             35:\n",
            $end!(),
            "slli a0, a0, 1
             beq t6, a4, 37f
             20:\n",
            $tap!(first, 0),
            $tap!(next, 1),
            "bgez a0, 11b
             j 31b
             37:
             lw a3, 60(sp)
             bne t6, a3, 5b\n"
        )
    };
}

/// Reads flags to a0; a4: where they end, the weights' end in a3 at the latest.
macro_rules! flags {
    () => {
        "lw a2, 56(sp)
         addi a4, t6, 512
         lw a0, 0(a2)
         addi a2, a2, 4
         sw a2, 56(sp)
         bleu a4, a3, 6f
         mv a4, a3
         6:\n"
    };
}

/// The sum of a lower channel, from its own and that of the upper channel.
macro_rules! lower {
    ($lower:literal, $upper:literal) => {
        concat!("slli a2, ", $upper, ", 16\n sub ", $lower, ", ", $lower, ", a2\n")
    };
}

/// Before outputs: a1: the product, t0: first pixel, a2: elements to the next, a7: rounding with zero point, t4 and t5: bounds.
macro_rules! outputs {
    () => {
        "lw a1, 52(sp)
         li t4, 127
         li t5, -128
         lw t0, 8(a1)
         lw a2, 16(a1)
         lw a7, 20(a1)\n"
    };
}

/// Reads the first channel's factor to ra. Where multipliers are large, it is one too many, and sums get zeros behind them (40).
macro_rules! first_factor {
    () => {
        "lw ra, 0(t6)
         andi a3, ra, 1
         bnez a3, 40f
         41:\n"
    };
}

/// What [`first_factor!`] does where multipliers are large.
macro_rules! large {
    ($($sum:literal),*) => {
        concat!("40:\n addi ra, ra, -1\n", $("slli ", $sum, ", ", $sum, ", 8\n",)* "j 41b\n")
    };
}

/// A sum to its output; ra: the channel's factor.
macro_rules! requantize {
    ($sum:literal, $out:literal) => {
        concat!(
            "mulhsu a3, ",
            $sum,
            ", ra
             add a3, a3, a7
             srai a3, a3, 1
             ble a3, t4, 3f
             mv a3, t4
             3:
             bge a3, t5, 3f
             mv a3, t5
             3:
             sb a3, ",
            $out,
            "\n"
        )
    };
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply3(product: *mut Product) {
    rv32_asm!(
        begin!(),
        block!(),
        "mv s1, s0",
        "mv s2, s0",
        "mv s4, s3",
        "mv s5, s3",
        "mv s7, s6",
        "mv s8, s6",
        "mv s10, s9",
        "mv s11, s9",
        chunks!(tap3, end3, "12"),
        lower!("s0", "s3"),
        lower!("s6", "s9"),
        lower!("s1", "s4"),
        lower!("s7", "s10"),
        lower!("s2", "s5"),
        lower!("s8", "s11"),
        outputs!(),
        "add t1, t0, a2",
        "add t2, t1, a2",
        first_factor!(),
        requantize!("s0", "0(t0)"),
        requantize!("s1", "0(t1)"),
        requantize!("s2", "0(t2)"),
        "lw ra, 4(t6)",
        requantize!("s3", "1(t0)"),
        requantize!("s4", "1(t1)"),
        requantize!("s5", "1(t2)"),
        "lw ra, 8(t6)",
        requantize!("s6", "2(t0)"),
        requantize!("s7", "2(t1)"),
        requantize!("s8", "2(t2)"),
        "lw ra, 12(t6)",
        requantize!("s9", "3(t0)"),
        requantize!("s10", "3(t1)"),
        requantize!("s11", "3(t2)"),
        end!(),
        large!("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"),
    )
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply2(product: *mut Product) {
    rv32_asm!(
        begin!(),
        block!(),
        "mv s1, s0",
        "mv s4, s3",
        "mv s7, s6",
        "mv s10, s9",
        chunks!(tap2, end2, "8"),
        lower!("s0", "s3"),
        lower!("s6", "s9"),
        lower!("s1", "s4"),
        lower!("s7", "s10"),
        outputs!(),
        "add t1, t0, a2",
        first_factor!(),
        requantize!("s0", "0(t0)"),
        requantize!("s1", "0(t1)"),
        "lw ra, 4(t6)",
        requantize!("s3", "1(t0)"),
        requantize!("s4", "1(t1)"),
        "lw ra, 8(t6)",
        requantize!("s6", "2(t0)"),
        requantize!("s7", "2(t1)"),
        "lw ra, 12(t6)",
        requantize!("s9", "3(t0)"),
        requantize!("s10", "3(t1)"),
        end!(),
        large!("s0", "s1", "s3", "s4", "s6", "s7", "s9", "s10"),
    )
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply1(product: *mut Product) {
    rv32_asm!(
        begin!(),
        block!(),
        chunks!(tap1, end1, "4"),
        lower!("s0", "s3"),
        lower!("s6", "s9"),
        outputs!(),
        first_factor!(),
        requantize!("s0", "0(t0)"),
        "lw ra, 4(t6)",
        requantize!("s3", "1(t0)"),
        "lw ra, 8(t6)",
        requantize!("s6", "2(t0)"),
        "lw ra, 12(t6)",
        requantize!("s9", "3(t0)"),
        end!(),
        large!("s0", "s3", "s6", "s9"),
    )
}
