//! The guests' instruction sets: how long an instruction is, what it costs, and whether it is a marker.

use crate::timing::{self, Kind, Timing};

/// An instruction that steers the counting. None of them is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Sets the counts to zero and begins counting.
    Start,
    /// Ends counting; the region's totals are written.
    Stop,
    /// Writes what was counted since the start or the previous lap.
    Lap,
    /// Stops counting, keeps the counts.
    Pause,
    /// Goes on counting.
    Resume,
}

/// Each marker: on M-profile cores a 16-bit hint encoding that the architecture leaves unallocated and cores execute as
/// NOP, on RISC-V the immediate N of `slti x0, x0, N`, which the architecture designates for custom hints (a hint writes
/// no register: RISC-V Instruction Set Manual, Volume I, "RV32I HINT instructions").
const MARKERS: [(Marker, u16, u16); 5] = [
    (Marker::Start, 0xbf50, 0x6a1),
    (Marker::Stop, 0xbf60, 0x6a2),
    (Marker::Lap, 0xbf70, 0x6a3),
    (Marker::Pause, 0xbf80, 0x6a4),
    (Marker::Resume, 0xbf90, 0x6a5),
];

/// What a guest executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstructionSet {
    /// Thumb, as on M-profile cores.
    #[default]
    Thumb,
    /// 32-bit RISC-V with compressed instructions. No cycles are modelled: each instruction counts one.
    Riscv,
}

impl InstructionSet {
    /// By QEMU's name of its target.
    pub fn of(target_name: &str) -> Option<Self> {
        match target_name {
            "arm" => Some(Self::Thumb),
            "riscv32" => Some(Self::Riscv),
            _ => None,
        }
    }

    /// Times an instruction by its halfwords; `second` is not looked at for one of 16 bits.
    ///
    /// The length comes from the first halfword and from nothing else: near the end of a page QEMU 7.2 reports 4 bytes for
    /// a 16-bit instruction.
    pub fn time(self, first: u16, second: u16) -> Timing {
        match self {
            Self::Thumb => timing::time(first, second),
            Self::Riscv => Timing { bytes: if first & 3 == 3 { 4 } else { 2 }, cycles: 1, kind: Kind::Plain },
        }
    }

    /// The marker that an instruction is, if any.
    pub fn marker(self, first: u16, second: u16) -> Option<Marker> {
        let found = |&&(_, thumb, immediate): &&(Marker, u16, u16)| match self {
            Self::Thumb => first == thumb,
            // Immediate in bits 20 to 31; source, function, destination and opcode below.
            Self::Riscv => first == 0x2013 && second == immediate << 4,
        };
        MARKERS.iter().find(found).map(|&(marker, ..)| marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_of_assembled_instructions() {
        let riscv = |word: u32| InstructionSet::Riscv.marker(word as u16, (word >> 16) as u16);
        assert_eq!(riscv(0x6a10_2013), Some(Marker::Start), "slti zero, zero, 1697");
        assert_eq!(riscv(0x6a30_2013), Some(Marker::Lap), "slti zero, zero, 1699");
        assert_eq!(riscv(0x6a10_2093), None, "slti ra, zero, 1697");
        assert_eq!(riscv(0x6a10_a013), None, "slti zero, ra, 1697");
        assert_eq!(riscv(0x6a10_3013), None, "sltiu zero, zero, 1697");
        assert_eq!(riscv(0x6a00_2013), None, "slti zero, zero, 1696");
        assert_eq!(InstructionSet::Thumb.marker(0xbf60, 0), Some(Marker::Stop));
        assert_eq!(InstructionSet::Thumb.marker(0xbf00, 0), None, "nop");
        assert_eq!(InstructionSet::Riscv.marker(0xbf60, 0), None);
    }

    #[test]
    fn lengths_of_assembled_instructions() {
        let bytes = |first| InstructionSet::Riscv.time(first, 0).bytes;
        assert_eq!([bytes(0x0001), bytes(0x8082), bytes(0x4501), bytes(0x0013)], [2, 2, 2, 4], "nop, ret, li, addi");
    }

    #[test]
    fn an_unknown_target_has_no_instruction_set() {
        assert_eq!(InstructionSet::of("riscv32"), Some(InstructionSet::Riscv));
        assert_eq!(InstructionSet::of("aarch64"), None);
    }
}
