//! Pooling over windows and over whole images.

use super::convolution::{as_image, like, window};
use super::{Builder, Call, Reject, unsupported, volumes};
use crate::graph::{Operator, ValueId, Window};

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
        return Ok(vec![volumes::mean(builder, call, call.value(0)?, [true; 3])?]);
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
pub(super) fn whole(image: &[usize], axes: [bool; 2]) -> Window {
    let size = |axis: usize| if axes[axis] { image[axis + 2] } else { 1 };
    Window { kernel: [size(0), size(1)], strides: [1, 1], dilations: [1, 1], pads: [0; 4] }
}
