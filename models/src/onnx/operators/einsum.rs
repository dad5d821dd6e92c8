//! Sums of products by the letters of their axes.

use super::elementwise::both_computed;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId};
use crate::onnx::constant::Constant;

const NEAREST: &str =
    "a computed tensor and a constant with axes to sum over, or products of computed tensors without sums";

pub(super) fn einsum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let equation: String = call.attributes.string("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let form = || unsupported(format!("equation {equation}"), NEAREST);
    let Some((inputs, output)) = equation.split_once("->") else { return Err(form()) };
    let letters: Vec<Vec<char>> = inputs.split(',').map(|term| term.chars().collect()).collect();
    let output: Vec<char> = output.chars().collect();
    let plain =
        |term: &Vec<char>| term.iter().enumerate().all(|(i, c)| c.is_ascii_alphabetic() && !term[..i].contains(c));
    if letters.len() != call.operands.len() || !letters.iter().chain([&output]).all(plain) {
        return Err(form());
    }
    match (call.operand(0), call.operand(1), letters.as_slice()) {
        (Some(Operand::Value(value)), None, [term]) => {
            Ok(vec![arranged(builder, call, value, term, &output).ok_or_else(form)??])
        }
        (Some(Operand::Value(value)), Some(Operand::Constant(weight)), [term, weights])
        | (Some(Operand::Constant(weight)), Some(Operand::Value(value)), [weights, term]) => {
            by_constant(builder, call, (value, term), (weight, weights), &output)?.map(|v| vec![v]).ok_or_else(form)
        }
        (Some(Operand::Value(a)), Some(Operand::Value(b)), [first, second]) => {
            // Without sums: both with all axes of the output, of size 1 where they lack one.
            let kept = [first, second].iter().all(|term| term.iter().all(|c| output.contains(c)));
            if !kept {
                return Err(form());
            }
            let mut operands = [None, None];
            for (operand, (value, term)) in operands.iter_mut().zip([(a, first), (b, second)]) {
                let own: Vec<char> = output.iter().copied().filter(|c| term.contains(c)).collect();
                let value = arranged(builder, call, value, term, &own).ok_or_else(form)??;
                let mut sizes = builder.shape(value).iter().copied();
                let shape = output.iter().map(|c| if own.contains(c) { sizes.next().unwrap_or(1) } else { 1 });
                *operand = Some(Operand::Value(builder.reshape(call, value, shape.collect())?));
            }
            match both_computed(builder, &Call { operands: &operands, ..*call })? {
                Some(inputs) => Ok(vec![builder.emit(call, Operator::Multiply, &inputs)?]),
                None => Err(form()),
            }
        }
        _ => Err(form()),
    }
}

/// The axes in another order; `None` where an axis is missing or too many.
fn arranged(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    from: &[char],
    to: &[char],
) -> Option<Result<ValueId, Reject>> {
    let permutation: Option<Vec<usize>> = to.iter().map(|c| from.iter().position(|f| f == c)).collect();
    let permutation = permutation.filter(|p| p.len() == from.len() && builder.shape(value).len() == from.len())?;
    if permutation.iter().copied().eq(0..permutation.len()) {
        return Some(Ok(value));
    }
    Some(builder.emit(call, Operator::Transpose { permutation }, &[value]))
}

/// The axes that both have and the output lacks are summed over by a dense layer, whose outputs are those that the constant
/// alone has; `None` where the letters ask for something else.
fn by_constant(
    builder: &mut Builder,
    call: &Call<'_>,
    (value, term): (ValueId, &[char]),
    (weight, weights): (&Constant, &[char]),
    output: &[char],
) -> Result<Option<ValueId>, Reject> {
    let summed: Vec<char> = term.iter().copied().filter(|c| weights.contains(c) && !output.contains(c)).collect();
    let added: Vec<char> = output.iter().copied().filter(|c| weights.contains(c) && !term.contains(c)).collect();
    let kept: Vec<char> = term.iter().copied().filter(|c| !summed.contains(c)).collect();
    let fits = !summed.is_empty()
        && weights.len() == weight.shape.len()
        && term.len() == builder.shape(value).len()
        && weights.iter().all(|c| summed.contains(c) || added.contains(c))
        && kept.iter().all(|c| output.contains(c))
        && output.len() == kept.len() + added.len();
    if !fits {
        return Ok(None);
    }
    let size_of =
        |letters: &[char], shape: &[usize], c: &char| letters.iter().position(|l| l == c).map_or(1, |i| shape[i]);
    let sizes = |part: &[char]| part.iter().map(|c| size_of(weights, &weight.shape, c)).collect::<Vec<usize>>();
    let (outputs, inputs) = (sizes(&added), sizes(&summed));
    let shape = builder.shape(value).to_vec();
    if summed.iter().zip(&inputs).any(|(c, &size)| size_of(term, &shape, c) != size) {
        return Err(Reject::Invalid(format!("inputs of shapes {shape:?} and {:?}", weight.shape)));
    }
    let order: Vec<char> = kept.iter().chain(&summed).copied().collect();
    let Some(turned) = arranged(builder, call, value, term, &order) else { return Ok(None) };
    let mut flat: Vec<usize> = kept.iter().map(|c| size_of(term, &shape, c)).collect();
    flat.push(inputs.iter().product());
    let turned = turned?;
    let turned = builder.reshape(call, turned, flat.clone())?;
    // The constant as [outputs, inputs].
    let matrix: Vec<char> = added.iter().chain(&summed).copied().collect();
    let (rows, columns): (usize, usize) = (outputs.iter().product(), inputs.iter().product());
    let data = weight.weights()?;
    let strides: Vec<usize> = (0..weights.len()).map(|i| weight.shape[i + 1..].iter().product()).collect();
    let steps: Vec<(usize, usize)> =
        matrix.iter().map(|c| (size_of(weights, &weight.shape, c), size_of(weights, &strides, c))).collect();
    let element = |mut at: usize| {
        let mut from = 0;
        for &(size, stride) in steps.iter().rev() {
            from += at % size.max(1) * stride;
            at /= size.max(1);
        }
        data.get(from).copied().unwrap_or(0.0)
    };
    let weight = Tensor { shape: vec![rows, columns], data: (0..rows.saturating_mul(columns)).map(element).collect() };
    let product = builder.emit(call, Operator::Dense { weight, bias: vec![0.0; rows] }, &[turned])?;
    flat.pop();
    let product = builder.reshape(call, product, [flat, outputs].concat())?;
    let order: Vec<char> = kept.iter().chain(&added).copied().collect();
    arranged(builder, call, product, &order, output).transpose()
}
