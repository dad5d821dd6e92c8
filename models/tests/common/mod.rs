//! ONNX files made in code, and where real ones lie.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use prost::Message;
use std::path::PathBuf;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as Type};
use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

/// An attribute of a node.
pub type Attribute = AttributeProto;

/// A file of `../shared`, or `None` with a line that says so.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: ../shared/{path} is absent");
    None
}

/// A model under construction.
#[derive(Clone, Debug)]
pub struct Model(pub ModelProto);

impl Model {
    /// A model with one float input `x`; a dimension below 1 is symbolic.
    pub fn new(shape: &[i64]) -> Self {
        let graph = GraphProto { name: "test".into(), input: vec![value("x", shape)], ..GraphProto::default() };
        let opset = OperatorSetIdProto { version: 17, ..OperatorSetIdProto::default() };
        Self(ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() })
    }

    pub fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    pub fn opset(mut self, version: i64) -> Self {
        self.0.opset_import[0].version = version;
        self
    }

    /// Adds a node named after its output; the operator's domain stands before it, where it has one.
    pub fn node(mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> Self {
        let (domain, operator) = operator.rsplit_once('.').unwrap_or(("", operator));
        self.graph().node.push(NodeProto {
            name: format!("node_{output}"),
            domain: domain.into(),
            op_type: operator.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute: attributes,
            ..NodeProto::default()
        });
        self
    }

    /// Lets the last node have these outputs.
    pub fn outputs(mut self, names: &[&str]) -> Self {
        if let Some(node) = self.graph().node.last_mut() {
            node.output = names.iter().map(ToString::to_string).collect();
        }
        self
    }

    /// Adds a call of one of the model's functions.
    pub fn call(self, function: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> Self {
        let mut model = self.node(function, inputs, output, attributes);
        if let Some(node) = model.graph().node.last_mut() {
            node.domain = "test".into();
        }
        model
    }

    /// Adds a function whose nodes are those that `build` adds to an empty model.
    pub fn function(
        mut self,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[&str],
        build: impl Fn(Self) -> Self,
    ) -> Self {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        self.0.functions.push(FunctionProto {
            name: Some(name.into()),
            domain: Some("test".into()),
            input: list(inputs),
            output: list(outputs),
            attribute: list(attributes),
            node: std::mem::take(&mut build(Self::new(&[1])).graph().node),
            ..FunctionProto::default()
        });
        self
    }

    pub fn floats(mut self, name: &str, dims: &[i64], data: Vec<f32>) -> Self {
        self.graph().initializer.push(TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: data.iter().flat_map(|f| f.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        self
    }

    pub fn ints(mut self, name: &str, data: &[i64]) -> Self {
        self.graph().initializer.push(TensorProto {
            name: name.into(),
            dims: vec![data.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// Names the outputs and gives the file's bytes.
    pub fn finish(mut self, outputs: &[&str]) -> Vec<u8> {
        self.graph().output = outputs.iter().map(|o| value(o, &[])).collect();
        self.0.encode_to_vec()
    }
}

fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dimension = |&d: &i64| {
        let size = if d < 1 { Size::DimParam(format!("unknown{}", -d)) } else { Size::DimValue(d) };
        Dimension { value: Some(size), ..Dimension::default() }
    };
    let shape = (!shape.is_empty()).then(|| TensorShapeProto { dim: shape.iter().map(dimension).collect() });
    let tensor = TensorType { elem_type: DataType::Float as i32, shape };
    let r#type = TypeProto { value: Some(Type::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(r#type), ..ValueInfoProto::default() }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: ints.to_vec(),
        ..AttributeProto::default()
    }
}

pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Float as i32, f, ..AttributeProto::default() }
}

pub fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    let r#type = AttributeType::Floats as i32;
    AttributeProto { name: name.into(), r#type, floats: floats.to_vec(), ..AttributeProto::default() }
}

/// A graph inside a node, with the nodes and constants of a model, its inputs and its outputs.
pub fn graph(name: &str, mut model: Model, inputs: &[&str], outputs: &[&str]) -> AttributeProto {
    let values = |names: &[&str]| names.iter().map(|name| value(name, &[])).collect();
    let mut inside = std::mem::take(model.graph());
    (inside.input, inside.output) = (values(inputs), values(outputs));
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Graph as i32,
        g: Some(inside),
        ..AttributeProto::default()
    }
}

/// An attribute that is the attribute of the function around.
pub fn reference(name: &str, of: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Float as i32,
        ref_attr_name: of.into(),
        ..AttributeProto::default()
    }
}

pub fn string(name: &str, text: &str) -> AttributeProto {
    let s = text.as_bytes().to_vec();
    AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s, ..AttributeProto::default() }
}

pub fn strings(name: &str, texts: &[&str]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Strings as i32,
        strings: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ..AttributeProto::default()
    }
}

/// Numbers between −1 and 1.
pub fn reals(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}
