//! The LED of Arm MPS2 and MPS3 boards.

use core::convert::Infallible;
use embedded_hal::digital::{ErrorType, OutputPin};

unsafe extern "C" {
    /// Register `LED0` of the FPGA's I/O block (Arm DAI 0386, "FPGA system control"): bits 0 and 1 light the two LEDs.
    static mut _fpgaio_led: u32;
}

/// The first user LED.
pub struct Led(());

impl Led {
    /// The LED, dark.
    pub fn new() -> Self {
        let mut led = Self(());
        led.write(0);
        led
    }

    fn write(&mut self, value: u32) {
        // SAFETY: a device register of this board, written as a word as its manual asks; nothing else uses it.
        unsafe { (&raw mut _fpgaio_led).write_volatile(value) }
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.write(0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.write(1);
        Ok(())
    }
}
