//! QEMU TCG plugin: exact instruction counts and modelled Cortex-M3/M4 cycles for marked regions of a Cortex-M or RISC-V
//! guest.
//!
//! ```text
//! qemu-system-arm .. -plugin libresidua_counter.so,out=counts.jsonl -kernel firmware.elf
//! ```
//!
//! The guest marks regions with instructions that its core executes as NOP ([`Marker`]); they are not counted themselves. For each region the plugin writes one line of JSON to the file `out` (or to standard error):
//!
//! ```text
//! {"kind":"region","index":0,"instructions":5300,"cycles":6100,"taken":410}
//! {"kind":"lap","index":0,"instructions":1200,"cycles":1500,"taken":90}
//! {"kind":"open","index":1,"instructions":77,"cycles":80,"taken":3}
//! ```
//!
//! A `lap` line holds what was counted since the region's start or its previous lap; an `open` line tells of a region
//! that had no stop when the guest ended. `taken` is the number of taken changes of flow.
//!
//! Counting is by translation block: exact as long as no exception is taken in the middle of a block of a region. On
//! cores other than the Cortex-M3 and M4 only the instruction counts mean anything. [`timing`] has the cycle model.

mod counter;
mod instructions;
#[cfg(not(test))]
mod plugin;
pub mod timing;
#[cfg(test)]
mod yardstick;

pub use counter::{Block, Counter, Counts};
pub use instructions::{InstructionSet, Marker};
