//! Attributes of a node, read with the type that the operator's definition gives them.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// A node's attributes by name; each reader fails with a reason where the attribute has another type.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(&'a [AttributeProto]);

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a NodeProto) -> Attributes<'a> {
        Attributes(&node.attribute)
    }

    /// Attributes that no node of the file has.
    pub(super) fn from(list: &'a [AttributeProto]) -> Attributes<'a> {
        Attributes(list)
    }

    /// Whether there is an attribute of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|a| a.name == name)
    }

    /// The attribute of that name and type. Files older than the type field leave it undefined.
    fn find(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, String> {
        let Some(attribute) = self.0.iter().find(|a| a.name == name) else { return Ok(None) };
        if !attribute.ref_attr_name.is_empty() {
            return Err(format!("attribute {name} refers to a function's attribute"));
        }
        if attribute.r#type != kind as i32 && attribute.r#type != AttributeType::Undefined as i32 {
            return Err(format!("attribute {name} is not of type {}", kind.as_str_name()));
        }
        Ok(Some(attribute))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.find(name, AttributeType::Int)?.map_or(default, |a| a.i))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        Ok(self.int(name, default.into())? != 0)
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>, String> {
        Ok(self.find(name, AttributeType::Float)?.map(|a| a.f))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.find(name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, String> {
        Ok(self.find(name, AttributeType::Floats)?.map(|a| a.floats.as_slice()))
    }

    pub(super) fn string(&self, name: &str, default: &'a str) -> Result<&'a str, String> {
        match self.find(name, AttributeType::String)? {
            Some(a) => std::str::from_utf8(&a.s).map_err(|_| format!("attribute {name} is not text")),
            None => Ok(default),
        }
    }

    pub(super) fn strings(&self, name: &str) -> Result<Vec<&'a str>, String> {
        let list = self.find(name, AttributeType::Strings)?.map_or(&[][..], |a| &a.strings);
        let text = |s: &'a Vec<u8>| std::str::from_utf8(s).map_err(|_| format!("attribute {name} is not text"));
        list.iter().map(text).collect()
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>, String> {
        Ok(self.find(name, AttributeType::Tensor)?.and_then(|a| a.t.as_ref()))
    }
}
