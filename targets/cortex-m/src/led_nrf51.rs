//! The first LED of the micro:bit's matrix, at pins of the nRF51's GPIO block.

use core::convert::Infallible;
use embedded_hal::digital::{ErrorType, OutputPin};

/// Registers `OUTSET`, `OUTCLR` and `DIRSET` of the nRF51 reference manual, "GPIO": writing a 1 sets or clears the pin.
const OUTSET: usize = 0x5000_0508;
const OUTCLR: usize = 0x5000_050c;
const DIRSET: usize = 0x5000_0518;

/// Anode (row 1) and cathode (column 1) of the LED: lit while the row is high and the column low.
const ROW: u32 = 1 << 13;
const COLUMN: u32 = 1 << 4;

/// The LED in the corner.
pub struct Led(());

impl Led {
    /// The LED, dark.
    pub fn new() -> Self {
        let mut led = Self(());
        led.write(OUTCLR, ROW | COLUMN);
        led.write(DIRSET, ROW | COLUMN);
        led
    }

    fn write(&mut self, register: usize, value: u32) {
        // SAFETY: a device register of this board, written as a word as its manual asks; nothing else uses these pins.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(register).write_volatile(value) }
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.write(OUTCLR, ROW);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.write(OUTSET, ROW);
        Ok(())
    }
}
