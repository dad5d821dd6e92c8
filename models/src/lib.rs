//! What a float model is: graph, ONNX import and export, data, front-end design, reference models, training.

pub mod audio;
pub mod data;
pub mod evaluate;
#[cfg(feature = "onnx")]
pub mod execute;
pub mod frontend;
pub mod function;
pub mod graph;
pub mod inputs;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod recurrence;
pub mod rewrite;
pub mod shape;
#[cfg(feature = "train")]
pub mod train;
