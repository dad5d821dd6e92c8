//! Constants of a model: tensor messages, checked before anything is allocated for them.

use half::{bf16, f16};
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{TensorProto, tensor_proto};

use super::error::ImportError;
use crate::shape::MAX_ELEMENTS;

/// Elements of a constant, widened: what type they had in the file does not matter after reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elements {
    Float(Vec<f32>),
    Integer(Vec<i64>),
}

impl Elements {
    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Float(v) => v.len(),
            Elements::Integer(v) => v.len(),
        }
    }
}

/// A constant with its name for messages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) elements: Elements,
    /// Type in the file, if it was read from there.
    pub(super) datatype: Option<DataType>,
}

impl Constant {
    pub(super) fn new(name: impl Into<String>, shape: Vec<usize>, elements: Elements) -> Constant {
        Constant { name: name.into(), shape, elements, datatype: None }
    }

    /// Elements as floats; integers are converted.
    pub(super) fn floats(&self) -> Vec<f32> {
        match &self.elements {
            Elements::Float(v) => v.clone(),
            Elements::Integer(v) => v.iter().map(|&i| i as f32).collect(),
        }
    }

    /// Elements as floats, all finite.
    pub(super) fn weights(&self) -> Result<Vec<f32>, ImportError> {
        let values = self.floats();
        match values.iter().position(|v| !v.is_finite()) {
            Some(element) => Err(ImportError::NotFinite { tensor: self.name.clone(), element, value: values[element] }),
            None => Ok(values),
        }
    }

    /// Elements as integers, or an error where they are floats.
    pub(super) fn integers(&self) -> Result<&[i64], ImportError> {
        match &self.elements {
            Elements::Integer(v) => Ok(v),
            Elements::Float(_) => Err(self.error("holds floats where integers are needed")),
        }
    }

    /// The only element as a float.
    pub(super) fn scalar(&self) -> Option<f32> {
        match &self.elements {
            Elements::Float(v) if v.len() == 1 => v.first().copied(),
            Elements::Integer(v) if v.len() == 1 => v.first().map(|&i| i as f32),
            _ => None,
        }
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Tensor { tensor: self.name.clone(), reason: reason.into() }
    }

    /// Reads a tensor message; `name` is used where the message has none.
    pub(super) fn read(proto: &TensorProto, name: &str) -> Result<Constant, ImportError> {
        let name = if proto.name.is_empty() { name } else { &proto.name };
        let fail = |reason: String| Err(ImportError::Tensor { tensor: name.to_string(), reason });
        if proto.data_location == Some(DataLocation::External as i32) || !proto.external_data.is_empty() {
            return Err(ImportError::ExternalData { tensor: name.to_string() });
        }
        if proto.segment.is_some() {
            return fail("segmented tensors are not supported".into());
        }
        let mut shape = Vec::with_capacity(proto.dims.len());
        let mut count = 1usize;
        for &dim in &proto.dims {
            let Ok(dim) = usize::try_from(dim) else { return fail(format!("dimensions {:?}", proto.dims)) };
            count = match count.checked_mul(dim) {
                Some(n) if n <= MAX_ELEMENTS => n,
                _ => return fail(format!("dimensions {:?} are absurdly large", proto.dims)),
            };
            shape.push(dim);
        }
        let Ok(datatype) = DataType::try_from(proto.data_type) else {
            return fail(format!("unknown data type {}", proto.data_type));
        };
        let elements = match decode(proto, datatype) {
            Some(elements) => elements,
            None => {
                return fail(format!("data type {} is not supported, or its bytes are cut", datatype.as_str_name()));
            }
        };
        if elements.len() != count {
            return fail(format!("dimensions {:?} need {count} elements, the data has {}", proto.dims, elements.len()));
        }
        Ok(Constant { name: name.to_string(), shape, elements, datatype: Some(datatype) })
    }
}

/// Decodes as many elements as the message holds; allocation is bounded by the message's own size.
fn decode(proto: &TensorProto, datatype: tensor_proto::DataType) -> Option<Elements> {
    let raw = proto.raw_data.as_slice();
    let is_raw = !raw.is_empty();
    let int32 = proto.int32_data.as_slice();
    let whole = |width: usize| raw.len().is_multiple_of(width);
    Some(match datatype {
        DataType::Float if is_raw => Elements::Float(whole(4).then(|| chunks(raw, f32::from_le_bytes))?),
        DataType::Float => Elements::Float(proto.float_data.clone()),
        DataType::Double if is_raw => Elements::Float(whole(8).then(|| chunks(raw, |b| f64::from_le_bytes(b) as f32))?),
        DataType::Double => Elements::Float(proto.double_data.iter().map(|&v| v as f32).collect()),
        DataType::Float16 if is_raw => {
            Elements::Float(whole(2).then(|| chunks(raw, |b| f16::from_le_bytes(b).to_f32()))?)
        }
        DataType::Float16 => Elements::Float(int32.iter().map(|&v| f16::from_bits(v as u16).to_f32()).collect()),
        DataType::Bfloat16 if is_raw => {
            Elements::Float(whole(2).then(|| chunks(raw, |b| bf16::from_le_bytes(b).to_f32()))?)
        }
        DataType::Bfloat16 => Elements::Float(int32.iter().map(|&v| bf16::from_bits(v as u16).to_f32()).collect()),
        DataType::Int64 if is_raw => Elements::Integer(whole(8).then(|| chunks(raw, i64::from_le_bytes))?),
        DataType::Int64 => Elements::Integer(proto.int64_data.clone()),
        DataType::Int32 if is_raw => {
            Elements::Integer(whole(4).then(|| chunks(raw, |b| i32::from_le_bytes(b).into()))?)
        }
        DataType::Int16 if is_raw => {
            Elements::Integer(whole(2).then(|| chunks(raw, |b| i16::from_le_bytes(b).into()))?)
        }
        DataType::Uint16 if is_raw => {
            Elements::Integer(whole(2).then(|| chunks(raw, |b| u16::from_le_bytes(b).into()))?)
        }
        DataType::Uint32 if is_raw => {
            Elements::Integer(whole(4).then(|| chunks(raw, |b| u32::from_le_bytes(b).into()))?)
        }
        DataType::Int8 if is_raw => Elements::Integer(raw.iter().map(|&b| (b as i8).into()).collect()),
        DataType::Uint8 | DataType::Bool if is_raw => Elements::Integer(raw.iter().map(|&b| b.into()).collect()),
        DataType::Int32 | DataType::Int16 | DataType::Int8 | DataType::Uint16 | DataType::Uint8 | DataType::Bool => {
            Elements::Integer(int32.iter().map(|&v| v.into()).collect())
        }
        DataType::Uint32 => {
            Elements::Integer(proto.uint64_data.iter().map(|&v| i64::try_from(v).ok()).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn chunks<const N: usize, T>(raw: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|&bytes| convert(bytes)).collect()
}
