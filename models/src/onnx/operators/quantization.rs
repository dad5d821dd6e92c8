//! Models that are quantized already: pairs of QuantizeLinear and DequantizeLinear around float operators.

use super::{Builder, Call, Operand, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};
use tract_onnx::pb::tensor_proto::DataType;

/// A value is rounded to 8 bits: it stays the real number that the integer stands for.
pub(super) fn quantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (scale, zero_point) = numbers(call)?;
    Ok(vec![builder.emit(call, Operator::Quantize { scale, zero_point }, &[call.value(0)?])?])
}

/// Values of the graph are real numbers, so that only integers fed from outside have to be converted.
pub(super) fn dequantize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    if !builder.graph.inputs.contains(&input) {
        return Ok(vec![input]);
    }
    let (scale, zero_point) = numbers(call)?;
    let unsigned = call.optional_constant(2)?.is_none_or(|z| z.datatype == Some(DataType::Uint8));
    // The codes themselves as real numbers, then what they stand for.
    let first = if unsigned { -128 } else { 0 };
    let codes = builder.emit(call, Operator::Quantize { scale: 1.0, zero_point: first }, &[input])?;
    let offset = -scale * (f32::from(zero_point) - f32::from(first));
    let linear = Operator::Function(Function::Linear { scale, offset });
    Ok(vec![builder.emit(call, linear, &[codes])?])
}

/// Scale and zero point as of int8: that of unsigned codes lies 128 lower.
fn numbers(call: &Call<'_>) -> Result<(f32, i8), Reject> {
    let scale = call.constant(1)?;
    let Some(scale) = scale.scalar() else {
        return Err(unsupported(format!("{} scales of a computed tensor", scale.elements.len()), "one scale a tensor"));
    };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(Reject::Invalid(format!("scale is {scale}")));
    }
    let (zero_point, datatype) = match call.operand(2) {
        Some(Operand::Constant(zero)) => {
            let number = zero.integers()?.first().copied().ok_or_else(|| "zero point is empty".to_string())?;
            (number, zero.datatype.unwrap_or(DataType::Int8))
        }
        _ => (0, DataType::Uint8),
    };
    let code = match datatype {
        DataType::Int8 => Some(zero_point),
        DataType::Uint8 => Some(zero_point - 128),
        _ => None,
    };
    match code.and_then(|code| i8::try_from(code).ok()) {
        Some(code) => Ok((scale, code)),
        None => Err(unsupported(format!("codes of type {}", datatype.as_str_name()), "int8 or uint8 codes")),
    }
}
