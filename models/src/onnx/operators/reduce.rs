//! Means, sums and extremes along axes.

use super::convolution::as_image;
use super::elementwise::larger;
use super::order::channels_last;
use super::pooling::whole;
use super::{Builder, Call, Reject, stacks, unsupported, volumes};
use crate::function::Function;
use crate::graph::{Operator, Tensor, ValueId, Window};

pub(super) fn mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![reduce(builder, call, call.value(0)?, Reduction::Mean)?])
}

pub(super) fn sum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![sum_of(builder, call, call.value(0)?)?])
}

pub(super) fn max(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    Ok(vec![reduce(builder, call, call.value(0)?, Reduction::Max)?])
}

/// The opposite of the largest opposite.
pub(super) fn min(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let minus = Operator::Function(Function::Linear { scale: -1.0, offset: 0.0 });
    let opposite = builder.emit(call, minus.clone(), &[call.value(0)?])?;
    let largest = reduce(builder, call, opposite, Reduction::Max)?;
    Ok(vec![builder.emit(call, minus, &[largest])?])
}

pub(super) fn l1(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let sizes = builder.emit(call, Operator::Function(Function::Absolute), &[call.value(0)?])?;
    Ok(vec![sum_of(builder, call, sizes)?])
}

pub(super) fn sum_of_squares(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let squares = builder.emit(call, Operator::Function(Function::square()), &[call.value(0)?])?;
    Ok(vec![sum_of(builder, call, squares)?])
}

pub(super) fn l2(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let sums = sum_of_squares(builder, call)?;
    Ok(vec![builder.emit(call, Operator::Function(Function::SquareRoot), &sums)?])
}

/// A mean, times the number of elements.
fn sum_of(builder: &mut Builder, call: &Call<'_>, value: ValueId) -> Result<ValueId, Reject> {
    let before: usize = builder.shape(value).iter().product();
    let mean = reduce(builder, call, value, Reduction::Mean)?;
    let after: usize = builder.shape(mean).iter().product();
    let sum = Operator::Function(Function::Linear { scale: (before / after.max(1)) as f32, offset: 0.0 });
    builder.emit(call, sum, &[mean])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reduction {
    Mean,
    Max,
}

impl Reduction {
    fn over(self, window: Window) -> Operator {
        match self {
            Self::Mean => Operator::AveragePool { window, count_include_pad: false },
            Self::Max => Operator::MaxPool { window },
        }
    }
}

/// Joins the elements along the node's axes.
fn reduce(builder: &mut Builder, call: &Call<'_>, input: ValueId, reduction: Reduction) -> Result<ValueId, Reject> {
    let shape = builder.shape(input).to_vec();
    let list = match call.list("axes", 1)? {
        Some(list) if !list.is_empty() => {
            list.iter().map(|&a| crate::onnx::fold::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
        _ if call.attributes.flag("noop_with_empty_axes", false)? => return Ok(input),
        _ => (0..shape.len()).collect(),
    };
    let mut axes: Vec<usize> = list.iter().copied().filter(|&axis| shape[axis] > 1).collect();
    axes.sort_unstable();
    let form = || {
        let reason = format!("it joins axes {axes:?} of {shape:?}");
        unsupported(
            reason,
            "channels, rows and columns of an image, parts that were put together, means of the last axis",
        )
    };
    let last = shape.len() - 1;
    let stack = if let &[axis] = axes.as_slice() { stacks::parts(builder, call, input, axis)? } else { None };
    let output = match (axes.as_slice(), shape.as_slice()) {
        ([], _) => input,
        _ if stack.is_some() => of_parts(builder, call, &stack.unwrap_or_default(), reduction)?,
        // Vectors with their channels last.
        (&[tokens], &[_, 1, channels]) | (&[tokens], &[1, _, channels]) if tokens < 2 => {
            let permutation = vec![1 - tokens, 2, tokens];
            let tokens = shape[tokens];
            let turned = builder.emit(call, Operator::Transpose { permutation }, &[input])?;
            let image = builder.reshape(call, turned, vec![1, channels, tokens, 1])?;
            builder.emit(call, reduction.over(whole(&[1, channels, tokens, 1], [true, true])), &[image])?
        }
        (&[axis], _) if axis == last && shape.len() == 2 && reduction == Reduction::Mean => {
            let weight = Tensor { shape: vec![1, shape[axis]], data: vec![1.0 / shape[axis] as f32; shape[axis]] };
            builder.emit(call, Operator::Dense { weight, bias: vec![0.0] }, &[input])?
        }
        _ if shape.len() == 5 && axes[0] > 1 && reduction == Reduction::Mean => {
            volumes::mean(builder, call, input, [2, 3, 4].map(|axis| axes.contains(&axis)))?
        }
        _ if !(3..=4).contains(&shape.len()) || axes[0] == 0 => return Err(form()),
        _ => {
            // Rows and columns of an image with its channels last come first.
            let turned = axes == [1, 2] || channels_last(builder, input);
            let image = as_image(builder, call, input)?;
            if turned && shape.len() == 4 {
                let forth = Operator::Transpose { permutation: vec![0, 3, 1, 2] };
                let image = builder.emit(call, forth, &[image])?;
                let axes: Vec<usize> = axes.iter().map(|axis| axis % 3 + 1).collect();
                let joined = of_image(builder, call, image, &axes, reduction)?;
                let back = Operator::Transpose { permutation: vec![0, 2, 3, 1] };
                builder.emit(call, back, &[joined])?
            } else {
                of_image(builder, call, image, &axes, reduction)?
            }
        }
    };
    let keep = call.attributes.flag("keepdims", true)?;
    let size = |axis: usize| if list.contains(&axis) { keep.then_some(1) } else { Some(shape[axis]) };
    let reduced: Vec<usize> = (0..shape.len()).filter_map(size).collect();
    if reduced.is_empty() {
        return Err(form());
    }
    builder.reshape(call, output, reduced)
}

/// Rows and columns, then channels, of an image; sizes of what is joined become 1.
fn of_image(
    builder: &mut Builder,
    call: &Call<'_>,
    image: ValueId,
    axes: &[usize],
    reduction: Reduction,
) -> Result<ValueId, Reject> {
    let mut image = image;
    let over = [axes.contains(&2), axes.contains(&3)];
    if over != [false, false] {
        let window = whole(builder.shape(image), over);
        image = builder.emit(call, reduction.over(window), &[image])?;
    }
    if !axes.contains(&1) {
        return Ok(image);
    }
    match reduction {
        Reduction::Mean => mean_of_channels(builder, call, image, 1),
        Reduction::Max => builder.emit(call, Operator::MaxOfChannels { outputs: 1 }, &[image]),
    }
}

/// Tensors of one shape, element by element.
fn of_parts(
    builder: &mut Builder,
    call: &Call<'_>,
    parts: &[ValueId],
    reduction: Reduction,
) -> Result<ValueId, Reject> {
    let Some((&first, others)) = parts.split_first() else { return Err(Reject::Invalid("it has no input".into())) };
    let mut joined = first;
    for &part in others {
        joined = match reduction {
            Reduction::Mean => builder.emit(call, Operator::Add, &[joined, part])?,
            Reduction::Max => larger(builder, call, [joined, part])?,
        };
    }
    if reduction == Reduction::Max {
        return Ok(joined);
    }
    let share = Function::Linear { scale: 1.0 / parts.len() as f32, offset: 0.0 };
    builder.emit(call, Operator::Function(share), &[joined])
}

/// The mean over each of some groups of channels of an image: `[1, groups, height, width]`.
pub(super) fn mean_of_channels(
    builder: &mut Builder,
    call: &Call<'_>,
    image: ValueId,
    groups: usize,
) -> Result<ValueId, Reject> {
    let channels = builder.shape(image)[1] / groups.max(1);
    let weight = Tensor { shape: vec![groups, channels, 1, 1], data: vec![1.0 / channels as f32; groups * channels] };
    let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let bias = vec![0.0; groups];
    builder.emit(call, Operator::Convolution { weight, bias, window, groups, pad_value: None }, &[image])
}
