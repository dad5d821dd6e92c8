//! Runs plans on emulated microcontrollers: builds the generic firmware and the counter plugin, boots QEMU, and reads
//! back outputs, instruction counts, modelled cycles, stack depth and logs.
//!
//! ```no_run
//! use residua_harness::{Options, Target, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = std::fs::read("model.plan")?;
//! let inputs = vec![vec![0i8; 4040]];
//! let run = run(Target::CortexM4, &plan, &inputs, &Options::default())?;
//! println!("{} instructions, {} bytes of stack", run.instructions, run.stack_bytes);
//! # Ok(()) }
//! ```
//!
//! What a machine lacks for this is told by [`doctor()`] and put there by [`install()`].

//! Without the feature `emulator` only the set-up is there: [`Target`], [`doctor()`], [`install()`], [`home()`].

mod aligned;
#[cfg(feature = "emulator")]
mod build;
#[cfg(feature = "emulator")]
mod device;
mod doctor;
#[cfg(feature = "emulator")]
mod emulator;
mod error;
#[cfg(feature = "emulator")]
mod host;
#[cfg(feature = "emulator")]
mod packing;
mod parts;
#[cfg(feature = "emulator")]
mod profile;
#[cfg(feature = "emulator")]
mod stream;
mod target;
mod toolchain;

#[cfg(feature = "emulator")]
pub use build::{Firmware, counter, firmware};
#[cfg(feature = "emulator")]
pub use device::{AudioRun, DeviceRun, LoadRun, Options, OutputRow, audio, load, run, self_test};
pub use doctor::{Check, doctor, install};
#[cfg(feature = "emulator")]
pub use emulator::Counts;
pub use error::HarnessError;
#[cfg(feature = "emulator")]
pub use host::audio_on_host;
#[cfg(feature = "emulator")]
pub use packing::packed_for;
pub use parts::Parts;
#[cfg(feature = "emulator")]
pub use profile::StepCost;
#[cfg(feature = "emulator")]
pub use stream::{StreamRun, stream};
pub use target::{Target, UnknownTarget};
pub use toolchain::home;
