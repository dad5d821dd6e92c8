//! The log: defmt frames over semihosting, where it is linked.

#[cfg(feature = "log")]
pub use defmt::error;
#[cfg(feature = "log")]
use defmt_semihosting as _;

#[cfg(not(feature = "log"))]
macro_rules! error {
    ($text:literal $(, $argument:expr)*) => {
        { $( let _ = &$argument; )* }
    };
}

#[cfg(not(feature = "log"))]
pub(crate) use error;
