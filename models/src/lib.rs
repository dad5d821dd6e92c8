//! What a float model is: graph, ONNX import and export, data, front-end design, reference models, training.

pub mod audio;
pub mod frontend;
pub mod graph;
