//! Builds ONNX models, sound ones and others.

use super::random::Random;
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{self, Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A model being built; its message is open to be spoilt.
#[derive(Clone, Debug)]
pub struct Onnx {
    pub proto: ModelProto,
}

impl Onnx {
    pub fn new() -> Self {
        let opset_import = vec![OperatorSetIdProto { version: 17, ..Default::default() }];
        let graph = Some(GraphProto { name: "test".into(), ..Default::default() });
        Self { proto: ModelProto { ir_version: 8, opset_import, graph, ..Default::default() } }
    }

    pub fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.as_mut().unwrap()
    }

    pub fn input(&mut self, name: &str, shape: &[i64]) -> &mut Self {
        self.graph().input.push(value(name, shape));
        self
    }

    pub fn output(&mut self, name: &str, shape: &[i64]) -> &mut Self {
        self.graph().output.push(value(name, shape));
        self
    }

    pub fn constant(&mut self, name: &str, shape: &[i64], values: Vec<f32>) -> &mut Self {
        let data_type = DataType::Float as i32;
        let tensor = TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type,
            float_data: values,
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// A list of whole numbers.
    pub fn integers(&mut self, name: &str, int64_data: Vec<i64>) -> &mut Self {
        let (dims, data_type) = (vec![int64_data.len() as i64], DataType::Int64 as i32);
        let tensor = TensorProto { name: name.into(), dims, data_type, int64_data, ..Default::default() };
        self.graph().initializer.push(tensor);
        self
    }

    /// A node named like its output.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) -> &mut Self {
        let attribute = |&(name, ints): &(&str, &[i64])| {
            let mut attribute = AttributeProto { name: name.into(), ..Default::default() };
            if let (&[i], true) = (ints, matches!(name, "axis" | "transB" | "group")) {
                (attribute.r#type, attribute.i) = (AttributeType::Int as i32, i);
            } else {
                (attribute.r#type, attribute.ints) = (AttributeType::Ints as i32, ints.to_vec());
            }
            attribute
        };
        let node = NodeProto {
            name: output.into(),
            op_type: operator.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        };
        self.graph().node.push(node);
        self
    }

    pub fn metadata(&mut self, key: &str, text: &str) -> &mut Self {
        self.proto.metadata_props.push(StringStringEntryProto { key: key.into(), value: text.into() });
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }
}

/// A value's declaration; negative sizes are symbols.
pub fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
    let size = |&size: &i64| Dimension {
        value: Some(match size {
            ..0 => dimension::Value::DimParam(format!("s{}", -size)),
            _ => dimension::Value::DimValue(size),
        }),
        ..Default::default()
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(size).collect() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let r#type = Some(TypeProto { value: Some(Value::TensorType(tensor)), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

/// A small residual network: `x` [1, 3, 8, 8] to `y` [1, 5].
pub fn network() -> Onnx {
    let mut random = Random::new(11);
    let mut onnx = Onnx::new();
    onnx.input("x", &[1, 3, 8, 8])
        .constant("w1", &[4, 3, 3, 3], random.reals(4 * 27))
        .constant("b1", &[4], random.reals(4))
        .node("Conv", &["x", "w1", "b1"], "c1", &[("pads", &[1, 1, 1, 1])])
        .node("Relu", &["c1"], "r1", &[])
        .constant("w2", &[4, 4, 3, 3], random.reals(4 * 36))
        .node("Conv", &["r1", "w2"], "c2", &[("pads", &[1, 1, 1, 1])])
        .node("Add", &["c2", "r1"], "a", &[])
        .node("Relu", &["a"], "r2", &[])
        .node("GlobalAveragePool", &["r2"], "p", &[])
        .node("Flatten", &["p"], "f", &[("axis", &[1])])
        .constant("w3", &[5, 4], random.reals(20))
        .constant("b3", &[5], random.reals(5))
        .node("Gemm", &["f", "w3", "b3"], "y", &[("transB", &[1])])
        .output("y", &[1, 5]);
    onnx
}
