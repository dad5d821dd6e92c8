//! Functions of one element.

use super::elementwise::per_channel_numbers;
use super::{Builder, Call, Reject, unsupported};
use crate::function::Function;
use crate::graph::{Operator, ValueId};

fn emit(builder: &mut Builder, call: &Call<'_>, function: Function) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![builder.emit(call, Operator::Function(function), &[call.value(0)?])?])
}

fn number(call: &Call<'_>, name: &str, default: f32) -> Result<f32, Reject> {
    let number = call.attributes.float(name)?.unwrap_or(default);
    if number.is_finite() { Ok(number) } else { Err(Reject::Invalid(format!("{name} is {number}"))) }
}

pub(super) fn sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Sigmoid)
}

pub(super) fn tanh(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Tanh)
}

pub(super) fn erf(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Erf)
}

/// `1 − erf(x)`, which tf2onnx leaves as TensorFlow names it.
pub(super) fn complementary_erf(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Erf.then(Function::Linear { scale: -1.0, offset: 1.0 }))
}

pub(super) fn exponential(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Exponential)
}

pub(super) fn square_root(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::SquareRoot)
}

pub(super) fn absolute(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Absolute)
}

pub(super) fn logarithm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Logarithm)
}

pub(super) fn reciprocal(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Reciprocal)
}

pub(super) fn floor(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Floor)
}

pub(super) fn ceil(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Ceil)
}

pub(super) fn round(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Round)
}

/// `x / (1 + |x|)`.
pub(super) fn softsign(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let denominator = Function::Absolute.then(Function::Linear { scale: 1.0, offset: 1.0 });
    emit(builder, call, Function::TimesInput(Box::new(denominator.then(Function::Reciprocal))))
}

/// `x · sigmoid(alpha · x)`.
pub(super) fn swish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    swish_of(builder, call, number(call, "alpha", 1.0)?)
}

/// The same as an approximation of GELU (Hendrycks and Gimpel, 2016).
pub(super) fn quick_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    swish_of(builder, call, number(call, "alpha", 1.702)?)
}

fn swish_of(builder: &mut Builder, call: &Call<'_>, alpha: f32) -> Result<Vec<ValueId>, Reject> {
    let gate = if alpha == 1.0 {
        Function::Sigmoid
    } else {
        Function::Linear { scale: alpha, offset: 0.0 }.then(Function::Sigmoid)
    };
    emit(builder, call, Function::TimesInput(Box::new(gate)))
}

/// `x` where it is larger than a threshold, else 0.
pub(super) fn thresholded_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let threshold = number(call, "alpha", 1.0)?;
    emit(builder, call, Function::TimesInput(Box::new(Function::Step { threshold })))
}

/// `max(x, 0) + min(alpha · (e^(x / alpha) − 1), 0)`: an ELU of `x / alpha`, times `alpha`.
pub(super) fn celu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let alpha = number(call, "alpha", 1.0)?;
    let linear = |scale: f32| Function::Linear { scale, offset: 0.0 };
    emit(builder, call, linear(1.0 / alpha).then(Function::Elu { alpha: 1.0 }).then(linear(alpha)))
}

/// A power with a constant exponent.
pub(super) fn power(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let exponent = call.constant(1)?;
    let Some(exponent) = exponent.scalar().filter(|e| e.is_finite()) else {
        return Err(unsupported(format!("exponents of shape {:?}", exponent.shape), "one exponent"));
    };
    if exponent == 1.0 {
        return Ok(vec![call.value(0)?]);
    }
    let function = if exponent == 2.0 {
        Function::square()
    } else if exponent == 0.5 {
        Function::SquareRoot
    } else if exponent == -1.0 {
        Function::Reciprocal
    } else {
        Function::Power { exponent }
    };
    emit(builder, call, function)
}

pub(super) fn softplus(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::Softplus)
}

/// `x · tanh(softplus(x))` (Misra, 2019).
pub(super) fn mish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::TimesInput(Box::new(Function::Softplus.then(Function::Tanh))))
}

pub(super) fn hard_sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (alpha, beta) = (number(call, "alpha", 0.2)?, number(call, "beta", 0.5)?);
    emit(builder, call, Function::HardSigmoid { alpha, beta })
}

pub(super) fn hard_swish(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::hard_swish())
}

pub(super) fn gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    match call.attributes.string("approximate", "none")? {
        "none" => emit(builder, call, Function::gelu()),
        "tanh" => tanh_gelu(builder, call),
        other => Err(Reject::Invalid(format!("approximate is {other}"))),
    }
}

pub(super) fn tanh_gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    emit(builder, call, Function::tanh_gelu())
}

pub(super) fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let slope = number(call, "alpha", 0.01)?;
    emit(builder, call, Function::LeakyRelu { slope })
}

pub(super) fn elu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let alpha = number(call, "alpha", 1.0)?;
    emit(builder, call, Function::Elu { alpha })
}

pub(super) fn selu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (alpha, scale) = (number(call, "alpha", 1.673_263_2)?, number(call, "gamma", 1.050_701)?);
    emit(builder, call, Function::Elu { alpha }.then(Function::Linear { scale, offset: 0.0 }))
}

/// `max(x, 0) + slope[c] · min(x, 0)`.
pub(super) fn parametric_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (value, slope) = (call.value(0)?, call.constant(1)?);
    let slopes = per_channel_numbers(builder, value, slope)?;
    if slopes.iter().all(|&s| s == slopes[0]) {
        return emit(builder, call, Function::LeakyRelu { slope: slopes[0] });
    }
    let positive = builder.emit(call, Operator::Clamp { min: 0.0, max: f32::INFINITY }, &[value])?;
    let negative = builder.emit(call, Operator::Clamp { min: f32::NEG_INFINITY, max: 0.0 }, &[value])?;
    let offset = vec![0.0; slopes.len()];
    let negative = builder.emit(call, Operator::Affine { scale: slopes, offset }, &[negative])?;
    Ok(vec![builder.emit(call, Operator::Add, &[positive, negative])?])
}
