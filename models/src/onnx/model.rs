//! Structure of an ONNX file: decoding, names, order of nodes, shapes of inputs. Nothing here knows an operator.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

use super::constant::Constant;
use super::error::ImportError;
use super::import::build;
use super::inline::inline;
use super::reverse;
use super::{MAX_OPSET, MIN_OPSET};

/// An input that is fed from outside.
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
    pub(super) datatype: Option<DataType>,
}

/// A checked view of a model's structure.
pub(super) struct Structure<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) opset: i64,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) initializers: HashMap<&'a str, &'a TensorProto>,
    /// Nodes that the outputs depend on, each after those it reads from.
    pub(super) order: Vec<&'a NodeProto>,
}

/// Decodes the outer message; calls of the model's functions become their nodes.
pub(super) fn decode(bytes: &[u8]) -> Result<ModelProto, ImportError> {
    let mut proto = ModelProto::decode(bytes).map_err(|e| ImportError::NotOnnx(e.to_string()))?;
    if proto.graph.is_none() {
        return Err(ImportError::NotOnnx("it holds no graph".into()));
    }
    inline(&mut proto)?;
    Ok(proto)
}

/// Name of a node for messages: its own, else its first output's.
pub(super) fn node_name(node: &NodeProto) -> &str {
    if !node.name.is_empty() { &node.name } else { node.output.first().map_or("(unnamed)", String::as_str) }
}

/// Operator of a node, with its domain where that is not ONNX's own.
pub(super) fn operator_name(node: &NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// Version of the `ai.onnx` operator set, 0 where the model declares none.
pub(super) fn opset(proto: &ModelProto) -> i64 {
    proto
        .opset_import
        .iter()
        .filter(|o| matches!(o.domain.as_str(), "" | "ai.onnx"))
        .map(|o| o.version)
        .max()
        .unwrap_or(0)
}

/// Checks names and order, and lists the nodes that outputs depend on.
pub(super) fn structure(proto: &ModelProto) -> Result<Structure<'_>, ImportError> {
    let Some(graph) = &proto.graph else { return Err(ImportError::NotOnnx("it holds no graph".into())) };
    let opset = opset(proto);
    if !(MIN_OPSET..=MAX_OPSET).contains(&opset) {
        return Err(ImportError::Opset { found: opset });
    }
    if let Some(sparse) = graph.sparse_initializer.first() {
        let tensor = sparse.values.as_ref().map_or(String::new(), |v| v.name.clone());
        return Err(ImportError::Tensor { tensor, reason: "sparse constants are not supported".into() });
    }
    let initializers: HashMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut inputs = Vec::new();
    for input in graph.input.iter().filter(|i| !initializers.contains_key(i.name.as_str())) {
        inputs.push(Input { name: &input.name, shape: input_shape(input)?, datatype: datatype(input) });
    }
    if inputs.is_empty() {
        return Err(ImportError::Missing("input"));
    }
    if graph.output.is_empty() {
        return Err(ImportError::Missing("output"));
    }
    let order = order(graph, &inputs, &initializers)?;
    Ok(Structure { graph, opset, inputs, initializers, order })
}

/// Who reads what, then Kahn's algorithm; among ready nodes the first in the file goes first.
fn order<'a>(
    graph: &'a GraphProto,
    inputs: &[Input<'a>],
    initializers: &HashMap<&'a str, &'a TensorProto>,
) -> Result<Vec<&'a NodeProto>, ImportError> {
    let mut writers: HashMap<&str, usize> = HashMap::new();
    let mut sources: HashSet<&str> = initializers.keys().copied().collect();
    for input in inputs {
        if !sources.insert(input.name) {
            return Err(ImportError::DuplicateValue { value: input.name.into(), node: "(graph input)".into() });
        }
    }
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if sources.contains(output.as_str()) || writers.insert(output, index).is_some() {
                return Err(ImportError::DuplicateValue { value: output.clone(), node: node_name(node).into() });
            }
        }
    }
    let writer = |value: &str, reader: &str| match writers.get(value) {
        Some(&index) => Ok(Some(index)),
        None if sources.contains(value) => Ok(None),
        None => Err(ImportError::UndefinedValue { value: value.into(), reader: reader.into() }),
    };

    let mut needed = vec![false; graph.node.len()];
    let mut pending = Vec::new();
    for output in &graph.output {
        pending.extend(writer(&output.name, "the list of graph outputs")?);
    }
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut missing = vec![0usize; graph.node.len()];
    while let Some(index) = pending.pop() {
        if std::mem::replace(&mut needed[index], true) {
            continue;
        }
        let node = &graph.node[index];
        for value in reads(node) {
            if let Some(from) = writer(value, node_name(node))? {
                readers.entry(from).or_default().push(index);
                missing[index] += 1;
                pending.push(from);
            }
        }
    }
    let count = needed.iter().filter(|n| **n).count();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..graph.node.len()).filter(|&i| needed[i] && missing[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(index)) = ready.pop() {
        order.push(&graph.node[index]);
        for &reader in readers.get(&index).into_iter().flatten() {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() < count {
        let stuck = (0..graph.node.len()).find(|&i| needed[i] && missing[i] > 0).unwrap_or(0);
        return Err(ImportError::Cycle { node: graph.node.get(stuck).map_or("", node_name).into() });
    }
    Ok(order)
}

/// The values that a node reads: its inputs, and what graphs inside it take from around them.
fn reads(node: &NodeProto) -> Vec<&str> {
    let inputs = node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
    inputs.chain(node.attribute.iter().filter_map(|a| a.g.as_ref()).flat_map(captured)).collect()
}

/// The values of a graph that it does not make itself.
fn captured(graph: &GraphProto) -> Vec<&str> {
    let given = graph.input.iter().map(|i| &i.name).chain(graph.initializer.iter().map(|t| &t.name));
    let own: HashSet<&str> = given.chain(graph.node.iter().flat_map(|node| &node.output)).map(String::as_str).collect();
    let read = graph.node.iter().flat_map(reads).chain(graph.output.iter().map(|o| o.name.as_str()));
    let mut seen = HashSet::new();
    read.filter(|name| !own.contains(name) && seen.insert(*name)).collect()
}

/// Declared element type, where there is one.
pub(super) fn datatype(value: &ValueInfoProto) -> Option<DataType> {
    let Some(Type::TensorType(tensor)) = value.r#type.as_ref()?.value.as_ref() else { return None };
    DataType::try_from(tensor.elem_type).ok()
}

/// Declared shape; each dimension is its size or its symbol.
pub(super) fn declared_shape(value: &ValueInfoProto) -> Option<Vec<Result<usize, String>>> {
    let Some(Type::TensorType(tensor)) = value.r#type.as_ref()?.value.as_ref() else { return None };
    let size = |value: &Option<Dimension>| match value {
        Some(Dimension::DimValue(v)) => match usize::try_from(*v) {
            Ok(size) if size > 0 => Ok(size),
            _ => Err(v.to_string()),
        },
        Some(Dimension::DimParam(symbol)) => Err(symbol.clone()),
        None => Err("unknown".to_string()),
    };
    Some(tensor.shape.as_ref()?.dim.iter().map(|d| size(&d.value)).collect())
}

/// Shape of an input: its first dimension, where that is symbolic, is the batch and becomes 1; every other one must be fixed.
fn input_shape(input: &ValueInfoProto) -> Result<Vec<usize>, ImportError> {
    let fail = |reason: &str| Err(ImportError::Input { value: input.name.clone(), reason: reason.into() });
    let Some(declared) = declared_shape(input) else { return fail("it declares no shape") };
    let mut shape = Vec::with_capacity(declared.len());
    for (axis, dimension) in declared.into_iter().enumerate() {
        match dimension {
            Ok(size) => shape.push(size),
            Err(_) if axis == 0 => shape.push(1),
            Err(dimension) => return Err(ImportError::DynamicShape { value: input.name.clone(), axis, dimension }),
        }
    }
    match shape.first() {
        None => fail("it is a scalar"),
        _ if crate::shape::elements(&shape).is_none() => fail(&format!("shape {shape:?} is absurdly large")),
        _ => Ok(shape),
    }
}

/// Decodes a model for execution as it stands: structure and constants are checked, batches become 1, declared shapes of inner values and outputs, which may name symbols, are dropped. Returns input names and shapes too.
pub(crate) fn check_for_execution(bytes: &[u8]) -> Result<(ModelProto, Vec<Vec<usize>>), ImportError> {
    let mut proto = decode(bytes)?;
    let mut structure = structure(&proto)?;
    if structure.inputs.iter().any(|input| input.shape.first().is_some_and(|&first| first > 1))
        && let Ok(built) = build(&proto)
    {
        structure = built.structure;
    }
    let shapes: Vec<(String, Vec<usize>)> =
        structure.inputs.into_iter().map(|i| (i.name.to_string(), i.shape)).collect();
    let Some(graph) = &mut proto.graph else { return Err(ImportError::NotOnnx("it holds no graph".into())) };
    for tensor in &graph.initializer {
        Constant::read(tensor, "(unnamed)")?;
    }
    for node in &graph.node {
        for tensor in node.attribute.iter().filter_map(|a| a.t.as_ref()) {
            Constant::read(tensor, node_name(node))?;
        }
    }
    graph.value_info.clear();
    reverse::widen(graph);
    for output in &mut graph.output {
        if let Some(Type::TensorType(tensor)) = output.r#type.as_mut().and_then(|t| t.value.as_mut()) {
            tensor.shape = None;
        }
    }
    for (name, shape) in &shapes {
        let declared = graph.input.iter_mut().find(|i| i.name == *name).and_then(|i| i.r#type.as_mut());
        if let Some(Type::TensorType(tensor)) = declared.and_then(|t| t.value.as_mut())
            && let Some(declared) = &mut tensor.shape
        {
            for (dimension, &size) in declared.dim.iter_mut().zip(shape) {
                dimension.value = Some(Dimension::DimValue(size as i64));
            }
        }
    }
    Ok((proto, shapes.into_iter().map(|(_, shape)| shape).collect()))
}
