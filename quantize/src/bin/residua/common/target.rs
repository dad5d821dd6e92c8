//! Where a plan runs.

use super::failure::Failure;
use residua_harness::{HarnessError, Target as Core, UnknownTarget};
use std::fmt;
use std::str::FromStr;

/// This machine, or an emulated core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine.
    Host,
    /// An emulated core.
    Core(Core),
}

impl Target {
    /// A plan with the weights packed as the target's kernels read them.
    pub fn packed(self, plan: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Host => Ok(plan.to_vec()),
            Self::Core(core) => Ok(residua_harness::packed_for(core, plan).map_err(HarnessError::from)?),
        }
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(name: &str) -> Result<Self, UnknownTarget> {
        if name == "host" { Ok(Self::Host) } else { name.parse().map(Self::Core) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Core(core) => core.fmt(f),
        }
    }
}

/// Installs what emulated cores need and this machine lacks, where that needs no question.
pub fn set_up() -> Result<(), Failure> {
    Ok(residua_harness::install()?)
}
