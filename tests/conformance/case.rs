//! A case as the ONNX project keeps them: `model.onnx`, and inputs and outputs as tensor messages in `test_data_set_0`.

use half::{bf16, f16};
use prost::Message;
use std::error::Error;
use std::fs;
use std::path::Path;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

/// A tensor of data, its elements as real numbers.
#[derive(Clone, Debug)]
pub struct Data {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    pub datatype: DataType,
    /// As it is in the file.
    pub proto: TensorProto,
}

/// A model with inputs and the outputs that it must give.
#[derive(Clone, Debug)]
pub struct Case {
    pub model: ModelProto,
    pub inputs: Vec<Data>,
    pub outputs: Vec<Data>,
}

impl Case {
    /// Reads a folder; `None` where it holds data that are no numbers.
    pub fn read(folder: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        let model = ModelProto::decode(fs::read(folder.join("model.onnx"))?.as_slice())?;
        let graph = model.graph.clone().unwrap_or_default();
        let stored = |name: &str| graph.initializer.iter().any(|t| t.name == name);
        let fed = graph.input.iter().map(|i| i.name.as_str()).filter(|name| !stored(name));
        let inputs = tensors(folder, "input", fed)?;
        let outputs = tensors(folder, "output", graph.output.iter().map(|o| o.name.as_str()))?;
        Ok(inputs.zip(outputs).map(|(inputs, outputs)| Self { model, inputs, outputs }))
    }
}

fn tensors<'a>(
    folder: &Path,
    kind: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Option<Vec<Data>>, Box<dyn Error>> {
    let mut tensors = Vec::new();
    for (index, name) in names.enumerate() {
        let bytes = fs::read(folder.join(format!("test_data_set_0/{kind}_{index}.pb")))?;
        match Data::read(TensorProto::decode(bytes.as_slice())?, name) {
            Some(data) => tensors.push(data),
            None => return Ok(None),
        }
    }
    Ok(Some(tensors))
}

impl Data {
    fn read(mut proto: TensorProto, name: &str) -> Option<Self> {
        fn each<const N: usize>(raw: &[u8], real: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            raw.as_chunks::<N>().0.iter().map(|&bytes| real(bytes)).collect()
        }
        let datatype = DataType::try_from(proto.data_type).ok()?;
        let raw = proto.raw_data.as_slice();
        let values = match datatype {
            DataType::Float if raw.is_empty() => proto.float_data.clone(),
            DataType::Float => each(raw, f32::from_le_bytes),
            DataType::Double => each(raw, |b| f64::from_le_bytes(b) as f32),
            DataType::Float16 => each(raw, |b| f16::from_le_bytes(b).to_f32()),
            DataType::Bfloat16 => each(raw, |b| bf16::from_le_bytes(b).to_f32()),
            DataType::Int64 if raw.is_empty() => proto.int64_data.iter().map(|&v| v as f32).collect(),
            DataType::Int64 => each(raw, |b| i64::from_le_bytes(b) as f32),
            DataType::Int32 => each(raw, |b| i32::from_le_bytes(b) as f32),
            DataType::Int8 => raw.iter().map(|&b| f32::from(b as i8)).collect(),
            DataType::Uint8 | DataType::Bool => raw.iter().map(|&b| f32::from(b)).collect(),
            _ => return None,
        };
        let shape: Vec<usize> = proto.dims.iter().map(|&d| d as usize).collect();
        proto.name = name.into();
        (values.len() == shape.iter().product::<usize>()).then(|| Self {
            name: name.into(),
            shape,
            values,
            datatype,
            proto,
        })
    }
}
