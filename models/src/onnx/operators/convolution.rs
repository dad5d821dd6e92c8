//! Convolution over one or two axes, and the window attributes that pooling shares.

use super::{Builder, Call, Reject, unsupported, volumes};
use crate::graph::{Operator, Tensor, ValueId, Window};

pub(super) fn convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    if builder.shape(input).len() == 5 {
        return volumes::convolution(builder, call);
    }
    let weight = call.constant(1)?;
    let image = as_image(builder, call, input)?;
    let mut shape = weight.shape.clone();
    if shape.len() == 3 {
        shape.push(1);
    }
    let &[outputs, _, height, width] = shape.as_slice() else {
        return Err(Reject::Invalid(format!(
            "weight of shape {:?} with input {:?}",
            weight.shape,
            builder.shape(input)
        )));
    };
    let bias = match call.optional_constant(2)? {
        Some(bias) => bias.weights()?,
        None => vec![0.0; outputs],
    };
    let window = window(call, [height, width], builder.shape(image))?;
    let groups = usize::try_from(call.attributes.int("group", 1)?).map_err(|_| "negative group".to_string())?;
    let weight = Tensor { shape, data: weight.weights()? };
    let operator = Operator::Convolution { weight, bias, window, groups, pad_value: None };
    let output = builder.emit(call, operator, &[image])?;
    Ok(vec![like(builder, call, output, input)?])
}

/// `[1, channels, length]` as `[1, channels, length, 1]`; images as they are.
pub(super) fn as_image(builder: &mut Builder, call: &Call<'_>, input: ValueId) -> Result<ValueId, Reject> {
    match *builder.shape(input) {
        [_, _, _, _] => Ok(input),
        [batch, channels, length] => builder.reshape(call, input, vec![batch, channels, length, 1]),
        ref other => Err(unsupported(
            format!("input of shape {other:?} has {} axes behind the channels", other.len().saturating_sub(2)),
            "one to three axes behind the channels",
        )),
    }
}

/// Takes the width of 1 away again that [`as_image`] added.
pub(super) fn like(builder: &mut Builder, call: &Call<'_>, output: ValueId, input: ValueId) -> Result<ValueId, Reject> {
    match *builder.shape(output) {
        [batch, channels, length, 1] if builder.shape(input).len() == 3 => {
            builder.reshape(call, output, vec![batch, channels, length])
        }
        _ => Ok(output),
    }
}

/// The window of a convolution or pooling over an image of this shape.
pub(super) fn window(call: &Call<'_>, kernel: [usize; 2], image: &[usize]) -> Result<Window, Reject> {
    let size = |axis: usize| *image.get(axis).unwrap_or(&1);
    // Signals have a width of 1; only they may have one size where images have two.
    let axes = if size(3) == 1 { &[1, 2][..] } else { &[2] };
    let [rows, columns] = along(call, kernel, [size(2), size(3)], axes)?;
    Ok(Window {
        kernel,
        strides: [rows.stride, columns.stride],
        dilations: [rows.dilation, columns.dilation],
        pads: [rows.before, columns.before, rows.after, columns.after],
    })
}

/// A window along one axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Along {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Padding.
    pub(super) before: usize,
    pub(super) after: usize,
}

impl Along {
    /// Number of outputs, `None` where the window is larger than the padded input.
    pub(super) fn outputs(&self, size: usize) -> Option<usize> {
        let extent = self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)?;
        let padded = size.checked_add(self.before)?.checked_add(self.after)?;
        Some(padded.checked_sub(extent)?.checked_div(self.stride)? + 1)
    }

    /// The input index under a tap, `None` in the padding.
    pub(super) fn index(&self, output: usize, tap: usize, size: usize) -> Option<usize> {
        (output * self.stride + tap * self.dilation).checked_sub(self.before).filter(|&i| i < size)
    }
}

/// The window attributes along each axis of these sizes; the attributes may be given for as many axes as `given` lists, the
/// first ones.
pub(super) fn along<const N: usize>(
    call: &Call<'_>,
    kernel: [usize; N],
    sizes: [usize; N],
    given: &[usize],
) -> Result<[Along; N], Reject> {
    let list = |name: &str, parts: usize, default: usize| -> Result<Vec<usize>, Reject> {
        let Some(list) = call.attributes.ints(name)? else { return Ok(vec![default; parts * N]) };
        let values: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok()).collect();
        let Some(values) = values else {
            return Err(unsupported(format!("{name} are {list:?}"), format!("{name} of {default} or more")));
        };
        let axes = values.len() / parts;
        if !given.contains(&axes) || values.len() % parts != 0 || values.iter().any(|&v| v < default) {
            return Err(Reject::Invalid(format!("{name} are {list:?}")));
        }
        // Axes that are left out come last in each part.
        Ok(values.chunks(axes).flat_map(|part| [part, &vec![default; N - axes]].concat()).collect())
    };
    let (strides, dilations) = (list("strides", 1, 1)?, list("dilations", 1, 1)?);
    let auto_pad = call.attributes.string("auto_pad", "NOTSET")?;
    let pads = match auto_pad {
        "NOTSET" => list("pads", 2, 0)?,
        "VALID" | "SAME_UPPER" | "SAME_LOWER" => vec![0; 2 * N],
        other => return Err(Reject::Invalid(format!("auto_pad is {other}"))),
    };
    let mut windows = [Along::default(); N];
    for (axis, window) in windows.iter_mut().enumerate() {
        let (kernel, stride, dilation) = (kernel[axis], strides[axis], dilations[axis]);
        let (mut before, mut after) = (pads[axis], pads[axis + N]);
        if auto_pad.starts_with("SAME") {
            let extent = (kernel.max(1) - 1).saturating_mul(dilation).saturating_add(1);
            let covered = (sizes[axis].div_ceil(stride).max(1) - 1).saturating_mul(stride).saturating_add(extent);
            let total = covered.saturating_sub(sizes[axis]);
            before = if auto_pad == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
            after = total - before;
        }
        *window = Along { kernel, stride, dilation, before, after };
    }
    Ok(windows)
}
