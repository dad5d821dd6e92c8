//! Models that are quantized already: pairs of QuantizeLinear and DequantizeLinear around float operators.
//!
//! A value of the graph is the real number that its integer stands for, so that nothing but the rounding of
//! [`Operator::Quantize`] tells such a model from a float one. Integers that are fed from outside stay what they are until
//! they are dequantized.

use super::{Builder, Call, Operand, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Constant;
use tract_onnx::pb::tensor_proto::DataType;

/// A value is rounded to 8 bits: it stays the real number that the integer stands for.
pub(super) fn quantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let value = call.value(0)?;
    Ok(vec![rounded(builder, call, value, 1)?])
}

/// A value rounded to the codes that the inputs from `scale_index` on tell.
pub(super) fn rounded(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    scale_index: usize,
) -> Result<ValueId, Reject> {
    let (scale, zero_point) = numbers(call, scale_index)?;
    builder.emit(call, Operator::Quantize { scale, zero_point }, &[value])
}

/// Values of the graph are real numbers, so that only integers fed from outside have to be converted.
pub(super) fn dequantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![real(builder, call, call.value(0)?, 1)?])
}

/// The real numbers behind a value whose scale is the input of that index.
pub(super) fn real(
    builder: &mut Builder,
    call: &Call<'_>,
    input: ValueId,
    scale_index: usize,
) -> Result<ValueId, Reject> {
    if !builder.is_fed(input) {
        return Ok(input);
    }
    let (scale, zero_point) = numbers(call, scale_index)?;
    let unsigned = call.optional_constant(scale_index + 1)?.is_none_or(|z| z.datatype == Some(DataType::Uint8));
    // The codes themselves as real numbers, then what they stand for.
    let first = if unsigned { -128 } else { 0 };
    let codes = builder.emit(call, Operator::Quantize { scale: 1.0, zero_point: first }, &[input])?;
    let offset = -scale * (f32::from(zero_point) - f32::from(first));
    let linear = Operator::Function(Function::Linear { scale, offset });
    let real = builder.emit(call, linear, &[codes])?;
    builder.emit(call, Operator::Quantize { scale, zero_point }, &[real])
}

/// Scale and zero point as of int8, inputs `index` and the one behind: the zero point of unsigned codes lies 128 lower.
fn numbers(call: &Call<'_>, index: usize) -> Result<(f32, i8), Reject> {
    let scale = call.constant(index)?;
    let Some(scale) = scale.scalar() else {
        return Err(unsupported(format!("{} scales of a computed tensor", scale.elements.len()), "one scale a tensor"));
    };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(Reject::Invalid(format!("scale is {scale}")));
    }
    let (zero_point, datatype) = match call.operand(index + 1) {
        Some(Operand::Constant(zero)) => {
            let number = zero.integers()?.first().copied().ok_or_else(|| "zero point is empty".to_string())?;
            (number, zero.datatype.unwrap_or(DataType::Int8))
        }
        _ => (0, DataType::Uint8),
    };
    match signed(zero_point, datatype) {
        Some(code) => Ok((scale, code)),
        None => Err(unsupported(format!("codes of type {}", datatype.as_str_name()), "int8 or uint8 codes")),
    }
}

/// A code as of int8.
fn signed(code: i64, datatype: DataType) -> Option<i8> {
    let code = match datatype {
        DataType::Int8 => code,
        DataType::Uint8 => code.checked_sub(128)?,
        _ => return None,
    };
    i8::try_from(code).ok()
}

/// The real number behind a code that a node adds to a tensor of codes, such as that of padding.
pub(super) fn real_of_code(builder: &Builder, value: ValueId, code: &Constant) -> Option<f32> {
    let (scale, zero_point) = builder.quantization(value)?;
    let code = signed(*code.integers().ok()?.first()?, code.datatype?)?;
    Some((f32::from(code) - f32::from(zero_point)) * scale)
}
