//! What is in a file, whether or not it can be imported.

use std::collections::BTreeMap;

use super::constant::Constant;
use super::error::{ImportError, UnsupportedNode};
use super::import::{Built, build};
use super::model::{declared_shape, decode, operator_name};

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSummary {
    /// Name.
    pub name: String,
    /// Sizes of its dimensions, or the symbols that stand for them; empty where none are declared.
    pub shape: Vec<Result<usize, String>>,
}

/// Contents of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Name of the graph.
    pub name: String,
    /// Version of the operator set.
    pub opset: i64,
    /// Inputs that are fed.
    pub inputs: Vec<ValueSummary>,
    /// Outputs.
    pub outputs: Vec<ValueSummary>,
    /// How many nodes of each operator the outputs depend on.
    pub operators: BTreeMap<String, usize>,
    /// Trained constants; where the model cannot be imported, elements of all stored constants.
    pub parameters: u64,
    /// Multiply-accumulate operations of one inference; `None` where the model cannot be imported.
    pub macs: Option<u64>,
    /// Nodes that cannot be imported.
    pub unsupported: Vec<UnsupportedNode>,
    /// Free-form metadata.
    pub metadata: BTreeMap<String, String>,
}

/// Lists what is in a model.
///
/// # Errors
/// The file is damaged; unsupported nodes are no error here.
pub fn survey(bytes: &[u8]) -> Result<Survey, ImportError> {
    let proto = decode(bytes)?;
    let Built { structure, graph, unsupported } = build(&proto)?;
    let mut operators = BTreeMap::new();
    for node in &structure.order {
        *operators.entry(operator_name(node)).or_default() += 1;
    }
    let fed = structure.graph.input.iter().filter(|i| !structure.initializers.contains_key(i.name.as_str()));
    let summary = |value: &tract_onnx::pb::ValueInfoProto| ValueSummary {
        name: value.name.clone(),
        shape: declared_shape(value).unwrap_or_default(),
    };
    let complete = unsupported.is_empty();
    let stored = || -> Result<u64, ImportError> {
        let mut elements = 0;
        for (name, tensor) in &structure.initializers {
            elements += Constant::read(tensor, name)?.elements.len() as u64;
        }
        Ok(elements)
    };
    Ok(Survey {
        name: graph.name.clone(),
        opset: structure.opset,
        inputs: fed.map(summary).collect(),
        outputs: structure.graph.output.iter().map(summary).collect(),
        operators,
        parameters: if complete { graph.parameters() } else { stored()? },
        macs: complete.then(|| graph.macs()),
        unsupported,
        metadata: graph.metadata,
    })
}
