//! The board `virt` has no LED.

use core::convert::Infallible;
use embedded_hal::digital::{ErrorType, OutputPin};

/// A pin that leads nowhere.
pub struct Led;

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
