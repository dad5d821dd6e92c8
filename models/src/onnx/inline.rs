//! Functions of a model, as PyTorch's exporter writes them: each call becomes the function's nodes.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto};

use super::error::ImportError;
use super::model::node_name;

/// Deepest nesting of calls; a function that calls itself is deeper.
const MAX_DEPTH: usize = 16;
/// Most nodes after all calls are replaced.
const MAX_NODES: usize = 1 << 18;

/// Replaces all calls in a model's graph; its list of functions is then empty.
pub(super) fn inline(proto: &mut ModelProto) -> Result<(), ImportError> {
    if proto.functions.is_empty() {
        return Ok(());
    }
    let functions = std::mem::take(&mut proto.functions);
    let mut inliner = Inliner { functions: HashMap::new(), nodes: vec![] };
    for function in &functions {
        inliner.functions.insert((function.domain(), function.name()), function);
        let missing = function.opset_import.iter().filter(|o| !proto.opset_import.iter().any(|m| m.domain == o.domain));
        let missing: Vec<_> = missing.cloned().collect();
        proto.opset_import.extend(missing);
    }
    if let Some(graph) = &mut proto.graph {
        for node in std::mem::take(&mut graph.node) {
            inliner.node(node, 0)?;
        }
        graph.node = inliner.nodes;
    }
    Ok(())
}

struct Inliner<'f> {
    functions: HashMap<(&'f str, &'f str), &'f FunctionProto>,
    nodes: Vec<NodeProto>,
}

impl Inliner<'_> {
    fn node(&mut self, node: NodeProto, depth: usize) -> Result<(), ImportError> {
        let fail = |reason: String| {
            Err(ImportError::Invalid { node: node_name(&node).into(), operator: node.op_type.clone(), reason })
        };
        let Some(&function) = self.functions.get(&(node.domain.as_str(), node.op_type.as_str())) else {
            if self.nodes.len() >= MAX_NODES {
                return fail(format!("its functions make more than {MAX_NODES} nodes"));
            }
            self.nodes.push(node);
            return Ok(());
        };
        if depth >= MAX_DEPTH {
            return fail(format!("functions call each other more than {MAX_DEPTH} deep"));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return fail("it has more inputs or outputs than its function".into());
        }
        let name = node_name(&node);
        // Names of the caller for inputs and outputs, and the call's name before all others; what the call leaves out has no
        // name inside either.
        let mut names: HashMap<&str, &str> = HashMap::new();
        let outer = |list: &'_ [String], index: usize| list.get(index).cloned().unwrap_or_default();
        let inputs: Vec<String> = (0..function.input.len()).map(|i| outer(&node.input, i)).collect();
        names.extend(function.input.iter().map(String::as_str).zip(inputs.iter().map(String::as_str)));
        for (inner, outer) in function.output.iter().zip(&node.output).filter(|(_, outer)| !outer.is_empty()) {
            if let Some(input) = names.get(inner.as_str()) {
                // An input that is handed on.
                let copy = NodeProto {
                    op_type: "Identity".into(),
                    name: format!("{name}/{inner}"),
                    input: vec![input.to_string()],
                    output: vec![outer.clone()],
                    ..NodeProto::default()
                };
                self.nodes.push(copy);
            } else {
                names.insert(inner, outer);
            }
        }
        let rename = |inner: &String| match names.get(inner.as_str()) {
            _ if inner.is_empty() => String::new(),
            Some(outer) => outer.to_string(),
            None => format!("{name}/{inner}"),
        };
        for inner in &function.node {
            let mut copy = NodeProto {
                name: format!("{name}/{}", node_name(inner)),
                input: inner.input.iter().map(rename).collect(),
                output: inner.output.iter().map(rename).collect(),
                attribute: vec![],
                ..inner.clone()
            };
            for attribute in &inner.attribute {
                match resolve(attribute, &node, function) {
                    Ok(attribute) => copy.attribute.extend(attribute),
                    Err(reason) => return fail(reason),
                }
            }
            self.node(copy, depth + 1)?;
        }
        Ok(())
    }
}

/// An attribute inside a function: its own, or the call's that it refers to; `None` where the call leaves it out.
fn resolve(
    attribute: &AttributeProto,
    call: &NodeProto,
    function: &FunctionProto,
) -> Result<Option<AttributeProto>, String> {
    if attribute.ref_attr_name.is_empty() {
        return Ok(Some(attribute.clone()));
    }
    let wanted = &attribute.ref_attr_name;
    match call.attribute.iter().find(|a| a.name == *wanted) {
        Some(given) => Ok(Some(AttributeProto { name: attribute.name.clone(), ..given.clone() })),
        None if function.attribute.contains(wanted) => Ok(None),
        // A default lies in a part of the file that is not read.
        None => Err(format!("attribute {wanted} is left out, and its default is not known; give it in the call")),
    }
}
