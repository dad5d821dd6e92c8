//! Convolution over one or two axes, and the window attributes that pooling shares.

use super::{Builder, Call, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId, Window};

pub(super) fn convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
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
            "one or two axes behind the channels",
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
    // Signals have a width of 1; only they may have one size where images have two.
    let is_line = image.get(3) == Some(&1);
    let pair = |name: &str| -> Result<[usize; 2], Reject> {
        let Some(list) = call.attributes.ints(name)? else { return Ok([1, 1]) };
        let sizes: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v > 0)).collect();
        match sizes.as_deref() {
            Some(&[height, width]) => Ok([height, width]),
            Some(&[height]) if is_line => Ok([height, 1]),
            _ => Err(Reject::Invalid(format!("{name} are {list:?}"))),
        }
    };
    let (strides, dilations) = (pair("strides")?, pair("dilations")?);
    let pads = match call.attributes.string("auto_pad", "NOTSET")? {
        "NOTSET" => explicit_pads(call, is_line)?,
        "VALID" => [0; 4],
        same @ ("SAME_UPPER" | "SAME_LOWER") => {
            let mut pads = [0; 4];
            for axis in 0..2 {
                let size = *image.get(axis + 2).unwrap_or(&1);
                let extent = (kernel[axis].max(1) - 1).saturating_mul(dilations[axis]).saturating_add(1);
                let covered = (size.div_ceil(strides[axis]) - 1).saturating_mul(strides[axis]).saturating_add(extent);
                let total = covered.saturating_sub(size);
                let before = if same == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
                (pads[axis], pads[axis + 2]) = (before, total - before);
            }
            pads
        }
        other => return Err(Reject::Invalid(format!("auto_pad is {other}"))),
    };
    Ok(Window { kernel, strides, dilations, pads })
}

fn explicit_pads(call: &Call<'_>, is_line: bool) -> Result<[usize; 4], Reject> {
    let Some(list) = call.attributes.ints("pads")? else { return Ok([0; 4]) };
    let sizes: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok()).collect();
    match sizes.as_deref() {
        Some(&[top, left, bottom, right]) => Ok([top, left, bottom, right]),
        Some(&[before, after]) if is_line => Ok([before, 0, after, 0]),
        Some(_) => Err(Reject::Invalid(format!("pads are {list:?}"))),
        None => Err(unsupported(format!("negative pads {list:?}"), "pads of zero or more")),
    }
}
