//! Control flow that is known before the model runs: the branch that a constant condition chooses, and the trips of a loop whose
//! end follows from constants, one after the other.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::attributes::Attributes;
use super::constant::{Constant, Elements};
use super::error::ImportError;
use super::fold;
use super::import::{Importer, Known};
use super::model::{node_name, operator_name};
use super::operators::{self, Call, Operand, Reject, unsupported};
use crate::graph::Operator;

/// Most trips of a loop.
const MAX_TRIPS: usize = 64;
/// Most nodes of all branches and trips.
const MAX_NODES: usize = 20_000;

/// Most elements of constants that branches and trips read to make others, and make.
const MAX_FOLDED: usize = 1 << 24;

const RECURRENT: &str = "a recurrent layer as LSTM or GRU (exported by PyTorch, or by tf2onnx from tf_keras, a GRU with reset_after = True)";

/// Whether an operator has graphs of its own.
pub(super) fn is_control(operator: &str) -> bool {
    matches!(operator, "If" | "Loop" | "Scan")
}

impl<'a> Importer<'a> {
    /// The outputs of a node that has graphs of its own.
    pub(super) fn control(&mut self, node: &'a NodeProto) -> Result<Result<Vec<Known>, Reject>, ImportError> {
        let inputs: Vec<Option<Known>> = node.input.iter().map(|name| self.known.get(name.as_str()).cloned()).collect();
        if inputs.iter().flatten().any(|known| matches!(known, Known::Unknown)) {
            return Ok(Ok(vec![Known::Unknown; node.output.len()]));
        }
        let result = match operator_name(node).as_str() {
            "If" => self.choose(node, &inputs),
            "Loop" => self.repeat(node, &inputs),
            _ => self.scan(node, &inputs),
        };
        match result {
            Ok(outputs) => Ok(Ok(outputs)),
            Err(Reject::Import(error)) => Err(error),
            Err(reject) => Ok(Err(reject)),
        }
    }

    fn choose(&mut self, node: &'a NodeProto, inputs: &[Option<Known>]) -> Result<Vec<Known>, Reject> {
        let Some(condition) = inputs.first().and_then(number) else {
            return Err(unsupported(
                "its condition is computed by the model",
                "a condition that follows from shapes and constants; both results and Where",
            ));
        };
        let branch = body(node, if condition != 0.0 { "then_branch" } else { "else_branch" })?;
        self.constants(branch)?;
        self.block(branch)
    }

    fn repeat(&mut self, node: &'a NodeProto, inputs: &[Option<Known>]) -> Result<Vec<Known>, Reject> {
        let graph = body(node, "body")?;
        let known = |index: usize, default: f32| match inputs.get(index) {
            Some(Some(known)) => number(&Some(known.clone()))
                .ok_or_else(|| unsupported("its number of trips is computed by the model", RECURRENT)),
            _ => Ok(default),
        };
        let (most, mut goes_on) = (known(0, f32::INFINITY)?, known(1, 1.0)? != 0.0);
        let mut carried: Vec<Known> = inputs.get(2..).unwrap_or(&[]).iter().flatten().cloned().collect();
        let [iteration, condition, names @ ..] = graph.input.as_slice() else {
            return Err(Reject::Invalid("its body has no inputs".into()));
        };
        if names.len() != carried.len() || graph.output.len() < 1 + carried.len() {
            return Err(Reject::Invalid(format!("{} states of a body of {} inputs", carried.len(), graph.input.len())));
        }
        self.constants(graph)?;
        let mut given: Vec<Vec<Known>> = vec![vec![]; graph.output.len() - 1 - carried.len()];
        let mut trip = 0;
        while goes_on && (trip as f32) < most {
            if trip == MAX_TRIPS {
                return Err(unsupported(format!("it runs more than {MAX_TRIPS} times"), RECURRENT));
            }
            self.known.insert(&iteration.name, integer(&iteration.name, trip as i64));
            self.known.insert(&condition.name, integer(&condition.name, 1));
            self.known.extend(names.iter().zip(&carried).map(|(name, known)| (name.name.as_str(), known.clone())));
            let refused = self.unsupported.len();
            let mut outputs = self.block(graph)?.into_iter();
            if self.unsupported.len() > refused {
                // Named once, not at each trip.
                return Ok(vec![Known::Unknown; node.output.len()]);
            }
            let end = outputs.next();
            goes_on = number(&end).ok_or_else(|| unsupported("its end is computed by the model", RECURRENT))? != 0.0;
            carried = outputs.by_ref().take(carried.len()).collect();
            given.iter_mut().zip(outputs).for_each(|(list, known)| list.push(known));
            trip += 1;
        }
        for list in given {
            let stacked = self.stacked(node, list)?;
            carried.push(stacked);
        }
        Ok(carried)
    }

    fn scan(&mut self, node: &'a NodeProto, inputs: &[Option<Known>]) -> Result<Vec<Known>, Reject> {
        let (graph, attributes) = (body(node, "body")?, Attributes::of(node));
        for name in ["scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions"] {
            if attributes.ints(name)?.is_some_and(|list| list.iter().any(|&n| n != 0)) {
                return Err(unsupported(format!("attribute {name}"), "steps on axis 0, from the first to the last"));
            }
        }
        let scanned = usize::try_from(attributes.int("num_scan_inputs", 0)?).unwrap_or(0);
        let inputs: Option<Vec<Known>> = inputs.iter().cloned().collect();
        let (Some(inputs), true) = (inputs, scanned > 0) else {
            return Err(Reject::Invalid("inputs are missing".into()));
        };
        let Some(states) = inputs.len().checked_sub(scanned) else {
            return Err(Reject::Invalid(format!("{scanned} scan inputs of {}", inputs.len())));
        };
        if graph.input.len() != inputs.len() || graph.output.len() < states {
            return Err(Reject::Invalid(format!("{} inputs of a body of {}", inputs.len(), graph.input.len())));
        }
        let trips = self.known_shape(&inputs[states]).first().copied().unwrap_or(0);
        if trips > MAX_TRIPS {
            return Err(unsupported(format!("it runs {trips} times"), RECURRENT));
        }
        self.constants(graph)?;
        let mut carried = inputs[..states].to_vec();
        let mut given: Vec<Vec<Known>> = vec![vec![]; graph.output.len() - states];
        for trip in 0..trips {
            for (name, known) in graph.input.iter().zip(&carried) {
                self.known.insert(&name.name, known.clone());
            }
            for (name, known) in graph.input[states..].iter().zip(&inputs[states..]) {
                let step = self.step(node, known, trip)?;
                self.known.insert(&name.name, step);
            }
            let refused = self.unsupported.len();
            let mut outputs = self.block(graph)?.into_iter();
            if self.unsupported.len() > refused {
                return Ok(vec![Known::Unknown; node.output.len()]);
            }
            carried = outputs.by_ref().take(states).collect();
            given.iter_mut().zip(outputs).for_each(|(list, known)| list.push(known));
        }
        for list in given {
            let stacked = self.stacked(node, list)?;
            carried.push(stacked);
        }
        Ok(carried)
    }

    /// Makes the constants of a graph inside known.
    fn constants(&mut self, graph: &'a GraphProto) -> Result<(), ImportError> {
        for tensor in &graph.initializer {
            self.known.insert(&tensor.name, Known::Constant(Constant::read(tensor, &tensor.name)?));
        }
        Ok(())
    }

    /// The outputs of a graph inside, whose nodes stand in the order in which they read each other.
    fn block(&mut self, graph: &'a GraphProto) -> Result<Vec<Known>, Reject> {
        self.inside += graph.node.len();
        if self.inside > MAX_NODES {
            return Err(unsupported(format!("branches and trips have more than {MAX_NODES} nodes"), RECURRENT));
        }
        for node in &graph.node {
            if let Some(value) = node.input.iter().find(|i| !i.is_empty() && !self.known.contains_key(i.as_str())) {
                let (value, reader) = (value.clone(), node_name(node).to_string());
                return Err(Reject::Import(ImportError::UndefinedValue { value, reader }));
            }
            self.node(node)?;
            self.folded += self.work(node);
            if self.folded > MAX_FOLDED {
                let reason = format!("branches and trips make constants of more than {MAX_FOLDED} numbers");
                return Err(unsupported(reason, RECURRENT));
            }
        }
        let output = |output: &tract_onnx::pb::ValueInfoProto| {
            self.known.get(output.name.as_str()).cloned().ok_or_else(|| {
                let (value, reader) = (output.name.clone(), "the outputs of a graph inside".to_string());
                Reject::Import(ImportError::UndefinedValue { value, reader })
            })
        };
        graph.output.iter().map(output).collect()
    }

    /// Elements of a node's inputs and outputs, where all of them are constants.
    fn work(&self, node: &NodeProto) -> usize {
        let elements = |name: &String| match self.known.get(name.as_str()) {
            Some(Known::Constant(constant)) => Some(constant.elements.len()),
            _ => None,
        };
        let names = node.input.iter().chain(&node.output).filter(|name| !name.is_empty());
        names.map(elements).sum::<Option<usize>>().unwrap_or(0)
    }

    fn known_shape(&self, known: &Known) -> Vec<usize> {
        match known {
            Known::Constant(constant) => constant.shape.clone(),
            Known::Value(id) => self.builder.shape(*id).to_vec(),
            Known::Unknown => vec![],
        }
    }

    /// One step of what is scanned.
    fn step(&mut self, node: &'a NodeProto, known: &Known, index: usize) -> Result<Known, Reject> {
        let place = Constant::new("step", vec![], Elements::Integer(vec![index as i64]));
        let r#type = AttributeType::Int as i32;
        let axis = [AttributeProto { name: "axis".into(), r#type, i: 0, ..AttributeProto::default() }];
        let attributes = Attributes::from(&axis[..]);
        match known {
            Known::Constant(whole) => {
                let step = fold::fold("Gather", attributes, &[Some(whole), Some(&place)], &whole.name)?;
                step.map(Known::Constant).ok_or_else(|| Reject::Invalid("a step of it is not known".into()))
            }
            Known::Value(id) => {
                let operands = [Some(Operand::Value(*id)), Some(Operand::Constant(&place))];
                let call = Call { attributes, operands: &operands, ..self.call(node) };
                let gather = operators::find("Gather").ok_or_else(|| "Gather".to_string())?;
                Ok(gather(&mut self.builder, &call)?.first().map_or(Known::Unknown, |&id| Known::Value(id)))
            }
            Known::Unknown => Ok(Known::Unknown),
        }
    }

    /// What the trips of a loop give, one behind the other on an axis of their own.
    fn stacked(&mut self, node: &'a NodeProto, list: Vec<Known>) -> Result<Known, Reject> {
        let mut parts = Vec::with_capacity(list.len());
        for known in list {
            match known {
                Known::Value(id) => {
                    let shape = [&[1], self.builder.shape(id)].concat();
                    let call = self.call(node);
                    parts.push(self.builder.reshape(&call, id, shape)?);
                }
                Known::Unknown => return Ok(Known::Unknown),
                Known::Constant(_) => {
                    return Err(unsupported("a trip gives constants", "outputs that each trip computes"));
                }
            }
        }
        match parts[..] {
            [] => Err(unsupported("it makes no trip", "one trip or more")),
            [one] => Ok(Known::Value(one)),
            _ => {
                let call = self.call(node);
                self.builder.emit(&call, Operator::Concat { axis: 0 }, &parts).map(Known::Value)
            }
        }
    }

    /// A node without operands.
    fn call(&self, node: &'a NodeProto) -> Call<'a> {
        let attributes = Attributes::of(node);
        Call { name: node_name(node), attributes, operands: &[], outputs: &node.output, opset: self.opset }
    }
}

/// The only element of a constant.
fn number(known: &Option<Known>) -> Option<f32> {
    match known {
        Some(Known::Constant(constant)) => constant.scalar(),
        _ => None,
    }
}

fn integer(name: &str, value: i64) -> Known {
    Known::Constant(Constant::new(name, vec![], Elements::Integer(vec![value])))
}

/// A graph inside a node.
fn body<'a>(node: &'a NodeProto, name: &str) -> Result<&'a GraphProto, Reject> {
    let graph = node.attribute.iter().find(|a| a.name == name).and_then(|a| a.g.as_ref());
    graph.ok_or_else(|| Reject::Invalid(format!("it has no {name}")))
}
