//! Matrix products of four channels at a time, two products with one multiplication, see [`crate::kernels::halves`]; the sums of
//! twelve outputs are kept in registers.

use crate::kernels::assembly::blocks::Product;

/// Saves registers, the product at 52 on the stack; a4: mask, a5: bias of the weights, a6: half an upper sum's unit.
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
         li a4, 0x00ff00ff
         li a5, 0x00800080
         li a6, 0x8000\n"
    };
}

/// Ends the function.
macro_rules! end {
    () => {
        "lw ra, 0(sp)
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

/// Begins a block: initial sums of the first pixel to s0, s3, s6, s9; ra: pixels, t6: weights, a0: flags, a1: the product. On the stack, at 60:
/// the next flags, at 64: the end of the weights.
macro_rules! block {
    () => {
        "lw a1, 52(sp)
         lw t6, 0(a1)
         lw ra, 4(a1)
         lw s0, 0(t6)
         lw s3, 4(t6)
         lw s6, 8(t6)
         lw s9, 12(t6)
         lw a0, 16(t6)
         addi a2, t6, 20
         lw a3, 24(a1)
         sw a2, 60(sp)
         add t6, t6, a3
         lw a3, 28(a1)
         add a3, a3, t6
         sw a3, 64(sp)\n"
    };
}

/// The weights of a tap: those of channels 0 and 2 to a2, of 1 and 3 to a3.
macro_rules! weights {
    ($at:literal) => {
        concat!(
            "lw a3, ",
            $at,
            "(t6)
             and a2, a3, a4
             srli a3, a3, 8
             and a3, a3, a4
             sub a2, a2, a5
             sub a3, a3, a5\n"
        )
    };
}

/// The first products of a chunk with an activation.
macro_rules! first {
    ($activation:literal, $even:literal, $odd:literal) => {
        concat!("lb a1, ", $activation, "(ra)\n mul ", $even, ", a1, a2\n mul ", $odd, ", a1, a3\n")
    };
}

/// Further products.
macro_rules! next {
    ($activation:literal, $even:literal, $odd:literal) => {
        concat!(
            "lb a1, ",
            $activation,
            "(ra)\n mul a7, a1, a2\n add ",
            $even,
            ", ",
            $even,
            ", a7\n mul a7, a1, a3\n add ",
            $odd,
            ", ",
            $odd,
            ", a7\n"
        )
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

/// All chunks of a block; `$tap!(k, first | next)` are products of tap `k` of two steps, `$end!()` ends a chunk, `$step` and
/// `$two_steps` are bytes of activations. A flag in the sign of a0 splits a chunk. On the stack, at 56: the end of chunks with
/// flags in a0. The loop over chunks of four taps has two of them, and is entered at the second where they are odd.
macro_rules! chunks {
    ($tap:ident, $end:ident, $step:literal, $two_steps:literal) => {
        concat!(
            "lw a3, 32(a1)
             and a3, a3, a0
             bnez a3, 9f\n",
            flags!("480"),
            "sub a3, a2, t6
             andi a3, a3, 16
             beqz a3, 3f
             addi t6, t6, -16
             addi ra, ra, -",
            $step,
            "
             j 4f
             3:\n",
            $tap!(0, first),
            $tap!(1, next),
            "bltz a0, 61f\n",
            $tap!(2, next),
            $tap!(3, next),
            "51:\n",
            $end!(),
            "slli a0, a0, 1
             4:\n",
            $tap!(4, first),
            $tap!(5, next),
            "bltz a0, 62f\n",
            $tap!(6, next),
            $tap!(7, next),
            "52:\n",
            $end!(),
            again!($two_steps),
            "61:\n",
            $end!(),
            $tap!(2, first),
            $tap!(3, next),
            "j 51b
             62:\n",
            $end!(),
            $tap!(6, first),
            $tap!(7, next),
            "j 52b
             9:\n",
            flags!("960"),
            "3:\n",
            $tap!(0, first),
            $tap!(1, next),
            $tap!(2, next),
            $tap!(3, next),
            "bltz a0, 61f\n",
            $tap!(4, next),
            $tap!(5, next),
            $tap!(6, next),
            $tap!(7, next),
            "51:\n",
            $end!(),
            again!($two_steps),
            "61:\n",
            $end!(),
            $tap!(4, first),
            $tap!(5, next),
            $tap!(6, next),
            $tap!(7, next),
            "j 51b
             8:\n"
        )
    };
}

/// Where the chunks end whose flags are in a0, `$bytes` of weights, unless the block ends before: at 56 on the stack, and a2.
macro_rules! flags {
    ($bytes:literal) => {
        concat!(
            "7:
             lw a3, 64(sp)
             addi a2, t6, ",
            $bytes,
            "
             bleu a2, a3, 6f
             mv a2, a3
             6:
             sw a2, 56(sp)\n"
        )
    };
}

/// Goes to the next two steps, or to the end of the block.
macro_rules! again {
    ($activations:literal) => {
        concat!(
            "addi t6, t6, 32
             addi ra, ra, ",
            $activations,
            "
             lw a3, 56(sp)
             slli a0, a0, 1
             bne t6, a3, 3b
             lw a3, 64(sp)
             beq t6, a3, 8f
             lw a2, 60(sp)
             lw a0, 0(a2)
             addi a2, a2, 4
             sw a2, 60(sp)
             j 7b\n"
        )
    };
}

/// The sum of a lower channel, from its own and that of the upper channel.
macro_rules! lower {
    ($lower:literal, $upper:literal) => {
        concat!("slli a2, ", $upper, ", 16\n sub ", $lower, ", ", $lower, ", a2\n")
    };
}

/// Before outputs: t0: first pixel, a2: elements to the next, a7: rounding with zero point, t4 and t5: bounds.
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

/// A sum to its output; ra: twice the multiplier.
macro_rules! requantize {
    ($sum:literal, $out:literal) => {
        concat!(
            "slli a3, ",
            $sum,
            ", 8
             mulhsu a3, a3, ra
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

/// Ends a block, and with the last one the function.
macro_rules! done {
    () => {
        "addi t0, t0, 4
         addi t6, t6, 16
         lw a3, 12(a1)
         sw t6, 0(a1)
         sw t0, 8(a1)
         bne t0, a3, 2b\n"
    };
}

/// A tap of three pixels.
macro_rules! tap3 {
    (0, $kind:ident) => {
        concat!(weights!("0"), $kind!("0", "t0", "t3"), $kind!("4", "t1", "t4"), $kind!("8", "t2", "t5"))
    };
    (1, $kind:ident) => {
        concat!(weights!("4"), $kind!("1", "t0", "t3"), $kind!("5", "t1", "t4"), $kind!("9", "t2", "t5"))
    };
    (2, $kind:ident) => {
        concat!(weights!("8"), $kind!("2", "t0", "t3"), $kind!("6", "t1", "t4"), $kind!("10", "t2", "t5"))
    };
    (3, $kind:ident) => {
        concat!(weights!("12"), $kind!("3", "t0", "t3"), $kind!("7", "t1", "t4"), $kind!("11", "t2", "t5"))
    };
    (4, $kind:ident) => {
        concat!(weights!("16"), $kind!("12", "t0", "t3"), $kind!("16", "t1", "t4"), $kind!("20", "t2", "t5"))
    };
    (5, $kind:ident) => {
        concat!(weights!("20"), $kind!("13", "t0", "t3"), $kind!("17", "t1", "t4"), $kind!("21", "t2", "t5"))
    };
    (6, $kind:ident) => {
        concat!(weights!("24"), $kind!("14", "t0", "t3"), $kind!("18", "t1", "t4"), $kind!("22", "t2", "t5"))
    };
    (7, $kind:ident) => {
        concat!(weights!("28"), $kind!("15", "t0", "t3"), $kind!("19", "t1", "t4"), $kind!("23", "t2", "t5"))
    };
}

/// Ends a chunk of three pixels.
macro_rules! end3 {
    () => {
        concat!(
            extract!("t0", "s0", "s6"),
            extract!("t3", "s3", "s9"),
            extract!("t1", "s1", "s7"),
            extract!("t4", "s4", "s10"),
            extract!("t2", "s2", "s8"),
            extract!("t5", "s5", "s11")
        )
    };
}

/// A tap of two pixels.
macro_rules! tap2 {
    (0, $kind:ident) => {
        concat!(weights!("0"), $kind!("0", "t0", "t3"), $kind!("4", "t1", "t4"))
    };
    (1, $kind:ident) => {
        concat!(weights!("4"), $kind!("1", "t0", "t3"), $kind!("5", "t1", "t4"))
    };
    (2, $kind:ident) => {
        concat!(weights!("8"), $kind!("2", "t0", "t3"), $kind!("6", "t1", "t4"))
    };
    (3, $kind:ident) => {
        concat!(weights!("12"), $kind!("3", "t0", "t3"), $kind!("7", "t1", "t4"))
    };
    (4, $kind:ident) => {
        concat!(weights!("16"), $kind!("8", "t0", "t3"), $kind!("12", "t1", "t4"))
    };
    (5, $kind:ident) => {
        concat!(weights!("20"), $kind!("9", "t0", "t3"), $kind!("13", "t1", "t4"))
    };
    (6, $kind:ident) => {
        concat!(weights!("24"), $kind!("10", "t0", "t3"), $kind!("14", "t1", "t4"))
    };
    (7, $kind:ident) => {
        concat!(weights!("28"), $kind!("11", "t0", "t3"), $kind!("15", "t1", "t4"))
    };
}

/// Ends a chunk of two pixels.
macro_rules! end2 {
    () => {
        concat!(
            extract!("t0", "s0", "s6"),
            extract!("t3", "s3", "s9"),
            extract!("t1", "s1", "s7"),
            extract!("t4", "s4", "s10")
        )
    };
}

/// A tap of a pixel.
macro_rules! tap1 {
    (0, $kind:ident) => {
        concat!(weights!("0"), $kind!("0", "t0", "t3"))
    };
    (1, $kind:ident) => {
        concat!(weights!("4"), $kind!("1", "t0", "t3"))
    };
    (2, $kind:ident) => {
        concat!(weights!("8"), $kind!("2", "t0", "t3"))
    };
    (3, $kind:ident) => {
        concat!(weights!("12"), $kind!("3", "t0", "t3"))
    };
    (4, $kind:ident) => {
        concat!(weights!("16"), $kind!("4", "t0", "t3"))
    };
    (5, $kind:ident) => {
        concat!(weights!("20"), $kind!("5", "t0", "t3"))
    };
    (6, $kind:ident) => {
        concat!(weights!("24"), $kind!("6", "t0", "t3"))
    };
    (7, $kind:ident) => {
        concat!(weights!("28"), $kind!("7", "t0", "t3"))
    };
}

/// Ends a chunk of a pixel.
macro_rules! end1 {
    () => {
        concat!(extract!("t0", "s0", "s6"), extract!("t3", "s3", "s9"))
    };
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply3(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "2:",
        block!(),
        "mv s1, s0",
        "mv s2, s0",
        "mv s4, s3",
        "mv s5, s3",
        "mv s7, s6",
        "mv s8, s6",
        "mv s10, s9",
        "mv s11, s9",
        chunks!(tap3, end3, "12", "24"),
        lower!("s0", "s6"),
        lower!("s3", "s9"),
        lower!("s1", "s7"),
        lower!("s4", "s10"),
        lower!("s2", "s8"),
        lower!("s5", "s11"),
        outputs!(),
        "add t1, t0, a2",
        "add t2, t1, a2",
        "lw ra, 0(t6)",
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
        done!(),
        end!(),
    )
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply2(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "2:",
        block!(),
        "mv s1, s0",
        "mv s4, s3",
        "mv s7, s6",
        "mv s10, s9",
        chunks!(tap2, end2, "8", "16"),
        lower!("s0", "s6"),
        lower!("s3", "s9"),
        lower!("s1", "s7"),
        lower!("s4", "s10"),
        outputs!(),
        "add t1, t0, a2",
        "lw ra, 0(t6)",
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
        done!(),
        end!(),
    )
}

#[unsafe(naked)]
pub(super) unsafe extern "C" fn multiply1(product: *mut Product) {
    rv32_asm!(
        begin!(),
        "2:",
        block!(),
        chunks!(tap1, end1, "4", "8"),
        lower!("s0", "s6"),
        lower!("s3", "s9"),
        outputs!(),
        "lw ra, 0(t6)",
        requantize!("s0", "0(t0)"),
        "lw ra, 4(t6)",
        requantize!("s3", "1(t0)"),
        "lw ra, 8(t6)",
        requantize!("s6", "2(t0)"),
        "lw ra, 12(t6)",
        requantize!("s9", "3(t0)"),
        done!(),
        end!(),
    )
}
