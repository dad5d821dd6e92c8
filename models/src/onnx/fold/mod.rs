//! Arithmetic on constants: shape subgraphs that exporters leave behind, stored-as-integer weights, folded scalars.

mod numbers;

use super::attributes::Attributes;
use super::constant::{Constant, Elements};
use crate::shape::elements;
use tract_onnx::pb::tensor_proto::DataType;

/// Largest constant that folding makes, so that a small file cannot ask for a huge one.
const MAX_FOLDED: usize = 1 << 24;

/// Operators that [`fold`] knows.
pub(super) const FOLDED: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "Cast",
    "CastLike",
    "Ceil",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "DequantizeLinear",
    "Div",
    "Equal",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "QuantizeLinear",
    "Range",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Reshape",
    "Round",
    "Shape",
    "Size",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// Computes an operator whose inputs are all constant. `Ok(None)`: this operator or form is not known here.
pub(super) fn fold(
    operator: &str,
    attributes: Attributes<'_>,
    inputs: &[Option<&Constant>],
    output: &str,
) -> Result<Option<Constant>, String> {
    let input = |index: usize| -> Result<&Constant, String> {
        inputs.get(index).copied().flatten().ok_or_else(|| format!("input {index} is missing"))
    };
    let optional = |index: usize| inputs.get(index).copied().flatten();
    let done = |shape: Vec<usize>, elements: Elements| Ok(Some(Constant::new(output, shape, elements)));
    // Elements that are moved keep their type, which tells how the codes of quantized models are meant.
    let moved = |shape: Vec<usize>, elements: Elements| {
        let datatype = input(0)?.datatype;
        Ok(Some(Constant { datatype, ..Constant::new(output, shape, elements) }))
    };
    // Attribute form (older operator sets) or input form of a list of integers.
    let list = |name: &str, index: usize| -> Result<Option<Vec<i64>>, String> {
        match (attributes.ints(name)?, optional(index)) {
            (Some(list), _) => Ok(Some(list.to_vec())),
            (None, Some(constant)) => Ok(Some(integers(constant)?.to_vec())),
            (None, None) => Ok(None),
        }
    };
    match operator {
        "Identity" => moved(input(0)?.shape.clone(), input(0)?.elements.clone()),
        "Cast" => {
            let x = input(0)?;
            // TensorProto.DataType: floating types, integer types, bool.
            let elements = match (attributes.int("to", 0)?, &x.elements) {
                (1 | 10 | 11 | 16, _) => Elements::Float(x.floats()),
                (9, Elements::Integer(v)) => Elements::Integer(v.iter().map(|&i| (i != 0).into()).collect()),
                (2..=7 | 12 | 13, Elements::Integer(v)) => Elements::Integer(v.clone()),
                (2..=7 | 12 | 13, Elements::Float(v)) => Elements::Integer(v.iter().map(|&f| f as i64).collect()),
                _ => return Ok(None),
            };
            done(x.shape.clone(), elements)
        }
        "Shape" => {
            let shape = &input(0)?.shape;
            let start = clamp_index(attributes.int("start", 0)?, shape.len());
            let end = clamp_index(attributes.int("end", i64::MAX)?, shape.len()).max(start);
            let part: Vec<i64> = shape[start..end].iter().map(|&d| d as i64).collect();
            done(vec![part.len()], Elements::Integer(part))
        }
        "Size" => done(vec![], Elements::Integer(vec![input(0)?.elements.len() as i64])),
        "CastLike" => {
            let (x, like) = (input(0)?, input(1)?);
            let elements = match (&x.elements, &like.elements) {
                (_, Elements::Float(_)) => Elements::Float(x.floats()),
                (Elements::Integer(v), Elements::Integer(_)) => Elements::Integer(v.clone()),
                (Elements::Float(v), Elements::Integer(_)) => Elements::Integer(v.iter().map(|&f| f as i64).collect()),
            };
            Ok(Some(Constant { datatype: like.datatype, ..Constant::new(output, x.shape.clone(), elements) }))
        }
        "Abs" | "Ceil" | "Exp" | "Floor" | "Log" | "Neg" | "Not" | "Reciprocal" | "Round" | "Sqrt" => {
            let x = input(0)?;
            match numbers::unary(operator, &x.elements) {
                Some(elements) => done(x.shape.clone(), elements),
                None => Ok(None),
            }
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Equal" | "Greater" | "GreaterOrEqual" | "Less"
        | "LessOrEqual" | "And" | "Or" | "Max" | "Min" | "Sum" => {
            let mut total = input(0)?.clone();
            for index in 1..inputs.len() {
                total = numbers::binary(operator, &total, input(index)?)?;
            }
            done(total.shape, total.elements)
        }
        "Where" => {
            let [condition, yes, no] = [input(0)?, input(1)?, input(2)?];
            let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
            let spread = |c: &Constant| pick(&c.elements, &shape, &broadcast_strides(&c.shape, shape.len()), 0);
            let elements = numbers::select(&spread(condition)?, &spread(yes)?, &spread(no)?);
            done(shape, elements.ok_or("alternatives of different types")?)
        }
        "Range" => {
            let elements = numbers::range(&input(0)?.elements, &input(1)?.elements, &input(2)?.elements, MAX_FOLDED)?;
            done(vec![elements.len()], elements)
        }
        "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => {
            let x = input(0)?;
            let axes = match list("axes", 1)? {
                Some(axes) if !axes.is_empty() => {
                    axes.iter().map(|&a| axis(a, x.shape.len())).collect::<Result<Vec<_>, _>>()?
                }
                _ if attributes.flag("noop_with_empty_axes", false)? => vec![],
                _ => (0..x.shape.len()).collect(),
            };
            let kept: Vec<usize> = (0..x.shape.len()).filter(|a| !axes.contains(a)).collect();
            // The axes that go come last, so that what is joined lies together.
            let order: Vec<usize> = kept.iter().chain(&axes).copied().collect();
            let (steps, shape) = (strides(&x.shape), order.iter().map(|&a| x.shape[a]).collect::<Vec<_>>());
            let steps: Vec<usize> = order.iter().map(|&a| steps[a]).collect();
            let together = pick(&x.elements, &shape, &steps, 0)?;
            let count = axes.iter().map(|&a| x.shape[a]).product();
            let Some(elements) = numbers::reduce(operator, &together, count) else { return Ok(None) };
            let keep = attributes.flag("keepdims", true)?;
            let size = |a: usize| if axes.contains(&a) { keep.then_some(1) } else { Some(x.shape[a]) };
            done((0..x.shape.len()).filter_map(size).collect(), elements)
        }
        "Tile" => {
            let (x, repeats) = (input(0)?, sizes(integers(input(1)?)?)?);
            if repeats.len() != x.shape.len() {
                return Err(format!("{} repeats of {:?}", repeats.len(), x.shape));
            }
            let shape: Vec<usize> = x.shape.iter().zip(&repeats).map(|(&d, &r)| d.saturating_mul(r)).collect();
            let count = limited(&shape)?;
            let (outer, inner) = (strides(&shape), strides(&x.shape));
            let index = |at: usize| (0..shape.len()).map(|a| at / outer[a] % shape[a] % x.shape[a] * inner[a]).sum();
            moved(shape.clone(), select(&x.elements, &(0..count).map(index).collect::<Vec<_>>())?)
        }
        "DequantizeLinear" => {
            let axis = attributes.int("axis", 1)?;
            if attributes.int("block_size", 0)? != 0 {
                return Ok(None);
            }
            let (shape, values) = dequantize(input(0)?, input(1)?, optional(2), axis)?;
            done(shape, Elements::Float(values))
        }
        "QuantizeLinear" => {
            let datatype = match (optional(2).and_then(|z| z.datatype), attributes.int("output_dtype", 0)?) {
                (Some(datatype), _) => datatype,
                (None, 0) => DataType::Uint8,
                (None, code) => {
                    i32::try_from(code).ok().and_then(|c| DataType::try_from(c).ok()).unwrap_or(DataType::Undefined)
                }
            };
            let range = match datatype {
                DataType::Int8 => -128..=127,
                DataType::Uint8 => 0..=255,
                _ => return Ok(None),
            };
            if attributes.int("block_size", 0)? != 0 {
                return Ok(None);
            }
            let x = input(0)?;
            let numbers = Scales::new(x, input(1)?, optional(2), attributes.int("axis", 1)?)?;
            let code = |(i, value): (usize, f32)| {
                let (scale, zero) = numbers.of(i);
                // As the operator's definition: halves to even, a cast that saturates.
                ((value / scale).round_ties_even() as i64).saturating_add(zero).clamp(*range.start(), *range.end())
            };
            let codes = x.floats().into_iter().enumerate().map(code).collect();
            let codes = Constant {
                datatype: Some(datatype),
                ..Constant::new(output, x.shape.clone(), Elements::Integer(codes))
            };
            Ok(Some(codes))
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let x = input(0)?;
            let shape = match operator {
                "Reshape" => reshaped(&x.shape, integers(input(1)?)?, attributes.flag("allowzero", false)?)?,
                "Flatten" => flattened(&x.shape, attributes.int("axis", 1)?)?,
                "Squeeze" => squeezed(&x.shape, list("axes", 1)?.as_deref())?,
                _ => unsqueezed(&x.shape, list("axes", 1)?.as_deref().unwrap_or(&[]))?,
            };
            if shape.iter().product::<usize>() != x.elements.len() {
                return Err(format!("{:?} cannot become {shape:?}", x.shape));
            }
            moved(shape, x.elements.clone())
        }
        "Transpose" => {
            let x = input(0)?;
            let turned = transposed(x, &permutation(attributes.ints("perm")?, x.shape.len())?)?;
            Ok(Some(Constant { name: output.into(), ..turned }))
        }
        "Expand" => {
            let x = input(0)?;
            let target: Vec<usize> = sizes(integers(input(1)?)?)?;
            let shape = broadcast(&x.shape, &target)?;
            let steps = broadcast_strides(&x.shape, shape.len());
            moved(shape.clone(), pick(&x.elements, &shape, &steps, 0)?)
        }
        "ConstantOfShape" => {
            let shape = sizes(integers(input(0)?)?)?;
            let count = limited(&shape)?;
            let elements = match attributes.tensor("value")? {
                None => Elements::Float(vec![0.0; count]),
                Some(proto) => match Constant::read(proto, output).map_err(|e| e.to_string())?.elements {
                    Elements::Float(v) if v.len() == 1 => Elements::Float(vec![v[0]; count]),
                    Elements::Integer(v) if v.len() == 1 => Elements::Integer(vec![v[0]; count]),
                    _ => return Err("value is not one element".into()),
                },
            };
            done(shape, elements)
        }
        "Concat" => concat(inputs, attributes.int("axis", 0)?, output).map(Some),
        "Gather" => {
            let (x, indices) = (input(0)?, input(1)?);
            let axis = axis(attributes.int("axis", 0)?, x.shape.len())?;
            let size = x.shape[axis];
            let mut shape = x.shape[..axis].to_vec();
            shape.extend(&indices.shape);
            shape.extend(&x.shape[axis + 1..]);
            limited(&shape)?;
            let inner: usize = x.shape[axis + 1..].iter().product();
            let outer: usize = x.shape[..axis].iter().product();
            let mut from = Vec::new();
            for o in 0..outer {
                for &index in integers(indices)? {
                    let index = axis_index(index, size)?;
                    from.extend((0..inner).map(|i| (o * size + index) * inner + i));
                }
            }
            moved(shape, select(&x.elements, &from)?)
        }
        "Slice" => {
            slice(input(0)?, &list("starts", 1)?, &list("ends", 2)?, &list("axes", 3)?, optional(4), output).map(Some)
        }
        _ => Ok(None),
    }
}

/// A constant with its axes in another order.
pub(super) fn transposed(x: &Constant, permutation: &[usize]) -> Result<Constant, String> {
    let shape: Vec<usize> = permutation.iter().map(|&a| x.shape[a]).collect();
    let strides = strides(&x.shape);
    let steps: Vec<usize> = permutation.iter().map(|&a| strides[a]).collect();
    let elements = pick(&x.elements, &shape, &steps, 0)?;
    Ok(Constant { datatype: x.datatype, ..Constant::new(x.name.as_str(), shape, elements) })
}

/// `(x - zero_point) * scale`, per tensor or along one axis.
pub(super) fn dequantize(
    x: &Constant,
    scale: &Constant,
    zero_point: Option<&Constant>,
    wanted_axis: i64,
) -> Result<(Vec<usize>, Vec<f32>), String> {
    let numbers = Scales::new(x, scale, zero_point, wanted_axis)?;
    let real = |(i, &code): (usize, &i64)| {
        let (scale, zero) = numbers.of(i);
        code.wrapping_sub(zero) as f32 * scale
    };
    Ok((x.shape.clone(), integers(x)?.iter().enumerate().map(real).collect()))
}

/// Scales and zero points of a tensor: one, or one an index of an axis.
struct Scales {
    scales: Vec<f32>,
    zeros: Vec<i64>,
    /// Elements behind one index of the axis.
    inner: usize,
}

impl Scales {
    fn new(x: &Constant, scale: &Constant, zero: Option<&Constant>, wanted_axis: i64) -> Result<Self, String> {
        let scales = scale.floats();
        let zeros = match zero {
            Some(z) => integers(z)?.to_vec(),
            None => vec![0; scales.len()],
        };
        if scales.is_empty() || zeros.len() != scales.len() {
            return Err(format!("{} scales with {} zero points", scales.len(), zeros.len()));
        }
        let inner = if scales.len() == 1 {
            1
        } else {
            let axis = axis(wanted_axis, x.shape.len())?;
            if x.shape[axis] != scales.len() {
                return Err(format!("{} scales along axis {axis} of {:?}", scales.len(), x.shape));
            }
            x.shape[axis + 1..].iter().product::<usize>().max(1)
        };
        Ok(Self { scales, zeros, inner })
    }

    /// Scale and zero point of an element.
    fn of(&self, element: usize) -> (f32, i64) {
        let index = element / self.inner % self.scales.len();
        (self.scales[index], self.zeros[index])
    }
}

fn concat(inputs: &[Option<&Constant>], wanted_axis: i64, output: &str) -> Result<Constant, String> {
    let parts: Vec<&Constant> = inputs.iter().copied().flatten().collect();
    let Some(first) = parts.first() else { return Err("no inputs".into()) };
    let axis = axis(wanted_axis, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for part in &parts {
        let fits = part.shape.len() == shape.len() && (0..shape.len()).all(|a| a == axis || part.shape[a] == shape[a]);
        if !fits {
            return Err(format!("{:?} and {:?} do not join along axis {axis}", first.shape, part.shape));
        }
        shape[axis] += part.shape[axis];
    }
    limited(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    let run = |part: &Constant| part.shape[axis..].iter().product::<usize>();
    let mut floats = Vec::new();
    let mut whole = Vec::new();
    for o in 0..outer {
        for part in &parts {
            let range = o * run(part)..(o + 1) * run(part);
            match &part.elements {
                Elements::Float(v) => floats.extend_from_slice(v.get(range).unwrap_or(&[])),
                Elements::Integer(v) => whole.extend_from_slice(v.get(range).unwrap_or(&[])),
            }
        }
    }
    match (floats.is_empty(), whole.is_empty()) {
        (false, false) => Err("parts of different types".into()),
        (false, true) => Ok(Constant::new(output, shape, Elements::Float(floats))),
        _ => Ok(Constant::new(output, shape, Elements::Integer(whole))),
    }
}

fn slice(
    x: &Constant,
    starts: &Option<Vec<i64>>,
    ends: &Option<Vec<i64>>,
    axes: &Option<Vec<i64>>,
    steps: Option<&Constant>,
    output: &str,
) -> Result<Constant, String> {
    let (Some(starts), Some(ends)) = (starts, ends) else { return Err("starts or ends are missing".into()) };
    let axes = axes.clone().unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = match steps {
        Some(steps) => integers(steps)?.to_vec(),
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let mut picks: Vec<Vec<usize>> = x.shape.iter().map(|&d| (0..d).collect()).collect();
    for i in 0..starts.len() {
        let a = axis(axes[i], x.shape.len())?;
        let size = x.shape[a] as i64;
        let from_end = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        let (start, end) = (from_end(starts[i]), from_end(ends[i]));
        picks[a] = match steps[i] {
            0 => return Err("a step of zero".into()),
            step if step > 0 => {
                let (start, end) = (start.clamp(0, size), end.clamp(0, size));
                (start..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).map(|v| v as usize).collect()
            }
            step => {
                let start = start.clamp(-1, size - 1);
                let end = if ends[i] < -size { -1 } else { end.clamp(-1, size - 1) };
                let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
                (end + 1..=start).rev().step_by(step).map(|v| v as usize).collect()
            }
        };
    }
    let shape: Vec<usize> = picks.iter().map(Vec::len).collect();
    let strides = strides(&x.shape);
    let mut from = vec![0usize];
    for (a, indices) in picks.iter().enumerate() {
        from = from
            .iter()
            .flat_map(|&base| indices.iter().map(move |&i| (base, i)))
            .map(|(b, i)| b + i * strides[a])
            .collect();
    }
    Ok(Constant::new(output, shape, select(&x.elements, &from)?))
}

/// ONNX's target of Reshape: 0 copies a dimension (unless `allow_zero`), one -1 takes what is left.
pub(super) fn reshaped(from: &[usize], target: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let total: usize = from.iter().product();
    let fail = || format!("{from:?} cannot become {target:?}");
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, &t) in target.iter().enumerate() {
        match t {
            -1 if open.is_none() => {
                open = Some(axis);
                shape.push(1);
            }
            0 if !allow_zero => shape.push(*from.get(axis).ok_or_else(fail)?),
            _ => shape.push(usize::try_from(t).map_err(|_| fail())?),
        }
    }
    let known = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(fail)?;
    if let Some(axis) = open {
        shape[axis] = total.checked_div(known).ok_or_else(fail)?;
    }
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if count == Some(total) { Ok(shape) } else { Err(fail()) }
}

/// ONNX's Flatten to two dimensions.
pub(super) fn flattened(from: &[usize], axis: i64) -> Result<Vec<usize>, String> {
    let rank = from.len() as i64;
    let axis = if axis < 0 { axis + rank } else { axis };
    if !(0..=rank).contains(&axis) {
        return Err(format!("axis {axis} of {from:?}"));
    }
    let (outer, inner) = from.split_at(axis as usize);
    Ok(vec![outer.iter().product(), inner.iter().product()])
}

/// ONNX's Squeeze: the given axes, or all of size 1.
pub(super) fn squeezed(from: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(axes) = axes else { return Ok(from.iter().copied().filter(|&d| d != 1).collect()) };
    let axes = axes.iter().map(|&a| axis(a, from.len())).collect::<Result<Vec<_>, _>>()?;
    if let Some(&a) = axes.iter().find(|&&a| from[a] != 1) {
        return Err(format!("axis {a} of {from:?} is not 1"));
    }
    Ok((0..from.len()).filter(|a| !axes.contains(a)).map(|a| from[a]).collect())
}

/// ONNX's Unsqueeze.
pub(super) fn unsqueezed(from: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = from.len() + axes.len();
    let mut positions = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    positions.sort_unstable();
    positions.dedup();
    if positions.len() != axes.len() {
        return Err(format!("axes {axes:?} repeat"));
    }
    let mut rest = from.iter();
    Ok((0..rank).map(|a| if positions.contains(&a) { 1 } else { rest.next().copied().unwrap_or(1) }).collect())
}

/// A permutation attribute, reversed order where absent.
pub(super) fn permutation(perm: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = perm else { return Ok((0..rank).rev().collect()) };
    let axes = perm.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) { Ok(axes) } else { Err(format!("permutation {perm:?} of {rank} axes")) }
}

/// An axis that may count from the end.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    axis_index(axis, rank).map_err(|_| format!("axis {axis} of a tensor with {rank} axes"))
}

fn axis_index(index: i64, size: usize) -> Result<usize, String> {
    let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
    match usize::try_from(from_front) {
        Ok(i) if i < size => Ok(i),
        _ => Err(format!("index {index} of {size}")),
    }
}

fn clamp_index(index: i64, size: usize) -> usize {
    let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
    from_front.clamp(0, size as i64) as usize
}

fn integers(constant: &Constant) -> Result<&[i64], String> {
    constant.integers().map_err(|e| e.to_string())
}

fn sizes(list: &[i64]) -> Result<Vec<usize>, String> {
    list.iter().map(|&d| usize::try_from(d).map_err(|_| format!("shape {list:?}"))).collect()
}

/// Number of elements, refused above the limit of folding.
fn limited(shape: &[usize]) -> Result<usize, String> {
    if shape.contains(&0) {
        return Ok(0);
    }
    elements(shape).filter(|&n| n <= MAX_FOLDED).ok_or_else(|| format!("a folded constant of shape {shape:?}"))
}

pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (m, n) if m == n || n == 1 => Ok(m),
            (1, n) => Ok(n),
            _ => Err(format!("{a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for a in (1..shape.len()).rev() {
        strides[a - 1] = strides[a].saturating_mul(shape[a]);
    }
    strides
}

/// Strides of a tensor seen with more axes, 0 where it repeats.
fn broadcast_strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let strides = strides(shape);
    let lead = rank.saturating_sub(shape.len());
    (0..rank).map(|a| if a < lead || shape[a - lead] == 1 { 0 } else { strides[a - lead] }).collect()
}

/// Elements of a strided view in row-major order.
fn pick(elements: &Elements, shape: &[usize], strides: &[usize], start: usize) -> Result<Elements, String> {
    let mut from = Vec::with_capacity(limited(shape)?);
    if !shape.contains(&0) {
        from.push(start);
    }
    for (&size, &stride) in shape.iter().zip(strides) {
        from = from.iter().flat_map(|&base| (0..size).map(move |i| base + i * stride)).collect();
    }
    select(elements, &from)
}

fn select(elements: &Elements, from: &[usize]) -> Result<Elements, String> {
    fn take<T: Copy>(v: &[T], from: &[usize]) -> Result<Vec<T>, String> {
        from.iter().map(|&i| v.get(i).copied().ok_or_else(|| format!("element {i} of {}", v.len()))).collect()
    }
    Ok(match elements {
        Elements::Float(v) => Elements::Float(take(v, from)?),
        Elements::Integer(v) => Elements::Integer(take(v, from)?),
    })
}
