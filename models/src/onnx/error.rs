//! What can be wrong with an ONNX file.

use std::fmt;
use std::path::PathBuf;

use super::{MAX_OPSET, MIN_OPSET};

/// A node whose operator, or form of operator, cannot be expressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// The node's name, or its first output's where it has none.
    pub node: String,
    /// The operator, with its domain where that is not ONNX's own.
    pub operator: String,
    /// Shape of the node's first input, where known.
    pub shape: Option<Vec<usize>>,
    /// What about it is not supported.
    pub reason: String,
    /// The nearest form that is, or an empty string.
    pub nearest: String,
}

impl fmt::Display for UnsupportedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.node, self.operator)?;
        if let Some(shape) = &self.shape {
            write!(f, " on {shape:?}")?;
        }
        write!(f, ": {}", self.reason)?;
        if !self.nearest.is_empty() {
            write!(f, "; supported: {}", self.nearest)?;
        }
        Ok(())
    }
}

/// Why a model could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model, or a truncated one.
    #[error("not an ONNX model, or a truncated one: {0}")]
    NotOnnx(String),
    /// The operator set is outside what is understood.
    #[error("ONNX operator set {found} is not supported; export the model with one from {MIN_OPSET} to {MAX_OPSET}")]
    Opset {
        /// The model's version of the `ai.onnx` operator set; 0 where it declares none.
        found: i64,
    },
    /// Nodes depend on each other in a circle.
    #[error("the graph has a cycle through node {node}")]
    Cycle {
        /// A node on the cycle.
        node: String,
    },
    /// A value is read that nothing writes.
    #[error("{reader} reads {value}, which is neither an input, a constant, nor any node's output")]
    UndefinedValue {
        /// The value.
        value: String,
        /// The node that reads it, or the graph's list of outputs.
        reader: String,
    },
    /// A value is written twice.
    #[error("{value} is written more than once, the second time by node {node}")]
    DuplicateValue {
        /// The value.
        value: String,
        /// The second writer.
        node: String,
    },
    /// The model has no input or no output.
    #[error("the model has no {0}")]
    Missing(&'static str),
    /// A dimension has no fixed size.
    #[error(
        "{value} has no fixed size along axis {axis} ({dimension}); export the model with fixed dimensions (only the batch may be symbolic)"
    )]
    DynamicShape {
        /// The value.
        value: String,
        /// Axis, counted from the front.
        axis: usize,
        /// The dimension's symbol, or how it is unknown.
        dimension: String,
    },
    /// Inputs come in batches of a fixed size, and the model cannot be run item by item.
    #[error(
        "input {value}: its first dimension is fixed to {batch}, which the model takes for a batch, and others of its shapes hold that number; export it with a batch of 1, or a symbolic one (PyTorch: dynamic_axes or dynamic_shapes)"
    )]
    Batch {
        /// The inputs, separated by commas.
        value: String,
        /// Items of the batch.
        batch: usize,
    },
    /// A declared input cannot be fed.
    #[error("input {value}: {reason}")]
    Input {
        /// The input.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// A constant's data is damaged, of an unknown type, or does not match its dimensions.
    #[error("constant {tensor}: {reason}")]
    Tensor {
        /// The constant.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A weight is NaN or infinite.
    #[error("constant {tensor} holds a value that is not finite ({value} at element {element})")]
    NotFinite {
        /// The constant.
        tensor: String,
        /// Index of the first such element in row-major order.
        element: usize,
        /// The value.
        value: f32,
    },
    /// A constant's data lies in another file.
    #[error(
        "constant {tensor} keeps its data in an external file, which is not read; save the model with its data inside"
    )]
    ExternalData {
        /// The constant.
        tensor: String,
    },
    /// A node's inputs or attributes contradict each other.
    #[error("node {node} ({operator}): {reason}")]
    Invalid {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// Operators, or forms of them, that cannot be expressed; all of the model's.
    #[error("{} unsupported node(s):{}", .0.len(), list(.0))]
    Unsupported(Vec<UnsupportedNode>),
}

fn list(nodes: &[UnsupportedNode]) -> String {
    nodes.iter().map(|n| format!("\n  {n}")).collect()
}
