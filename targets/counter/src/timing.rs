//! The cycle model: one Thumb instruction's issue cycles on a Cortex-M4 with zero-wait-state memory.
//!
//! Figures are those of the Cortex-M4 technical reference manual (Arm DDI 0439, section 3.3), with the choices of the
//! project's yardstick where the manual gives a range: a division takes 7 cycles, a taken change of flow 2 more than its
//! instruction ([`REFILL`]). Not modelled: load-use stalls, unaligned accesses, wait states, bus contention.
//!
//! Encodings follow the Armv7-M and Armv8-M architecture reference manuals, chapter A5 (Thumb instruction set encoding).

/// Cycles that a taken change of flow adds: the refill of the pipeline.
pub const REFILL: u64 = 2;

/// What the instruction after this one needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A load of one register: its address phase overlaps with a single load or store before it.
    Load,
    /// A store of one register.
    Store,
    /// IT: costs nothing behind a 16-bit instruction.
    IfThen,
    /// Everything else.
    Plain,
}

/// One instruction: its size in bytes, its cycles when alone, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// 2 or 4.
    pub bytes: u32,
    /// Issue cycles without regard to its neighbours.
    pub cycles: u32,
    /// How it combines with its neighbours.
    pub kind: Kind,
}

/// Times one instruction from its halfwords; `second` is not looked at for a 16-bit instruction.
pub fn time(first: u16, second: u16) -> Timing {
    if is_wide(first) {
        let (cycles, kind) = time_wide(first, second);
        Timing { bytes: 4, cycles, kind }
    } else {
        let (cycles, kind) = time_narrow(first);
        Timing { bytes: 2, cycles, kind }
    }
}

/// Whether a first halfword begins a 32-bit instruction: its top five bits are 11101, 11110 or 11111.
pub fn is_wide(first: u16) -> bool {
    first >= 0xe800
}

const LOAD: (u32, Kind) = (2, Kind::Load);
const STORE: (u32, Kind) = (1, Kind::Store);
const ONE: (u32, Kind) = (1, Kind::Plain);

fn plain(cycles: u32) -> (u32, Kind) {
    (cycles, Kind::Plain)
}

fn time_narrow(op: u16) -> (u32, Kind) {
    match op >> 8 {
        0x48..=0x4f => LOAD,                                               // LDR (literal)
        0x50..=0x55 => STORE,                                              // STR, STRH, STRB (register)
        0x56..=0x5f => LOAD,                                               // LDRSB, LDR, LDRH, LDRB, LDRSH (register)
        0x60..=0x9f if op & 0x0800 != 0 => LOAD,                           // LDR, LDRB, LDRH (immediate), SP-relative
        0x60..=0x9f => STORE,                                              // STR, STRB, STRH (immediate), SP-relative
        0xb4 | 0xb5 | 0xbc | 0xbd => plain(1 + (op & 0x1ff).count_ones()), // PUSH, POP; bit 8 is LR or PC
        0xbf if op & 0xf != 0 => (1, Kind::IfThen),
        0xc0..=0xcf => plain(1 + (op & 0xff).count_ones()), // STM, LDM
        _ => ONE,
    }
}

fn time_wide(a: u16, b: u16) -> (u32, Kind) {
    let op2 = a >> 4 & 0x7f;
    match a >> 11 & 3 {
        0b10 if b & 0x8000 != 0 => time_branch_or_system(a, b),
        0b10 => ONE, // data processing (immediate)
        _ if op2 & 0x40 != 0 => time_coprocessor(a, b),
        0b01 if op2 & 0x20 != 0 => ONE, // data processing (shifted register)
        0b01 if op2 & 0x04 == 0 => plain(1 + b.count_ones()), // LDM, STM
        0b01 => time_dual_or_exclusive(a),
        _ => time_single_or_multiply(a, b),
    }
}

fn time_branch_or_system(a: u16, b: u16) -> (u32, Kind) {
    let control = b & 0x5000 == 0 && a & 0x0380 == 0x0380;
    let move_special = matches!(a & 0xffe0, 0xf380 | 0xf3e0); // MSR, MRS
    plain(if control && move_special { 2 } else { 1 })
}

fn time_dual_or_exclusive(a: u16) -> (u32, Kind) {
    // Exclusive and acquire-release accesses, of a word and of less, and TBB, TBH; else LDRD, STRD.
    plain(if a & 0xff60 == 0xe840 { 2 } else { 3 })
}

fn time_single_or_multiply(a: u16, b: u16) -> (u32, Kind) {
    let op2 = a >> 4 & 0x7f;
    if op2 & 0x71 == 0 {
        STORE
    } else if op2 & 0x61 == 1 {
        LOAD // and preload hints
    } else if matches!(op2, 0x39 | 0x3b) && b & 0xf0 == 0xf0 {
        plain(7) // SDIV, UDIV
    } else {
        ONE // data processing (register), multiplies of 32 and 64 bits
    }
}

/// Floating point (coprocessors 10 and 11); other coprocessors and MVE count one cycle.
fn time_coprocessor(a: u16, b: u16) -> (u32, Kind) {
    let scalar_float = b & 0x0e00 == 0x0a00 && a & 0xf000 == 0xe000 && a & 0x0f00 != 0x0f00;
    if !scalar_float {
        return ONE;
    }
    if a & 0x0f00 == 0x0e00 {
        return plain(time_float_operation(a, b));
    }
    plain(if a & 0xffe0 == 0xec40 {
        2 // VMOV of two core registers
    } else if a & 0x0120 == 0x0100 {
        if b & 0x0100 != 0 { 3 } else { 2 } // VLDR, VSTR
    } else {
        1 + u32::from(b & 0xff) // VLDM, VSTM
    })
}

fn time_float_operation(a: u16, b: u16) -> u32 {
    if b & 0x10 != 0 {
        return 1; // VMOV of one core register, VMRS, VMSR
    }
    let square_root = a & 0xf == 1 && b & 0xc0 == 0xc0;
    match a & 0xb0 {
        0x00 | 0x10 => 3,          // VMLA, VMLS, VNMLA, VNMLS
        0x80 => 14,                // VDIV
        0x90 | 0xa0 => 3,          // VFMA, VFMS, VFNMA, VFNMS
        0xb0 if square_root => 14, // VSQRT
        _ => 1,                    // VMUL, VADD, VSUB, and the rest of 0xb0: VMOV, VABS, VNEG, VCMP, VCVT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodings as GNU as and LLVM give them, with the cycles that the manual's table gives.
    #[test]
    fn cycles_of_assembled_instructions() {
        let plain: &[(u16, u16, u32, &str)] = &[
            (0x1888, 0, 1, "adds r0, r1, r2"),
            (0x4351, 0, 1, "muls r1, r2"),
            (0xb5f0, 0, 6, "push {r4-r7, lr}"),
            (0xbdf0, 0, 6, "pop {r4-r7, pc}"),
            (0xc90f, 0, 5, "ldm r1!, {r0-r3}"),
            (0xc00c, 0, 3, "stm r0!, {r2, r3}"),
            (0xd1fe, 0, 1, "bne ."),
            (0x4770, 0, 1, "bx lr"),
            (0xb108, 0, 1, "cbz r0, .+6"),
            (0xbf00, 0, 1, "nop"),
            (0xfb01, 0x0002, 1, "mla r0, r1, r2, r0"),
            (0xfb21, 0x0102, 1, "smlad r1, r1, r2, r0"),
            (0xfbc2, 0x0103, 1, "smlal r0, r1, r2, r3"),
            (0xfb91, 0xf0f2, 7, "sdiv r0, r1, r2"),
            (0xfbb1, 0xf0f2, 7, "udiv r0, r1, r2"),
            (0xe92d, 0x4ff0, 10, "push.w {r4-r11, lr}"),
            (0xe8bd, 0x8ff0, 10, "pop.w {r4-r11, pc}"),
            (0xe9d1, 0x2300, 3, "ldrd r2, r3, [r1]"),
            (0xe9c0, 0x2302, 3, "strd r2, r3, [r0, #8]"),
            (0xe850, 0x1f00, 2, "ldrex r1, [r0]"),
            (0xe840, 0x2100, 2, "strex r1, r2, [r0]"),
            (0xe8d0, 0x1f4f, 2, "ldrexb r1, [r0]"),
            (0xe8c0, 0x2faf, 2, "stl r2, [r0]"),
            (0xe8df, 0xf000, 2, "tbb [pc, r0]"),
            (0xf3ef, 0x8010, 2, "mrs r0, primask"),
            (0xf380, 0x8810, 2, "msr primask, r0"),
            (0xf3bf, 0x8f4f, 1, "dsb sy"),
            (0xf7ff, 0xfffe, 1, "bl ."),
            (0xf04f, 0x0001, 1, "mov.w r0, #1"),
            (0xea80, 0x0001, 1, "eor.w r0, r0, r1"),
            (0xf322, 0x0107, 1, "ssat16 r1, #8, r2"),
            (0xfa2f, 0xf081, 1, "sxtb16 r0, r1"),
            (0xee30, 0x0a20, 1, "vadd.f32 s0, s0, s1"),
            (0xee20, 0x0a20, 1, "vmul.f32 s0, s0, s1"),
            (0xee00, 0x0a20, 3, "vmla.f32 s0, s0, s1"),
            (0xeea0, 0x0a20, 3, "vfma.f32 s0, s0, s1"),
            (0xee80, 0x0a20, 14, "vdiv.f32 s0, s0, s1"),
            (0xeeb1, 0x0ac0, 14, "vsqrt.f32 s0, s0"),
            (0xeeb0, 0x0a60, 1, "vmov.f32 s0, s1"),
            (0xee00, 0x0a10, 1, "vmov s0, r0"),
            (0xec51, 0x0b10, 2, "vmov r0, r1, d0"),
            (0xed90, 0x0a00, 2, "vldr s0, [r0]"),
            (0xed80, 0x0b00, 3, "vstr d0, [r0]"),
            (0xecb0, 0x0a04, 5, "vldmia r0!, {s0-s3}"),
        ];
        for &(a, b, cycles, text) in plain {
            let expected = Timing { bytes: if is_wide(a) { 4 } else { 2 }, cycles, kind: Kind::Plain };
            assert_eq!(time(a, b), expected, "{text}");
        }
    }

    #[test]
    fn single_accesses_and_it_are_told_apart() {
        for (a, b, text) in [
            (0x4801, 0, "ldr r0, [pc, #4]"),
            (0x5688, 0, "ldrsb r0, [r1, r2]"),
            (0x5e88, 0, "ldrsh r0, [r1, r2]"),
            (0x6808, 0, "ldr r0, [r1]"),
            (0x7808, 0, "ldrb r0, [r1]"),
            (0x8808, 0, "ldrh r0, [r1]"),
            (0x9801, 0, "ldr r0, [sp, #4]"),
            (0xf991, 0x0000, "ldrsb.w r0, [r1]"),
            (0xf8d1, 0x0004, "ldr.w r0, [r1, #4]"),
            (0xf851, 0x0b04, "ldr r0, [r1], #4"),
        ] {
            assert_eq!((time(a, b).cycles, time(a, b).kind), LOAD, "{text}");
        }
        for (a, b, text) in [
            (0x5088, 0, "str r0, [r1, r2]"),
            (0x5488, 0, "strb r0, [r1, r2]"),
            (0x6008, 0, "str r0, [r1]"),
            (0x9001, 0, "str r0, [sp, #4]"),
            (0xf8c1, 0x0004, "str.w r0, [r1, #4]"),
            (0xf801, 0x0b01, "strb r0, [r1], #1"),
        ] {
            assert_eq!((time(a, b).cycles, time(a, b).kind), STORE, "{text}");
        }
        assert_eq!(time(0xbf08, 0), Timing { bytes: 2, cycles: 1, kind: Kind::IfThen }, "it eq");
    }

    #[test]
    fn every_encoding_costs_at_least_one_cycle() {
        for a in 0..=u16::MAX {
            for b in [0, 0x0a10, 0x7fff, 0x8000, 0xf0f0, u16::MAX] {
                let timing = time(a, b);
                assert!((1..=256).contains(&timing.cycles), "{a:04x} {b:04x}: {timing:?}");
                assert_eq!(timing.bytes == 4, a >> 11 > 0b11100);
            }
        }
    }
}
