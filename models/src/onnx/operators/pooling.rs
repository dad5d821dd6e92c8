//! Pooling over windows, over whole tensors, and means over axes.

use super::convolution::{as_image, like, window};
use super::{Builder, Call, Reject, unsupported, volumes};
use crate::function::Function;
use crate::graph::{Operator, Tensor, ValueId, Window};

pub(super) fn max(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if call.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(unsupported("the indices of the maxima are read", "the first output alone"));
    }
    if call.attributes.flag("storage_order", false)? {
        return Err(unsupported("storage_order = 1", "storage_order = 0"));
    }
    let input = call.value(0)?;
    if builder.shape(input).len() == 5 {
        return volumes::max_pool(builder, call);
    }
    let image = as_image(builder, call, input)?;
    let mut window = pool_window(builder, call, image)?;
    if call.attributes.flag("ceil_mode", false)? {
        for (axis, reach) in ceil_reach(&window, builder.shape(image)).into_iter().enumerate() {
            // Padding never wins, so that more of it at the end changes nothing but the number of windows.
            window.pads[axis + 2] += reach;
        }
    }
    let output = builder.emit(call, Operator::MaxPool { window }, &[image])?;
    Ok(vec![like(builder, call, output, input)?])
}

pub(super) fn average(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    if builder.shape(input).len() == 5 {
        return volumes::average_pool(builder, call);
    }
    let image = as_image(builder, call, input)?;
    let mut window = pool_window(builder, call, image)?;
    if window.dilations != [1, 1] {
        return Err(unsupported(format!("dilations {:?}", window.dilations), "dilations of 1"));
    }
    let count_include_pad = call.attributes.flag("count_include_pad", false)? && window.is_padded();
    if call.attributes.flag("ceil_mode", false)? {
        let reach = ceil_reach(&window, builder.shape(image));
        if count_include_pad && reach != [0, 0] {
            let reason = "windows that reach beyond the padding count what they cover";
            return Err(unsupported(reason, "ceil_mode = 0, or count_include_pad = 0"));
        }
        for (axis, reach) in reach.into_iter().enumerate() {
            window.pads[axis + 2] += reach;
        }
    }
    let output = builder.emit(call, Operator::AveragePool { window, count_include_pad }, &[image])?;
    Ok(vec![like(builder, call, output, input)?])
}

fn pool_window(builder: &Builder, call: &Call<'_>, image: ValueId) -> Result<Window, Reject> {
    let Some(kernel) = call.attributes.ints("kernel_shape")? else {
        return Err(Reject::Invalid("kernel_shape is missing".into()));
    };
    let sizes: Option<Vec<usize>> = kernel.iter().map(|&k| usize::try_from(k).ok()).collect();
    let kernel = match sizes.as_deref() {
        Some(&[height, width]) => [height, width],
        Some(&[height]) => [height, 1],
        _ => return Err(Reject::Invalid(format!("kernel_shape is {kernel:?}"))),
    };
    window(call, kernel, builder.shape(image))
}

/// How far the last windows that start inside the input reach beyond the padded input, per axis.
fn ceil_reach(window: &Window, image: &[usize]) -> [usize; 2] {
    let mut reach = [0; 2];
    for axis in 0..2 {
        let size = image[axis + 2] + window.pads[axis] + window.pads[axis + 2];
        let extent = (window.kernel[axis].max(1) - 1) * window.dilations[axis] + 1;
        let steps = size.saturating_sub(extent).div_ceil(window.strides[axis]);
        // A window that would start in the padding at the end is left out.
        let last = (image[axis + 2] + window.pads[axis]).saturating_sub(1) / window.strides[axis];
        reach[axis] = (steps.min(last) * window.strides[axis] + extent).saturating_sub(size);
    }
    reach
}

pub(super) fn global_average(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if builder.shape(call.value(0)?).len() == 5 {
        return Ok(vec![volumes::mean(builder, call, [true; 3])?]);
    }
    global(builder, call, |window| Operator::AveragePool { window, count_include_pad: false })
}

pub(super) fn global_max(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    global(builder, call, |window| Operator::MaxPool { window })
}

fn global(
    builder: &mut Builder,
    call: &Call<'_>,
    operator: impl Fn(Window) -> Operator,
) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let image = as_image(builder, call, input)?;
    let window = whole(builder.shape(image), [true, true]);
    let output = builder.emit(call, operator(window), &[image])?;
    Ok(vec![like(builder, call, output, input)?])
}

/// A window over the whole of the chosen axes.
fn whole(image: &[usize], axes: [bool; 2]) -> Window {
    let size = |axis: usize| if axes[axis] { image[axis + 2] } else { 1 };
    Window { kernel: [size(0), size(1)], strides: [1, 1], dilations: [1, 1], pads: [0; 4] }
}

pub(super) fn reduce_mean(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    reduce(builder, call, Reduction::Mean)
}

/// A mean, times the number of elements.
pub(super) fn reduce_sum(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let before: usize = builder.shape(input).iter().product();
    let means = reduce(builder, call, Reduction::Mean)?;
    let after: usize = means.iter().flat_map(|&m| builder.shape(m)).product();
    let sum = Operator::Function(Function::Linear { scale: (before / after.max(1)) as f32, offset: 0.0 });
    Ok(vec![builder.emit(call, sum, &means)?])
}

pub(super) fn reduce_max(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    reduce(builder, call, Reduction::Max)
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

/// Joins the elements along some axes.
fn reduce(builder: &mut Builder, call: &Call<'_>, reduction: Reduction) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let shape = builder.shape(input).to_vec();
    let list = match call.list("axes", 1)? {
        Some(list) if !list.is_empty() => {
            list.iter().map(|&a| crate::onnx::fold::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
        _ if call.attributes.flag("noop_with_empty_axes", false)? => return Ok(vec![input]),
        _ => (0..shape.len()).collect(),
    };
    let axes: Vec<usize> = list.iter().copied().filter(|&axis| shape[axis] > 1).collect();
    let form = || {
        let reason = format!("it joins axes {axes:?} of {shape:?}");
        unsupported(reason, "the axes behind the channels of [1, channels, height, width], means of the last axis")
    };
    let last = shape.len() - 1;
    let output = match (axes.as_slice(), shape.as_slice()) {
        ([], _) => input,
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
            volumes::mean(builder, call, [2, 3, 4].map(|axis| axes.contains(&axis)))?
        }
        _ if !(3..=4).contains(&shape.len()) || axes[0] == 0 => return Err(form()),
        _ => {
            let mut image = as_image(builder, call, input)?;
            let over = [axes.contains(&2), axes.contains(&3)];
            if over != [false, false] {
                let window = whole(builder.shape(image), over);
                image = builder.emit(call, reduction.over(window), &[image])?;
            }
            if axes[0] == 1 {
                if reduction != Reduction::Mean {
                    return Err(form());
                }
                image = mean_of_channels(builder, call, image, 1)?;
            }
            image
        }
    };
    let keep = call.attributes.flag("keepdims", true)?;
    let size = |axis: usize| if list.contains(&axis) { keep.then_some(1) } else { Some(shape[axis]) };
    let reduced: Vec<usize> = (0..shape.len()).filter_map(size).collect();
    if reduced.is_empty() {
        return Err(form());
    }
    Ok(vec![builder.reshape(call, output, reduced)?])
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
