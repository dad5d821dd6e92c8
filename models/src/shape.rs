//! Shapes of operators: the one place that says which inputs an [`Operator`] accepts and what it gives.

use crate::graph::{Graph, Operator, PixelSource, Window};
use crate::recurrence::Gives;

/// Largest number of elements a value may have; larger is taken for a damaged model.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// Why an operator does not accept the shapes it is given, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(pub String);

fn fail<T>(reason: impl Into<String>) -> Result<T, ShapeError> {
    Err(ShapeError(reason.into()))
}

/// The number of elements of a shape, or `None` where it is zero or absurd (above [`MAX_ELEMENTS`]).
pub fn elements(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    (1..=MAX_ELEMENTS).contains(&count).then_some(count)
}

/// Output shape of an operator for the given input shapes. `declared` is the output's shape where the operator takes it
/// from there ([`Operator::Reshape`] and [`Operator::Part`]).
pub fn infer(operator: &Operator, inputs: &[&[usize]], declared: Option<&[usize]>) -> Result<Vec<usize>, ShapeError> {
    let arity = match operator {
        Operator::Add | Operator::Subtract | Operator::Multiply => 2..=2,
        Operator::Concat { .. } => 1..=usize::MAX,
        _ => 1..=1,
    };
    if !arity.contains(&inputs.len()) {
        return fail(format!("takes {} inputs, has {}", arity.start(), inputs.len()));
    }
    let x = inputs[0];
    let shape = match operator {
        Operator::Convolution { weight, bias, window, groups, pad_value } => {
            let [batch, channels, height, width] = image(x)?;
            let &[outputs, group_inputs, kernel_height, kernel_width] = weight.shape.as_slice() else {
                return fail(format!("weight of shape {:?} is not [outputs, inputs, height, width]", weight.shape));
            };
            if *groups == 0 || outputs % groups != 0 || group_inputs.checked_mul(*groups) != Some(channels) {
                return fail(format!(
                    "weight of shape {:?} in {groups} groups does not fit {channels} input channels",
                    weight.shape
                ));
            }
            if window.kernel != [kernel_height, kernel_width] {
                return fail(format!("kernel {:?} differs from the weight's {:?}", window.kernel, weight.shape));
            }
            lengths("weight", weight.data.len(), elements(&weight.shape).unwrap_or(0))?;
            lengths("bias", bias.len(), outputs)?;
            if let Some(values) = pad_value {
                lengths("padding values", values.len(), channels)?;
            }
            let [height, width] = slide(window, [height, width])?;
            vec![batch, outputs, height, width]
        }
        Operator::Dense { weight, bias } => {
            let (&[outputs, features], Some((&last, rest))) = (weight.shape.as_slice(), x.split_last()) else {
                return fail(format!("weight of shape {:?} with input {x:?}", weight.shape));
            };
            if features != last {
                return fail(format!("weight of shape {:?} does not fit input {x:?}", weight.shape));
            }
            lengths("weight", weight.data.len(), elements(&weight.shape).unwrap_or(0))?;
            lengths("bias", bias.len(), outputs)?;
            [rest, &[outputs]].concat()
        }
        Operator::Affine { scale, offset } => {
            let Some(&channels) = x.get(1) else { return fail(format!("input {x:?} has no channel axis")) };
            lengths("scales", scale.len(), channels)?;
            lengths("offsets", offset.len(), channels)?;
            x.to_vec()
        }
        Operator::Add | Operator::Subtract | Operator::Multiply => broadcast(x, inputs[1])?,
        Operator::Clamp { .. } | Operator::Function(_) | Operator::Quantize { .. } => x.to_vec(),
        Operator::Concat { axis } => {
            let mut shape = x.to_vec();
            for other in &inputs[1..] {
                let beside = other.len() == x.len() && (0..x.len()).all(|d| d == *axis || other[d] == x[d]);
                match shape.get_mut(*axis).and_then(|size| size.checked_add(*other.get(*axis)?).map(|sum| (size, sum)))
                {
                    Some((size, sum)) if beside => *size = sum,
                    _ => return fail(format!("inputs {x:?} and {other:?} along axis {axis}")),
                }
            }
            shape
        }
        Operator::Slice { axis, start, end } => {
            if start >= end || x.get(*axis).is_none_or(|size| end > size) {
                return fail(format!("{start}..{end} along axis {axis} of input {x:?}"));
            }
            let mut shape = x.to_vec();
            shape[*axis] = end - start;
            shape
        }
        Operator::Pad { axis, before, after } => {
            let mut shape = x.to_vec();
            let padded = shape.get(*axis).and_then(|size| size.checked_add(*before)?.checked_add(*after));
            let (Some(padded), Some(size)) = (padded, shape.get_mut(*axis)) else {
                return fail(format!("{before} and {after} zeros along axis {axis} of input {x:?}"));
            };
            *size = padded;
            shape
        }
        Operator::Upsample { factor, source } => {
            let [batch, channels, height, width] = image(x)?;
            let block = match source {
                PixelSource::Nearest | PixelSource::Bilinear => Some(1),
                PixelSource::DepthFirst | PixelSource::ColumnFirst => factor.checked_mul(*factor),
            };
            let sizes = height.checked_mul(*factor).zip(width.checked_mul(*factor));
            match (block, sizes) {
                (Some(block), Some((height, width))) if block > 0 && channels % block == 0 => {
                    vec![batch, channels / block, height, width]
                }
                _ => return fail(format!("factor {factor} and input {x:?}")),
            }
        }
        Operator::Resample { rows, columns } => {
            let [batch, channels, height, width] = image(x)?;
            for (places, size) in [(rows, height), (columns, width)] {
                if let Some(place) =
                    places.iter().find(|&&place| place != -1.0 && !(0.0..=(size - 1) as f32).contains(&place))
                {
                    return fail(format!("place {place} of {size} rows or columns"));
                }
            }
            vec![batch, channels, rows.len(), columns.len()]
        }
        Operator::MaxOfChannels { outputs } => {
            let [batch, channels, height, width] = image(x)?;
            if *outputs == 0 || channels % outputs != 0 {
                return fail(format!("{outputs} outputs of input {x:?}"));
            }
            vec![batch, *outputs, height, width]
        }
        Operator::MaxPool { window } | Operator::AveragePool { window, .. } => {
            let [batch, channels, height, width] = image(x)?;
            if (0..2).any(|a| window.pads[a] >= window.kernel[a] || window.pads[a + 2] >= window.kernel[a]) {
                return fail(format!("pads {:?} reach the kernel {:?}", window.pads, window.kernel));
            }
            let [height, width] = slide(window, [height, width])?;
            vec![batch, channels, height, width]
        }
        Operator::Softmax { axis } | Operator::LogSoftmax { axis } => {
            if *axis >= x.len() {
                return fail(format!("axis {axis} of input {x:?}"));
            }
            x.to_vec()
        }
        Operator::Recurrence(recurrence) => {
            if !recurrence.is_sound() {
                return fail("the lengths of its constants differ");
            }
            let (units, width) = (recurrence.units(), recurrence.width());
            match *x {
                [steps, 1, found] if found == width => {
                    let steps = if recurrence.gives == Gives::Steps { steps } else { 1 };
                    vec![steps, 1, units]
                }
                _ => return fail(format!("input {x:?} is not [steps, 1, {width}]")),
            }
        }
        Operator::Transpose { permutation } => {
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..x.len()) {
                return fail(format!("permutation {permutation:?} of input {x:?}"));
            }
            permutation.iter().map(|&axis| x[axis]).collect()
        }
        Operator::Part { start } => {
            let Some(target) = declared else { return fail("a part needs its shape") };
            let end = elements(target).and_then(|count| start.checked_add(count));
            if x.len() != 2 || end.is_none_or(|end| end > x[1]) {
                return fail(format!("{target:?} from {start} of {x:?}"));
            }
            target.to_vec()
        }
        Operator::Reshape => {
            let Some(target) = declared else { return fail("a reshape needs its target") };
            if elements(target).is_none() || elements(target) != elements(x) {
                return fail(format!("{x:?} cannot become {target:?}: the numbers of elements differ"));
            }
            target.to_vec()
        }
    };
    if elements(&shape).is_none() {
        return fail(format!("output {shape:?} is empty or absurdly large"));
    }
    Ok(shape)
}

/// Checks that a graph is well formed: ids in range, nodes in topological order, each value written once, shapes as
/// [`infer`] gives them. The error names the node.
pub fn check(graph: &Graph) -> Result<(), ShapeError> {
    let mut known = vec![false; graph.values.len()];
    for input in &graph.inputs {
        match known.get_mut(input.0) {
            Some(slot) => *slot = true,
            None => return fail(format!("graph input {} does not exist", input.0)),
        }
    }
    for node in &graph.nodes {
        let name = &node.name;
        let mut shapes = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            if known.get(id.0) != Some(&true) {
                return fail(format!("node {name}: input {} is not computed before it", id.0));
            }
            shapes.push(graph.values[id.0].shape.as_slice());
        }
        match known.get_mut(node.output.0) {
            Some(slot) if !*slot => *slot = true,
            _ => return fail(format!("node {name}: output {} does not exist or is written twice", node.output.0)),
        }
        let declared = graph.values[node.output.0].shape.as_slice();
        let inferred =
            infer(&node.operator, &shapes, Some(declared)).or_else(|e| fail(format!("node {name}: {}", e.0)))?;
        if inferred != declared {
            return fail(format!("node {name}: computes {inferred:?}, its output is declared {declared:?}"));
        }
    }
    match graph.outputs.iter().find(|o| known.get(o.0) != Some(&true)) {
        Some(output) => fail(format!("graph output {} is never computed", output.0)),
        None => Ok(()),
    }
}

/// The shape of two tensors of one rank, where one has size 1 wherever they differ.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, ShapeError> {
    let larger = |a: &[usize], b: &[usize]| a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| a == b || b == 1);
    match (larger(a, b), larger(b, a)) {
        (true, _) => Ok(a.to_vec()),
        (_, true) => Ok(b.to_vec()),
        _ => fail(format!("inputs {a:?} and {b:?} differ")),
    }
}

fn image(shape: &[usize]) -> Result<[usize; 4], ShapeError> {
    match *shape {
        [1, channels, height, width] => Ok([1, channels, height, width]),
        _ => fail(format!("input {shape:?} is not [1, channels, height, width]")),
    }
}

fn slide(window: &Window, input: [usize; 2]) -> Result<[usize; 2], ShapeError> {
    if window.kernel.contains(&0) || window.strides.contains(&0) || window.dilations.contains(&0) {
        return fail("kernel, strides and dilations must be at least 1");
    }
    match window.output_size(input) {
        Some(size) => Ok(size),
        None => fail(format!("window {:?} is larger than the padded input {input:?}", window.kernel)),
    }
}

fn lengths(what: &str, found: usize, needed: usize) -> Result<(), ShapeError> {
    if found == needed { Ok(()) } else { fail(format!("{found} {what} where {needed} are needed")) }
}
