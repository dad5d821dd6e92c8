//! The emulated cores.

use residua::kernels::Packing;
use std::fmt;
use std::str::FromStr;

/// An emulated core: a QEMU machine and the firmware built for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// Arm Cortex-M0 on a BBC micro:bit.
    CortexM0,
    /// Arm Cortex-M3 on an MPS2 board with the AN385 image.
    CortexM3,
    /// Arm Cortex-M4F on an MPS2 board with the AN386 image.
    CortexM4,
    /// Arm Cortex-M7 on an MPS2 board with the AN500 image.
    CortexM7,
    /// Arm Cortex-M33 on an MPS2 board with the AN505 image.
    CortexM33,
    /// Arm Cortex-M55 on an MPS3 board with the AN547 image.
    CortexM55,
    /// 32-bit RISC-V with multiplication and compressed instructions on QEMU's board "virt".
    Riscv32Imc,
}

/// What the harness has to know of a target.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "emulator"), expect(dead_code, reason = "the set-up needs only some of it"))]
pub(crate) struct Description {
    /// Name on the command line.
    pub name: &'static str,
    /// Rust target triple.
    pub triple: &'static str,
    /// Core that the project's own crates are built for, where the triple does not say all.
    pub cpu: Option<&'static str>,
    /// Packing that its kernels read.
    pub packing: Packing,
    /// Whether its kernels compute convolutions of 3×3 taps faster by tiles.
    pub tiles: bool,
    /// Folder of the firmware's workspace in `targets/`, and its package.
    pub firmware: (&'static str, &'static str),
    /// Feature of the firmware that chooses the board.
    pub board: &'static str,
    /// QEMU's program, and the Debian package that holds it.
    pub emulator: (&'static str, &'static str),
    /// QEMU's machine and core.
    pub machine: (&'static str, &'static str),
    /// Whether the counter's cycle model is that of this core.
    pub cycles: bool,
}

impl Target {
    /// All targets.
    pub const ALL: &'static [Self] = &[
        Self::CortexM0,
        Self::CortexM3,
        Self::CortexM4,
        Self::CortexM7,
        Self::CortexM33,
        Self::CortexM55,
        Self::Riscv32Imc,
    ];

    /// The name that the command line uses.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// Whether cycles are modelled for this core; elsewhere only instructions mean anything.
    pub fn has_cycle_model(self) -> bool {
        self.description().cycles
    }

    /// The packing of weights that its kernels read; a plan on disk is packed in lanes.
    pub fn packing(self) -> Packing {
        self.description().packing
    }

    pub(crate) fn description(self) -> Description {
        let cortex_m = |name, triple, board| Description {
            name,
            triple,
            cpu: None,
            packing: Packing::Lanes,
            tiles: false,
            firmware: ("cortex-m", "residua-cortex-m"),
            board,
            emulator: ("qemu-system-arm", "qemu-system-arm"),
            machine: (board, name),
            cycles: false,
        };
        match self {
            Self::CortexM0 => cortex_m("cortex-m0", "thumbv6m-none-eabi", "microbit"),
            Self::CortexM3 => Description {
                packing: Packing::Quads,
                cycles: true,
                ..cortex_m("cortex-m3", "thumbv7m-none-eabi", "mps2-an385")
            },
            Self::CortexM4 => Description {
                tiles: true,
                cycles: true,
                ..cortex_m("cortex-m4", "thumbv7em-none-eabihf", "mps2-an386")
            },
            Self::CortexM7 => {
                Description { tiles: true, ..cortex_m("cortex-m7", "thumbv7em-none-eabihf", "mps2-an500") }
            }
            Self::CortexM33 => Description {
                cpu: Some("cortex-m33"),
                tiles: true,
                ..cortex_m("cortex-m33", "thumbv8m.main-none-eabihf", "mps2-an505")
            },
            Self::CortexM55 => Description {
                cpu: Some("cortex-m55"),
                packing: Packing::Vectors,
                ..cortex_m("cortex-m55", "thumbv8m.main-none-eabihf", "mps3-an547")
            },
            Self::Riscv32Imc => Description {
                name: "riscv32imc",
                triple: "riscv32imc-unknown-none-elf",
                cpu: None,
                packing: Packing::Halves,
                tiles: false,
                firmware: ("riscv32", "residua-riscv32"),
                board: "virt",
                emulator: ("qemu-system-riscv32", "qemu-system-misc"),
                machine: ("virt", "rv32,f=off,d=off,a=off"),
                cycles: false,
            },
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no target's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no emulated core `{0}`; there are: {list}", list = Target::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownTarget(pub String);

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(name: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.iter().copied().find(|target| target.name() == name).ok_or_else(|| UnknownTarget(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_targets() {
        for &target in Target::ALL {
            assert_eq!(target.name().parse(), Ok(target));
        }
        let error = "cortex-m9".parse::<Target>().unwrap_err();
        assert!(error.to_string().contains("cortex-m9") && error.to_string().contains("cortex-m4"), "{error}");
    }
}
