//! Operators of com.microsoft that ONNX Runtime's optimizer joins from others: each becomes those again.

use super::elementwise::add;
use super::{Builder, Call, Handler, Operand, Reject, convolution, dense, functions, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};
use crate::onnx::constant::Constant;
use crate::onnx::fold;

/// A convolution, a summand as input 3, an activation.
pub(super) fn convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let product = Call { operands: call.operands.get(..3).unwrap_or(call.operands), ..*call };
    let mut output = convolution::convolution(builder, &product)?[0];
    if let Some(summand) = call.operand(3) {
        let operands = [Some(Operand::Value(output)), Some(summand)];
        output = add(builder, &Call { operands: &operands, ..*call })?[0];
    }
    let numbers = call.attributes.floats("activation_params")?.unwrap_or(&[]);
    activated(builder, call, output, numbers)
}

/// A matrix product with a summand, and an activation.
pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let output = dense::gemm(builder, call)?[0];
    let mut numbers = vec![];
    for name in ["activation_alpha", "activation_beta"] {
        numbers.extend(call.attributes.float(name)?);
    }
    activated(builder, call, output, &numbers)
}

/// An activation by its name and numbers.
fn activated(builder: &mut Builder, call: &Call<'_>, value: ValueId, numbers: &[f32]) -> Result<Vec<ValueId>, Reject> {
    let name = call.attributes.string("activation", "")?;
    let operator = match (name, numbers) {
        ("", _) => return Ok(vec![value]),
        ("Relu", _) => Operator::Clamp { min: 0.0, max: f32::INFINITY },
        ("Clip", &[min, max]) if min <= max => Operator::Clamp { min, max },
        ("Sigmoid", _) => Operator::Function(Function::Sigmoid),
        ("Tanh", _) => Operator::Function(Function::Tanh),
        ("LeakyRelu", &[slope]) => Operator::Function(Function::LeakyRelu { slope }),
        ("HardSigmoid", &[alpha, beta]) => Operator::Function(Function::HardSigmoid { alpha, beta }),
        _ => {
            let reason = format!("activation {name} with {numbers:?}");
            return Err(unsupported(reason, "Relu, Clip, Sigmoid, Tanh, LeakyRelu, HardSigmoid"));
        }
    };
    Ok(vec![builder.emit(call, operator, &[value])?])
}

/// `alpha · A · B`, of which either may be transposed.
pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if call.attributes.flag("transBatchA", false)? || call.attributes.flag("transBatchB", false)? {
        return Err(unsupported("it transposes the batch", "transBatchA = 0, transBatchB = 0"));
    }
    let flags = [call.attributes.flag("transA", false)?, call.attributes.flag("transB", false)?];
    let mut constants: [Option<Constant>; 2] = [None, None];
    let mut operands = [call.operand(0), call.operand(1)];
    for (index, constant) in constants.iter_mut().enumerate().filter(|(index, _)| flags[*index]) {
        match operands[index] {
            Some(Operand::Constant(matrix)) => *constant = Some(turned(matrix)?),
            Some(Operand::Value(value)) => {
                let permutation = swapped(builder.shape(value).len());
                let turned = builder.emit(call, Operator::Transpose { permutation }, &[value])?;
                operands[index] = Some(Operand::Value(turned));
            }
            None => {}
        }
    }
    for (operand, constant) in operands.iter_mut().zip(&constants) {
        *operand = constant.as_ref().map(Operand::Constant).or(*operand);
    }
    let product = dense::matmul(builder, &Call { operands: &operands, ..*call })?[0];
    match call.attributes.float("alpha")?.unwrap_or(1.0) {
        1.0 => Ok(vec![product]),
        scale => {
            Ok(vec![builder.emit(call, Operator::Function(Function::Linear { scale, offset: 0.0 }), &[product])?])
        }
    }
}

/// The order of axes with the last two swapped.
fn swapped(rank: usize) -> Vec<usize> {
    let last = rank.saturating_sub(2);
    (0..last).chain((last..rank).rev()).collect()
}

fn turned(matrix: &Constant) -> Result<Constant, Reject> {
    let (shape, permutation) = (&matrix.shape, swapped(matrix.shape.len()));
    Ok(fold::transposed(matrix, &permutation).map_err(|e| format!("{e} of shape {shape:?}"))?)
}

/// `gelu(x + bias)` with the exact function.
pub(super) fn gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    behind_bias(builder, call, functions::gelu)
}

/// The same with its approximation by a hyperbolic tangent.
pub(super) fn fast_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    behind_bias(builder, call, functions::tanh_gelu)
}

fn behind_bias(builder: &mut Builder, call: &Call<'_>, function: Handler) -> Result<Vec<ValueId>, Reject> {
    let sum = if call.operand(1).is_some() { add(builder, call)?[0] } else { call.value(0)? };
    function(builder, &Call { operands: &[Some(Operand::Value(sum))], ..*call })
}
