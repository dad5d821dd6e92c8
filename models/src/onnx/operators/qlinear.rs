//! Operators on codes (QLinearConv and its kin): each is a float operator between quantizers.

use super::quantization::{real, rounded};
use super::{Builder, Call, Handler, Operand, Reject, convolution, dense, elementwise, functions, normalization};
use super::{join, pooling, unsupported};
use crate::graph::ValueId;
use crate::onnx::constant::{Constant, Elements};
use crate::onnx::fold;

/// Where an operator has its inputs. A tensor of codes has its scale and zero point behind it.
struct Form<'a> {
    /// What it computes on real numbers.
    float: Handler,
    /// Inputs that are tensors of codes, in the order of the float operator.
    tensors: &'a [usize],
    /// Axis of the second tensor's scales, where it has one an index.
    axis: i64,
    /// The bias: codes whose scale is the product of those of both tensors.
    bias: Option<usize>,
    /// The output's scale.
    output: usize,
}

pub(super) fn convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let form = Form { float: convolution::convolution, tensors: &[0, 3], axis: 0, bias: Some(8), output: 6 };
    form.emit(builder, call)
}

pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Form { float: dense::matmul, tensors: &[0, 3], axis: -1, bias: None, output: 6 }.emit(builder, call)
}

pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let axis = if call.attributes.flag("transB", false)? { 0 } else { 1 };
    Form { float: dense::gemm, tensors: &[0, 3], axis, bias: Some(6), output: 7 }.emit(builder, call)
}

pub(super) fn add(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Form { float: elementwise::add, tensors: &[0, 3], axis: 0, bias: None, output: 6 }.emit(builder, call)
}

pub(super) fn multiply(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Form { float: elementwise::multiply, tensors: &[0, 3], axis: 0, bias: None, output: 6 }.emit(builder, call)
}

pub(super) fn average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    one(builder, call, pooling::average)
}

pub(super) fn global_average(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    one(builder, call, pooling::global_average)
}

pub(super) fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    one(builder, call, functions::leaky_relu)
}

pub(super) fn sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    one(builder, call, functions::sigmoid)
}

pub(super) fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    one(builder, call, normalization::softmax)
}

/// The output's scale and zero point come first, then any number of tensors.
pub(super) fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let tensors: Vec<usize> = (2..call.operands.len()).step_by(3).collect();
    Form { float: join::concat, tensors: &tensors, axis: 0, bias: None, output: 0 }.emit(builder, call)
}

fn one(builder: &mut Builder, call: &Call<'_>, float: Handler) -> Result<Vec<ValueId>, Reject> {
    if call.attributes.flag("channels_last", false)? {
        return Err(unsupported("channels_last = 1", "channels on axis 1"));
    }
    Form { float, tensors: &[0], axis: 0, bias: None, output: 3 }.emit(builder, call)
}

impl Form<'_> {
    fn emit(&self, builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
        let mut numbers = Vec::new();
        let mut values = Vec::new();
        for &index in self.tensors {
            let (value, number) = match call.operand(index) {
                Some(Operand::Constant(codes)) => (None, Some(self.constant(call, codes, index)?)),
                _ => (Some(real(builder, call, call.value(index)?, index + 1)?), None),
            };
            values.push(value);
            numbers.push(number);
        }
        let bias = self.bias.map(|index| self.bias(call, index)).transpose()?.flatten();
        let mut operands: Vec<Option<Operand<'_>>> = values
            .iter()
            .zip(&numbers)
            .map(|(value, number)| value.map(Operand::Value).or(number.as_ref().map(Operand::Constant)))
            .collect();
        operands.extend(bias.as_ref().map(|bias| Some(Operand::Constant(bias))));
        let inner = Call { operands: &operands, ..*call };
        match (self.float)(builder, &inner)?.as_slice() {
            [output] => Ok(vec![rounded(builder, call, *output, self.output)?]),
            outputs => Err(Reject::Invalid(format!("it has {} outputs", outputs.len()))),
        }
    }

    /// The real numbers behind constant codes.
    fn constant(&self, call: &Call<'_>, codes: &Constant, index: usize) -> Result<Constant, Reject> {
        let (scale, zero_point) = (call.constant(index + 1)?, call.optional_constant(index + 2)?);
        let (shape, values) = fold::dequantize(codes, scale, zero_point, self.axis)?;
        Ok(Constant::new(codes.name.as_str(), shape, Elements::Float(values)))
    }

    fn bias(&self, call: &Call<'_>, index: usize) -> Result<Option<Constant>, Reject> {
        let Some(codes) = call.optional_constant(index)? else { return Ok(None) };
        let [input, weight] = [call.constant(1)?, call.constant(4)?];
        let Some(input) = input.scalar() else { return Err(Reject::Invalid("the input has several scales".into())) };
        let scales: Vec<f32> = weight.floats().iter().map(|w| w * input).collect();
        let scales = Constant::new(weight.name.as_str(), vec![scales.len()], Elements::Float(scales));
        let (shape, values) = fold::dequantize(codes, &scales, None, -1)?;
        Ok(Some(Constant::new(codes.name.as_str(), shape, Elements::Float(values))))
    }
}
