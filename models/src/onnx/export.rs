//! Graphs as ONNX files.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as Type};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

use super::EXPORT_OPSET;
use std::collections::HashSet;

use crate::function::Function;
use crate::graph::{Graph, Node, Operator, PixelSource, ValueId, Window};
use crate::recurrence::{Cell, Gives, Recurrence};

/// Version of the file format that goes with [`EXPORT_OPSET`].
const IR_VERSION: i64 = 8;

/// The bytes of an ONNX file that computes the graph. Metadata travel along.
pub fn export(graph: &Graph) -> Vec<u8> {
    let names = unique_names(graph);
    let mut exporter = Exporter { graph, names, node_names: HashSet::new(), nodes: vec![], constants: vec![] };
    for node in &graph.nodes {
        exporter.node(node);
    }
    let port = |id: &ValueId| port(&exporter.names[id.0], &graph.value(*id).shape);
    let graph_proto = GraphProto {
        name: if graph.name.is_empty() { "residua".into() } else { graph.name.clone() },
        input: graph.inputs.iter().map(port).collect(),
        output: graph.outputs.iter().map(port).collect(),
        node: exporter.nodes,
        initializer: exporter.constants,
        ..GraphProto::default()
    };
    let metadata = graph.metadata.iter();
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { version: EXPORT_OPSET, ..OperatorSetIdProto::default() }],
        producer_name: "residua".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph_proto),
        metadata_props: metadata
            .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
            .collect(),
        ..ModelProto::default()
    }
    .encode_to_vec()
}

/// A name for each value: its own where no other value has it.
fn unique_names(graph: &Graph) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(graph.values.len());
    for (index, value) in graph.values.iter().enumerate() {
        let mut name = value.name.clone();
        while name.is_empty() || !seen.insert(name.clone()) {
            name = format!("{}:{index}", value.name);
            if !seen.contains(&name) {
                seen.insert(name.clone());
                break;
            }
        }
        names.push(name);
    }
    names
}

struct Exporter<'g> {
    graph: &'g Graph,
    names: Vec<String>,
    /// Names of nodes that are given: importing one node may have made several of its name.
    node_names: HashSet<String>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Exporter<'_> {
    fn node(&mut self, node: &Node) {
        let input = self.names[node.inputs[0].0].clone();
        let output = self.names[node.output.0].clone();
        let rank = self.graph.value(node.inputs[0]).shape.len();
        match &node.operator {
            Operator::Convolution { weight, bias, window, groups, pad_value } => {
                let (input, bias) = match pad_value {
                    Some(pads) => {
                        // conv(x) with padding p = conv(x − p) with zero padding + Σ w·p.
                        let shifted = self.with_channels("Sub", &input, &output, "pad", pads, rank);
                        (shifted, padded_bias(weight.data.as_slice(), bias, *groups, pads))
                    }
                    None => (input, bias.clone()),
                };
                let weight = self.constant(&output, "weight", &weight.shape, &weight.data);
                let bias = self.constant(&output, "bias", &[bias.len()], &bias);
                let mut attributes = window_attributes(window);
                attributes.push(ints("dilations", &window.dilations));
                attributes.push(int("group", *groups));
                self.push("Conv", &node.name, &[&input, &weight, &bias], &output, attributes);
            }
            Operator::Dense { weight, bias } if rank == 2 => {
                let weight = self.constant(&output, "weight", &weight.shape, &weight.data);
                let bias = self.constant(&output, "bias", &[bias.len()], bias);
                self.push("Gemm", &node.name, &[&input, &weight, &bias], &output, vec![int("transB", 1)]);
            }
            Operator::Dense { weight, bias } => {
                let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
                let transposed: Vec<f32> =
                    (0..inputs).flat_map(|i| (0..outputs).map(move |o| weight.data[o * inputs + i])).collect();
                let weight = self.constant(&output, "weight", &[inputs, outputs], &transposed);
                let bias = self.constant(&output, "bias", &[outputs], bias);
                let product = format!("{output}/product");
                self.push("MatMul", &format!("{}/product", node.name), &[&input, &weight], &product, vec![]);
                self.push("Add", &node.name, &[&product, &bias], &output, vec![]);
            }
            Operator::Affine { scale, offset } => {
                let scaled = self.with_channels("Mul", &input, &output, "scale", scale, rank);
                let offset = self.constant(&output, "offset", &channel_shape(offset.len(), rank), offset);
                self.push("Add", &node.name, &[&scaled, &offset], &output, vec![]);
            }
            Operator::Add | Operator::Subtract | Operator::Multiply => {
                let second = self.names[node.inputs[1].0].clone();
                self.push(node.operator.name(), &node.name, &[&input, &second], &output, vec![]);
            }
            Operator::Function(function) => self.function(&node.name, function, &input, &output),
            Operator::Quantize { scale, zero_point } => {
                let (codes, name) = (format!("{output}/codes"), format!("{output}/zero_point"));
                let scale = self.constant(&output, "scale", &[], &[*scale]);
                self.constants.push(TensorProto {
                    name: name.clone(),
                    data_type: DataType::Int8 as i32,
                    raw_data: zero_point.to_le_bytes().to_vec(),
                    ..TensorProto::default()
                });
                self.push("QuantizeLinear", &codes, &[&input, &scale, &name], &codes, vec![]);
                self.push("DequantizeLinear", &node.name, &[&codes, &scale, &name], &output, vec![]);
            }
            Operator::Concat { axis } => {
                let inputs: Vec<String> = node.inputs.iter().map(|i| self.names[i.0].clone()).collect();
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.push("Concat", &node.name, &inputs, &output, vec![int("axis", *axis)]);
            }
            Operator::Slice { axis, start, end } => {
                let numbers = [("starts", *start), ("ends", *end), ("axes", *axis)];
                let [starts, ends, axes] = numbers.map(|(what, number)| self.integers(&output, what, &[number]));
                self.push("Slice", &node.name, &[&input, &starts, &ends, &axes], &output, vec![]);
            }
            Operator::Pad { axis, before, after } => {
                let mut pads = vec![0; 2 * rank];
                (pads[*axis], pads[rank + axis]) = (*before, *after);
                let pads = self.integers(&output, "pads", &pads);
                self.push("Pad", &node.name, &[&input, &pads], &output, vec![]);
            }
            Operator::Upsample { factor, source: source @ (PixelSource::DepthFirst | PixelSource::ColumnFirst) } => {
                let mode = if *source == PixelSource::DepthFirst { "DCR" } else { "CRD" };
                let attributes = vec![int("blocksize", *factor), text("mode", mode)];
                self.push("DepthToSpace", &node.name, &[&input], &output, attributes);
            }
            Operator::Upsample { factor, source } => {
                let scales = self.constant(&output, "scales", &[4], &[1.0, 1.0, *factor as f32, *factor as f32]);
                let attributes = match source {
                    PixelSource::Bilinear => vec![text("mode", "linear")],
                    _ => vec![
                        text("mode", "nearest"),
                        text("coordinate_transformation_mode", "asymmetric"),
                        text("nearest_mode", "floor"),
                    ],
                };
                self.push("Resize", &node.name, &[&input, "", &scales], &output, attributes);
            }
            Operator::Resample { rows, columns } => {
                // Row mixes from the left, column mixes from the right.
                let [height, width] = [2, 3].map(|axis| self.graph.value(node.inputs[0]).shape[axis]);
                let by_rows = mixes(rows, height);
                let rows = self.constant(&output, "rows", &[rows.len(), height], &by_rows);
                let by_columns = mixes(columns, width);
                let transposed: Vec<f32> =
                    (0..width).flat_map(|x| by_columns.iter().skip(x).step_by(width).copied()).collect();
                let columns = self.constant(&output, "columns", &[width, columns.len()], &transposed);
                let mixed = format!("{output}/mixed");
                self.push("MatMul", &format!("{}/rows", node.name), &[&rows, &input], &mixed, vec![]);
                self.push("MatMul", &node.name, &[&mixed, &columns], &output, vec![]);
            }
            Operator::MaxOfChannels { outputs } => {
                let shape = &self.graph.value(node.inputs[0]).shape;
                let parts = self.integers(&output, "parts", &[shape[1] / outputs, *outputs, shape[2], shape[3]]);
                let stacked = format!("{output}/stacked");
                self.push("Reshape", &stacked, &[&input, &parts], &stacked, vec![]);
                let attributes = vec![ints("axes", &[0]), int("keepdims", 1)];
                self.push("ReduceMax", &node.name, &[&stacked], &output, attributes);
            }
            Operator::Clamp { min, max } if *min == 0.0 && *max == f32::INFINITY => {
                self.push("Relu", &node.name, &[&input], &output, vec![]);
            }
            Operator::Clamp { min, max } => {
                let min = self.constant(&output, "min", &[], &[*min]);
                let max = self.constant(&output, "max", &[], &[*max]);
                self.push("Clip", &node.name, &[&input, &min, &max], &output, vec![]);
            }
            Operator::MaxPool { window } => {
                let mut attributes = window_attributes(window);
                attributes.push(ints("dilations", &window.dilations));
                self.push("MaxPool", &node.name, &[&input], &output, attributes);
            }
            Operator::AveragePool { window, count_include_pad } => {
                let mut attributes = window_attributes(window);
                attributes.push(int("count_include_pad", usize::from(*count_include_pad)));
                self.push("AveragePool", &node.name, &[&input], &output, attributes);
            }
            Operator::Softmax { axis } => {
                self.push("Softmax", &node.name, &[&input], &output, vec![int("axis", *axis)]);
            }
            Operator::LogSoftmax { axis } => {
                self.push("LogSoftmax", &node.name, &[&input], &output, vec![int("axis", *axis)]);
            }
            Operator::Recurrence(recurrence) => self.recurrence(&node.name, recurrence, &input, &output),
            Operator::Transpose { permutation } => {
                self.push("Transpose", &node.name, &[&input], &output, vec![ints("perm", permutation)]);
            }
            Operator::Part { start } => {
                let shape = &self.graph.value(node.output).shape;
                let numbers = [("starts", *start), ("ends", start + shape.iter().product::<usize>()), ("axes", 1)];
                let [starts, ends, axes] = numbers.map(|(what, number)| self.integers(&output, what, &[number]));
                let (flat, name) = (format!("{output}/flat"), self.integers(&output, "shape", shape));
                self.push("Slice", &flat, &[&input, &starts, &ends, &axes], &flat, vec![]);
                self.push("Reshape", &node.name, &[&flat, &name], &output, vec![]);
            }
            Operator::Reshape => {
                let name = self.integers(&output, "shape", &self.graph.value(node.output).shape);
                self.push("Reshape", &node.name, &[&input, &name], &output, vec![]);
            }
        }
    }

    /// A layer whose input projection is the identity.
    fn recurrence(&mut self, name: &str, recurrence: &Recurrence, input: &str, output: &str) {
        let (units, width) = (recurrence.units(), recurrence.width());
        let mut identity = vec![0.0; width * width];
        identity.iter_mut().step_by(width + 1).for_each(|diagonal| *diagonal = 1.0);
        let mut bias = vec![0.0; 2 * width];
        let reset = bias.len() - recurrence.bias.len();
        bias[reset..].copy_from_slice(&recurrence.bias);
        let constants: [(&str, &[usize], &[f32]); 5] = [
            ("W", &[1, width, width], &identity),
            ("R", &[1, width, units], &recurrence.weight.data),
            ("B", &[1, 2 * width], &bias),
            ("initial_h", &[1, 1, units], &recurrence.hidden),
            ("initial_c", &[1, 1, units], &recurrence.memory),
        ];
        let constants =
            constants.map(
                |(what, shape, data)| {
                    if data.is_empty() { String::new() } else { self.constant(output, what, shape, data) }
                },
            );
        let [weight, recurrent, bias, hidden, memory] = constants.each_ref().map(String::as_str);
        let mut inputs = vec![input, weight, recurrent, bias, "", hidden];
        let direction = if recurrence.reverse { "reverse" } else { "forward" };
        let mut attributes = vec![int("hidden_size", units), text("direction", direction)];
        let operator = match recurrence.cell {
            Cell::Lstm => {
                inputs.push(memory);
                "LSTM"
            }
            Cell::Gru { reset_product } => {
                attributes.push(int("linear_before_reset", usize::from(reset_product)));
                "GRU"
            }
        };
        // All steps have an axis of directions.
        let steps = format!("{output}/steps");
        let index = match recurrence.gives {
            Gives::Steps => 0,
            Gives::Hidden => 1,
            Gives::Memory => 2,
        };
        let given = if index == 0 { &steps } else { output };
        self.push(operator, name, &inputs, given, attributes);
        if let Some(node) = self.nodes.last_mut() {
            node.output.splice(0..0, vec![String::new(); index]);
        }
        if index == 0 {
            let axis = self.integers(output, "axes", &[1]);
            self.push("Squeeze", output, &[&steps, &axis], output, vec![]);
        }
    }

    /// A node that combines the input with one number a channel; the name of its output.
    fn with_channels(
        &mut self,
        operator: &str,
        input: &str,
        output: &str,
        what: &str,
        numbers: &[f32],
        rank: usize,
    ) -> String {
        let constant = self.constant(output, what, &channel_shape(numbers.len(), rank), numbers);
        let result = format!("{output}/{what}ed");
        self.push(operator, &result, &[input, &constant], &result, vec![]);
        result
    }

    /// The nodes of a function of one element.
    fn function(&mut self, name: &str, function: &Function, input: &str, output: &str) {
        let scalar = |exporter: &mut Self, what: &str, number: f32| exporter.constant(output, what, &[], &[number]);
        let attributes = match function {
            Function::HardSigmoid { alpha, beta } => vec![float("alpha", *alpha), float("beta", *beta)],
            Function::LeakyRelu { slope } => vec![float("alpha", *slope)],
            Function::Elu { alpha } => vec![float("alpha", *alpha)],
            _ => vec![],
        };
        match function {
            Function::Linear { scale, offset } => {
                let scaled = format!("{output}/scaled");
                let [scale, offset] = [("scale", *scale), ("offset", *offset)].map(|(w, n)| scalar(self, w, n));
                self.push("Mul", &scaled, &[input, &scale], &scaled, vec![]);
                self.push("Add", name, &[&scaled, &offset], output, vec![]);
            }
            Function::Clamp { min, max } => {
                let [min, max] = [("min", *min), ("max", *max)].map(|(w, n)| scalar(self, w, n));
                self.push("Clip", name, &[input, &min, &max], output, vec![]);
            }
            Function::Power { exponent } => {
                let exponent = scalar(self, "exponent", *exponent);
                self.push("Pow", name, &[input, &exponent], output, vec![]);
            }
            Function::Step { threshold } => {
                let (threshold, greater) = (scalar(self, "threshold", *threshold), format!("{output}/greater"));
                self.push("Greater", &greater, &[input, &threshold], &greater, vec![]);
                self.push("Cast", name, &[&greater], output, vec![int("to", DataType::Float as usize)]);
            }
            Function::TimesInput(function) => {
                let factor = format!("{output}/factor");
                self.function(&factor, function, input, &factor);
                self.push("Mul", name, &[input, &factor], output, vec![]);
            }
            Function::Chain(functions) => {
                let mut input = input.to_string();
                for (index, function) in functions.iter().enumerate() {
                    let last = index + 1 == functions.len();
                    let next = if last { output.to_string() } else { format!("{output}/{index}") };
                    self.function(if last { name } else { &next }, function, &input, &next);
                    input = next;
                }
            }
            Function::SquareRoot => {
                let positive = format!("{output}/positive");
                self.push("Relu", &positive, &[input], &positive, vec![]);
                self.push("Sqrt", name, &[&positive], output, vec![]);
            }
            _ => self.push(function.name(), name, &[input], output, attributes),
        }
    }

    fn integers(&mut self, owner: &str, what: &str, numbers: &[usize]) -> String {
        let name = format!("{owner}/{what}");
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: vec![numbers.len() as i64],
            data_type: DataType::Int64 as i32,
            raw_data: numbers.iter().flat_map(|&n| (n as i64).to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        name
    }

    fn constant(&mut self, owner: &str, what: &str, shape: &[usize], data: &[f32]) -> String {
        let name = format!("{owner}/{what}");
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: data.iter().flat_map(|f| f.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        name
    }

    fn push(&mut self, operator: &str, name: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        let mut name = name.to_string();
        if !self.node_names.insert(name.clone()) {
            name = format!("{name}:{output}");
            self.node_names.insert(name.clone());
        }
        self.nodes.push(NodeProto {
            name,
            op_type: operator.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute,
            ..NodeProto::default()
        });
    }
}

/// `bias + Σ w · p` for each output, `p` the padding value of the input channel.
fn padded_bias(weights: &[f32], bias: &[f32], groups: usize, pads: &[f32]) -> Vec<f32> {
    let fan_in = weights.len() / bias.len().max(1);
    let inputs = pads.len() / groups.max(1);
    let (taps, outputs) = (fan_in / inputs.max(1), bias.len() / groups.max(1));
    let kernels = weights.chunks_exact(fan_in.max(1)).zip(bias).enumerate();
    kernels
        .map(|(o, (kernel, bias))| {
            let pads = &pads[o / outputs.max(1) * inputs..];
            let sum: f64 =
                kernel.iter().enumerate().map(|(i, &w)| f64::from(w) * f64::from(pads[i / taps.max(1)])).sum();
            (f64::from(*bias) + sum) as f32
        })
        .collect()
}

/// For each place the shares of `size` pixels in it: `[places, size]`.
fn mixes(places: &[f32], size: usize) -> Vec<f32> {
    let share = |place: f32, pixel: usize| (1.0 - (place - pixel as f32).abs()).max(0.0);
    places.iter().flat_map(|&place| (0..size).map(move |pixel| share(place, pixel))).collect()
}

/// `[1, channels, 1, ..]`.
fn channel_shape(channels: usize, rank: usize) -> Vec<usize> {
    (0..rank).map(|axis| if axis == 1 { channels } else { 1 }).collect()
}

fn window_attributes(window: &Window) -> Vec<AttributeProto> {
    vec![ints("kernel_shape", &window.kernel), ints("strides", &window.strides), ints("pads", &window.pads)]
}

fn int(name: &str, value: usize) -> AttributeProto {
    let i = value as i64;
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Float as i32, f, ..AttributeProto::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let s = value.as_bytes().to_vec();
    AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s, ..AttributeProto::default() }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&v| v as i64).collect();
    AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..AttributeProto::default() }
}

fn port(name: &str, shape: &[usize]) -> ValueInfoProto {
    let size = |&d: &usize| Dimension { value: Some(Size::DimValue(d as i64)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(size).collect() });
    let tensor = TensorType { elem_type: DataType::Float as i32, shape };
    let r#type = TypeProto { value: Some(Type::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(r#type), ..ValueInfoProto::default() }
}
