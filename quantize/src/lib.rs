//! How a float model becomes a plan that fits: lowering to rows, calibration, quantization, scheduling, writing; and what
//! the command `residua` does with models and plans.
//!
//! ```text
//! ONNX ─ import ─► Graph ─ lower ─► RowGraph ─ calibrate, quantize ─► QGraph ─ schedule ─► Schedule ─ write ─► plan bytes
//! ```

pub mod aligned;
pub mod budget;
pub mod calibrate;
pub mod compare;
pub mod compile;
pub mod correct;
mod declared;
pub mod emit;
pub mod equalize;
pub mod evaluate;
pub mod feed;
pub mod fuse;
pub mod gate;
pub mod inspect;
pub mod lower;
mod norms;
pub mod pack;
pub mod padding;
pub mod page;
mod poles;
pub mod ports;
pub mod precision;
pub mod qgraph;
pub mod quantize;
pub mod reference;
pub mod rounding;
pub mod schedule;
pub mod simulate;
pub mod stream;
pub mod trial;
mod validate;
pub mod write;
