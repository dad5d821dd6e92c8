//! What differs between boards: where the mailbox stands, and the LED.

#[cfg(feature = "mps2-an386")]
mod mps2;
#[cfg(feature = "mps2-an386")]
use mps2 as chosen;

pub use chosen::Led;

/// The mailbox, which the emulator fills before the core starts.
pub fn mailbox() -> &'static [u8] {
    let place = chosen::PLACEMENT;
    // SAFETY: the board has RAM there, outside of what the linker script hands out; the host writes it before the core
    // starts and nobody after.
    unsafe {
        core::slice::from_raw_parts(core::ptr::with_exposed_provenance(place.address as usize), place.len as usize)
    }
}
