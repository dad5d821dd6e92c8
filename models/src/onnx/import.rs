//! From a checked file to a graph: constants are folded, every other node goes through its line of the operator table.

use std::collections::HashMap;
use std::path::Path;

use tract_onnx::pb::{ModelProto, NodeProto};

use super::attributes::Attributes;
use super::constant::{Constant, Elements};
use super::control::is_control;
use super::error::{ImportError, UnsupportedNode};
use super::fold::{self, FOLDED};
use super::model::{Structure, declared_shape, decode, node_name, operator_name, structure};
use super::operators::{self, Builder, Call, Operand, Reject};
use crate::evaluate::evaluate;
use crate::graph::{Graph, ValueId};

/// Most operations of a node that is computed while the model is imported.
const MAX_COMPUTED: u64 = 1 << 28;
/// The same for a node of a loop, which is computed at each trip.
const MAX_REPEATED: u64 = 1 << 20;

/// Imports a model from the bytes of an ONNX file.
///
/// # Errors
/// The first thing wrong with the file, or all nodes that are not supported.
pub fn import(bytes: &[u8]) -> Result<Graph, ImportError> {
    let proto = decode(bytes)?;
    let Built { graph, unsupported, .. } = build(&proto)?;
    if unsupported.is_empty() { Ok(graph) } else { Err(ImportError::Unsupported(unsupported)) }
}

/// Imports a model from an ONNX file.
///
/// # Errors
/// The file cannot be read, or as [`import`].
pub fn import_file(path: &Path) -> Result<Graph, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    import(&bytes)
}

/// A graph as far as it can be built.
pub(super) struct Built<'a> {
    /// What it was built from; its inputs have the shapes that the graph's have.
    pub(super) structure: Structure<'a>,
    pub(super) graph: Graph,
    /// The nodes that cannot be expressed.
    pub(super) unsupported: Vec<UnsupportedNode>,
}

/// Builds a graph. A first dimension of inputs that is fixed to more than 1 is taken as declared (steps of time, say) where
/// the model can be built so, else as a batch, of which one item is run.
pub(super) fn build(proto: &ModelProto) -> Result<Built<'_>, ImportError> {
    let structure = structure(proto)?;
    let batch = structure.inputs.iter().find_map(|i| i.shape.first().copied().filter(|&first| first > 1));
    let declared = of_structure(proto, structure);
    let Some(batch) = batch.filter(|_| !declared.as_ref().is_ok_and(|built| built.unsupported.is_empty())) else {
        return declared;
    };
    let mut structure = super::model::structure(proto)?;
    let batched = structure.inputs.iter_mut().filter(|input| input.shape.first() == Some(&batch));
    let batched: Vec<String> = batched.map(|input| (input.shape[0] = 1, input.name.to_string()).1).collect();
    match of_structure(proto, structure) {
        Ok(built) if !built.unsupported.is_empty() || is_one_item(&built, batch) => Ok(built),
        _ => Err(ImportError::Batch { value: batched.join(", "), batch }),
    }
}

/// Whether the outputs that a model declares for a batch are those that were built, but for the batch.
fn is_one_item(built: &Built<'_>, batch: usize) -> bool {
    let outputs = built.structure.graph.output.iter().zip(&built.graph.outputs);
    outputs.into_iter().all(|(declared, &found)| {
        let found = &built.graph.value(found).shape;
        let Some(declared) = declared_shape(declared) else { return true };
        let same = |(axis, (declared, &found)): (usize, (&Result<usize, String>, &usize))| match declared {
            Ok(size) if axis == 0 => *size == found * batch,
            Ok(size) => *size == found,
            Err(_) => true,
        };
        declared.len() == found.len() && declared.iter().zip(found).enumerate().all(same)
    })
}

fn of_structure<'a>(proto: &'a ModelProto, structure: Structure<'a>) -> Result<Built<'a>, ImportError> {
    let mut importer = Importer::new(proto, &structure)?;
    for node in &structure.order {
        importer.node(node)?;
    }
    let (graph, unsupported) = importer.finish(&structure)?;
    Ok(Built { structure, graph, unsupported })
}

/// What is known of a name in the file.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Constant(Constant),
    Value(ValueId),
    /// Depends on a node that is not supported.
    Unknown,
}

/// A file on its way to a graph.
pub(super) struct Importer<'a> {
    pub(super) builder: Builder,
    pub(super) opset: i64,
    pub(super) known: HashMap<&'a str, Known>,
    pub(super) unsupported: Vec<UnsupportedNode>,
    /// Nodes of graphs inside of others, counted at each trip.
    pub(super) inside: usize,
    /// Elements of constants that were read and made there.
    pub(super) folded: usize,
}

impl<'a> Importer<'a> {
    fn new(proto: &ModelProto, structure: &Structure<'a>) -> Result<Self, ImportError> {
        let mut graph = Graph { name: structure.graph.name.clone(), ..Graph::default() };
        graph.metadata = proto.metadata_props.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
        let mut builder = Builder::new(graph);
        let mut known = HashMap::new();
        for (&name, &tensor) in &structure.initializers {
            known.insert(name, Known::Constant(Constant::read(tensor, name)?));
        }
        for input in &structure.inputs {
            if let Some(datatype) = input.datatype.filter(|&t| !operators::is_input_type(t)) {
                let reason = format!("it has elements of type {}, which cannot be fed", datatype.as_str_name());
                return Err(ImportError::Input { value: input.name.into(), reason });
            }
            let id = builder.graph.add_value(input.name, input.shape.clone());
            builder.graph.inputs.push(id);
            if input.datatype.is_some_and(operators::is_integer) {
                builder.integers.push(id);
            }
            known.insert(input.name, Known::Value(id));
        }
        Ok(Self { builder, opset: structure.opset, known, unsupported: vec![], inside: 0, folded: 0 })
    }

    pub(super) fn node(&mut self, node: &'a NodeProto) -> Result<(), ImportError> {
        if self.fold(node)? {
            return Ok(());
        }
        let operator = operator_name(node);
        if is_control(&operator) {
            let result = self.control(node)?;
            let outputs = self.accepted(node, None, result)?;
            let mut outputs = outputs.into_iter();
            for name in &node.output {
                let known = outputs.next().unwrap_or(Known::Unknown);
                if !name.is_empty() {
                    self.known.insert(name, known);
                }
            }
            return Ok(());
        }
        let handler = operators::find(&operator);
        let inputs = node.input.iter().map(|name| self.known.get(name.as_str()));
        let unknown = inputs.clone().flatten().any(|k| matches!(k, Known::Unknown));
        let operands: Vec<Option<Operand<'_>>> = inputs
            .map(|known| match known {
                Some(Known::Constant(constant)) => Some(Operand::Constant(constant)),
                Some(Known::Value(id)) => Some(Operand::Value(*id)),
                Some(Known::Unknown) | None => None,
            })
            .collect();
        let call = Call {
            name: node_name(node),
            attributes: Attributes::of(node),
            operands: &operands,
            outputs: &node.output,
            opset: self.opset,
        };
        let result = match handler {
            // What depends on an unsupported node is not named as well, unless it is unsupported itself.
            None if unknown && FOLDED.contains(&operator.as_str()) => Ok(vec![]),
            None => Err(operators::unknown(&operator)),
            Some(_) if unknown => Ok(vec![]),
            Some(handler) if constants_alone(&operands) => {
                match computed(handler, &call, if self.inside == 0 { MAX_COMPUTED } else { MAX_REPEATED })? {
                    Some(constants) => {
                        let names = node.output.iter().filter(|name| !name.is_empty());
                        self.known.extend(names.zip(constants).map(|(name, c)| (name.as_str(), Known::Constant(c))));
                        return Ok(());
                    }
                    None => handler(&mut self.builder, &call),
                }
            }
            Some(handler) => handler(&mut self.builder, &call),
        };
        let shape = operands.iter().flatten().find_map(|o| match o {
            Operand::Value(id) => Some(self.builder.shape(*id).to_vec()),
            Operand::Constant(_) => None,
        });
        let outputs = self.accepted(node, shape, result)?;
        for (index, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            self.known.insert(name, outputs.get(index).map_or(Known::Unknown, |&id| Known::Value(id)));
        }
        Ok(())
    }

    /// The outputs of a node; none, and the node is noted, where it is not supported.
    fn accepted<T>(
        &mut self,
        node: &NodeProto,
        shape: Option<Vec<usize>>,
        result: Result<Vec<T>, Reject>,
    ) -> Result<Vec<T>, ImportError> {
        let (name, operator) = (node_name(node).to_string(), operator_name(node));
        match result {
            Ok(outputs) => Ok(outputs),
            Err(Reject::Unsupported { reason, nearest }) => {
                self.unsupported.push(UnsupportedNode { node: name, operator, shape, reason, nearest });
                Ok(vec![])
            }
            Err(Reject::Invalid(reason)) => Err(ImportError::Invalid { node: name, operator, reason }),
            Err(Reject::Import(error)) => Err(error),
        }
    }

    /// Computes a node all of whose inputs are constant, and shapes, which always are; true if that was done.
    fn fold(&mut self, node: &'a NodeProto) -> Result<bool, ImportError> {
        let [output] = node.output.as_slice() else { return Ok(false) };
        let operator = operator_name(node);
        let fail =
            |reason: String| ImportError::Invalid { node: node_name(node).into(), operator: operator.clone(), reason };
        let attributes = Attributes::of(node);
        let folded = match operator.as_str() {
            "Constant" => {
                Some(constant(attributes, output)?.ok_or_else(|| fail("it has no value that is understood".into()))?)
            }
            "Shape" | "Size" => {
                let Some(Known::Value(id)) = node.input.first().and_then(|name| self.known.get(name.as_str())) else {
                    return self.fold_constants(node, &operator, attributes, output).map_err(fail);
                };
                // Only the shape of this stand-in is looked at.
                let shape = self.builder.shape(*id).to_vec();
                let count = shape.iter().product();
                let whole = Constant::new(output.as_str(), shape, Elements::Integer(vec![0; count]));
                fold::fold(&operator, attributes, &[Some(&whole)], output).map_err(fail)?
            }
            _ => return self.fold_constants(node, &operator, attributes, output).map_err(fail),
        };
        Ok(self.keep(output, folded))
    }

    fn fold_constants(
        &mut self,
        node: &'a NodeProto,
        operator: &str,
        attributes: Attributes<'_>,
        output: &'a str,
    ) -> Result<bool, String> {
        if !FOLDED.contains(&operator) {
            return Ok(false);
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            match self.known.get(name.as_str()) {
                Some(Known::Constant(constant)) => inputs.push(Some(constant)),
                None if name.is_empty() => inputs.push(None),
                _ => return Ok(false),
            }
        }
        let folded = fold::fold(operator, attributes, &inputs, output)?;
        Ok(self.keep(output, folded))
    }

    fn keep(&mut self, output: &'a str, folded: Option<Constant>) -> bool {
        let done = folded.is_some();
        if let Some(constant) = folded {
            self.known.insert(output, Known::Constant(constant));
        }
        done
    }

    fn finish(mut self, structure: &Structure<'_>) -> Result<(Graph, Vec<UnsupportedNode>), ImportError> {
        for output in &structure.graph.output {
            match self.known.get(output.name.as_str()) {
                Some(Known::Value(id)) => self.builder.graph.outputs.push(*id),
                Some(Known::Constant(_)) => {
                    let reason = "it is a constant: nothing is computed".into();
                    return Err(ImportError::Input { value: output.name.clone(), reason });
                }
                Some(Known::Unknown) => {}
                None => {
                    let reader = "the list of graph outputs".into();
                    return Err(ImportError::UndefinedValue { value: output.name.clone(), reader });
                }
            }
        }
        Ok((self.builder.graph, self.unsupported))
    }
}

/// Whether a node has inputs, and no part of the model computes them.
fn constants_alone(operands: &[Option<Operand<'_>>]) -> bool {
    let mut given = operands.iter().flatten();
    matches!(given.next(), Some(Operand::Constant(_))) && given.all(|o| matches!(o, Operand::Constant(_)))
}

/// The outputs of a node whose inputs are constants, by the definition of the graph's operators; `None` where its handler does
/// not take the first one as computed, or it takes more operations than `most`.
fn computed(handler: operators::Handler, call: &Call<'_>, most: u64) -> Result<Option<Vec<Constant>>, ImportError> {
    let Some(Operand::Constant(first)) = call.operand(0) else { return Ok(None) };
    if !matches!(first.elements, Elements::Float(_)) || crate::shape::elements(&first.shape).is_none() {
        return Ok(None);
    }
    let mut builder = Builder::new(Graph::default());
    let input = builder.graph.add_value(first.name.as_str(), first.shape.clone());
    builder.graph.inputs.push(input);
    let mut operands = call.operands.to_vec();
    operands[0] = Some(Operand::Value(input));
    let Ok(outputs) = handler(&mut builder, &Call { operands: &operands, ..*call }) else { return Ok(None) };
    let graph = builder.graph;
    let work = |node: &crate::graph::Node| {
        graph.node_macs(node) + graph.value(node.output).shape.iter().product::<usize>() as u64
    };
    if graph.nodes.iter().map(work).sum::<u64>() > most {
        return Ok(None);
    }
    let values = evaluate(&graph, &[&first.weights()?]);
    let constant = |id: &ValueId| {
        let (value, data) = (graph.value(*id), values[id.0].clone());
        Constant::new(value.name.as_str(), value.shape.clone(), Elements::Float(data))
    };
    Ok(Some(outputs.iter().map(constant).collect()))
}

/// The value of a `Constant` node in any of the forms that hold numbers.
fn constant(attributes: Attributes<'_>, name: &str) -> Result<Option<Constant>, ImportError> {
    let fail = |reason| ImportError::Tensor { tensor: name.into(), reason };
    if let Some(tensor) = attributes.tensor("value").map_err(fail)? {
        return Constant::read(tensor, name).map(Some);
    }
    if let Some(value) = attributes.float("value_float").map_err(fail)? {
        return Ok(Some(Constant::new(name, vec![], Elements::Float(vec![value]))));
    }
    if let Some(values) = attributes.floats("value_floats").map_err(fail)? {
        return Ok(Some(Constant::new(name, vec![values.len()], Elements::Float(values.to_vec()))));
    }
    if let Some(values) = attributes.ints("value_ints").map_err(fail)? {
        return Ok(Some(Constant::new(name, vec![values.len()], Elements::Integer(values.to_vec()))));
    }
    if attributes.has("value_int") {
        let value = attributes.int("value_int", 0).map_err(fail)?;
        return Ok(Some(Constant::new(name, vec![], Elements::Integer(vec![value]))));
    }
    Ok(None)
}
