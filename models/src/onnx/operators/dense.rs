//! Dense layers: matrix products with a constant.

use super::elementwise::add;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, Tensor, ValueId};
use crate::onnx::constant::{Constant, Elements};

/// Most multiplications of constants.
const MAX_PRODUCTS: usize = 1 << 24;

pub(super) fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if let (Some(Operand::Constant(_)), Some(Operand::Value(_))) = (call.operand(0), call.operand(2)) {
        return constant_product(builder, call);
    }
    let input = call.value(0)?;
    let (weight, flags) = (call.constant(1)?, call.attributes);
    if flags.flag("transA", false)? && builder.shape(input).first() != Some(&1) {
        return Err(unsupported("its first input is transposed", "transA = 0"));
    }
    let (alpha, beta) = (flags.float("alpha")?.unwrap_or(1.0), flags.float("beta")?.unwrap_or(1.0));
    let mut weight = matrix(weight, flags.flag("transB", false)?)?;
    weight.data.iter_mut().for_each(|w| *w *= alpha);
    let outputs = weight.shape[0];
    let bias = match call.operand(2) {
        Some(Operand::Constant(bias)) => bias.weights()?.iter().map(|b| b * beta).collect(),
        _ => vec![0.0; outputs],
    };
    let bias = match bias.len() {
        1 => vec![bias[0]; outputs],
        n if n == outputs => bias,
        n => return Err(Reject::Invalid(format!("{n} biases for {outputs} outputs"))),
    };
    let product = builder.emit(call, Operator::Dense { weight, bias }, &[input])?;
    let Some(Operand::Value(mut summand)) = call.operand(2) else { return Ok(vec![product]) };
    if beta != 1.0 {
        let scaled = Operator::Function(Function::Linear { scale: beta, offset: 0.0 });
        summand = builder.emit(call, scaled, &[summand])?;
    }
    let operands = [product, summand].map(|value| Some(Operand::Value(value)));
    add(builder, &Call { operands: &operands, ..*call })
}

/// A product of constants with a computed summand: the first step of a loop.
fn constant_product(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let flags = call.attributes;
    if flags.flag("transA", false)? || flags.float("beta")?.is_some_and(|beta| beta != 1.0) {
        return Err(unsupported("a product of constants, transposed or with a factor beta", "transA = 0, beta = 1"));
    }
    let (rows, weight) = (call.constant(0)?, matrix(call.constant(1)?, flags.flag("transB", false)?)?);
    let (alpha, inputs) = (flags.float("alpha")?.unwrap_or(1.0), weight.shape[1]);
    let &[count, features] = rows.shape.as_slice() else {
        return Err(Reject::Invalid(format!("a matrix of shape {:?}", rows.shape)));
    };
    if features != inputs || features == 0 || count.saturating_mul(weight.data.len()) > MAX_PRODUCTS {
        return Err(Reject::Invalid(format!("{:?} times {:?}", rows.shape, weight.shape)));
    }
    let dot = |row: &[f32], kernel: &[f32]| row.iter().zip(kernel).map(|(a, b)| a * b).sum::<f32>() * alpha;
    let row = |row: &[f32]| weight.data.chunks_exact(inputs).map(|kernel| dot(row, kernel)).collect::<Vec<_>>();
    let product: Vec<f32> = rows.weights()?.chunks_exact(features).flat_map(row).collect();
    let product = Constant::new(call.name, vec![count, weight.shape[0]], Elements::Float(product));
    add(builder, &Call { operands: &[Some(Operand::Constant(&product)), call.operand(2)], ..*call })
}

pub(super) fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (input, weight, constant_first) = match (call.operand(0), call.operand(1)) {
        (Some(Operand::Value(input)), Some(Operand::Constant(weight))) => (input, weight, false),
        (Some(Operand::Constant(weight)), Some(Operand::Value(input))) => (input, weight, true),
        _ => {
            return Err(unsupported("it does not multiply a computed tensor by a constant", "x · W with a constant W"));
        }
    };
    // W · x is the transpose of xᵀ · Wᵀ.
    let weight = matrix(weight, constant_first)?;
    let bias = vec![0.0; weight.shape[0]];
    let dense = Operator::Dense { weight, bias };
    if !constant_first {
        return Ok(vec![builder.emit(call, dense, &[input])?]);
    }
    let rank = builder.shape(input).len();
    if rank < 3 {
        return Err(unsupported("a constant matrix times a vector", "x · W with a constant W"));
    }
    let mut permutation: Vec<usize> = (0..rank).collect();
    permutation.swap(rank - 1, rank - 2);
    let turn = Operator::Transpose { permutation };
    let turned = builder.emit(call, turn.clone(), &[input])?;
    let product = builder.emit(call, dense, &[turned])?;
    Ok(vec![builder.emit(call, turn, &[product])?])
}

/// A constant matrix as `[outputs, inputs]`.
fn matrix(constant: &Constant, transposed: bool) -> Result<Tensor, Reject> {
    let leading = constant.shape.len().saturating_sub(2);
    let (ones, matrix) = constant.shape.split_at(leading);
    let &[rows, columns] = matrix else {
        return Err(unsupported(
            format!("a constant of shape {:?} as a matrix", constant.shape),
            "a matrix of two axes",
        ));
    };
    if ones.iter().any(|&size| size != 1) {
        return Err(unsupported(format!("constants of shape {:?}, one a batch item", constant.shape), "one matrix"));
    }
    let data = constant.weights()?;
    if transposed {
        return Ok(Tensor { shape: vec![rows, columns], data });
    }
    let data = (0..columns).flat_map(|c| data.iter().skip(c).step_by(columns.max(1)).copied()).collect();
    Ok(Tensor { shape: vec![columns, rows], data })
}
