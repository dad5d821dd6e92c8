//! ONNX in and out.
//!
//! [`import`] reads structure and weights from the file's protobuf messages and computes every shape itself, so that an
//! unsupported form is found here, with its node's name, and never later. [`survey`] lists what is in a file without
//! requiring that it can be imported. [`export`] writes any [`Graph`](crate::graph::Graph) back.

mod attributes;
mod constant;
mod control;
mod error;
mod export;
mod fold;
mod import;
mod inline;
mod model;
mod operators;
mod reverse;
mod survey;

pub use error::{ImportError, UnsupportedNode};
pub use export::export;
pub use import::{import, import_file};
pub use operators::supported;
pub use survey::{Survey, ValueSummary, survey};

/// Oldest ONNX operator set that is understood: earlier ones broadcast by other rules.
pub const MIN_OPSET: i64 = 7;
/// Newest ONNX operator set that is understood.
pub const MAX_OPSET: i64 = 28;
/// Operator set of exported models.
pub const EXPORT_OPSET: i64 = 17;

pub(crate) use model::check_for_execution;
