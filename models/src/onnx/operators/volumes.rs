//! Convolution and pooling over depth, height and width: depth joins the channels.
//!
//! `[1, channels, depth, height, width]` becomes the image `[1, depth · channels, height, width]`, the channels of one
//! depth together. A window over height and width alone is then a grouped window of the image, a group a depth; one over
//! depth mixes channels.

use super::convolution::{Along, along};
use super::elementwise::larger;
use super::{Builder, Call, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId, Window};
use crate::shape::elements;

/// Most weights of a convolution that depth is folded into.
const MAX_WEIGHTS: usize = 1 << 24;

/// A folded volume.
#[derive(Clone, Copy)]
struct Volume {
    /// `[1, depth · channels, height, width]`.
    image: ValueId,
    depth: usize,
    channels: usize,
}

/// Swaps channels and depth.
const SWAP: [usize; 5] = [0, 2, 1, 3, 4];

fn fold(builder: &mut Builder, call: &Call<'_>, input: ValueId) -> Result<Volume, Reject> {
    let &[_, channels, depth, height, width] = builder.shape(input) else {
        return Err(Reject::Invalid(format!("input of shape {:?}", builder.shape(input))));
    };
    let by_depth = builder.emit(call, Operator::Transpose { permutation: SWAP.to_vec() }, &[input])?;
    let image = builder.reshape(call, by_depth, vec![1, depth * channels, height, width])?;
    Ok(Volume { image, depth, channels })
}

fn unfold(builder: &mut Builder, call: &Call<'_>, image: ValueId, depth: usize) -> Result<ValueId, Reject> {
    let &[_, folded, height, width] = builder.shape(image) else {
        return Err(Reject::Invalid(format!("image of shape {:?}", builder.shape(image))));
    };
    let by_depth = builder.reshape(call, image, vec![1, depth, folded / depth.max(1), height, width])?;
    builder.emit(call, Operator::Transpose { permutation: SWAP.to_vec() }, &[by_depth])
}

/// Windows along depth, height and width of a node with these kernel sizes.
fn windows(builder: &Builder, call: &Call<'_>, input: ValueId, kernel: [usize; 3]) -> Result<[Along; 3], Reject> {
    let &[_, _, depth, height, width] = builder.shape(input) else {
        return Err(Reject::Invalid(format!("input of shape {:?}", builder.shape(input))));
    };
    along(call, kernel, [depth, height, width], &[3])
}

/// The window over height and width.
fn plane([_, rows, columns]: [Along; 3]) -> Window {
    Window {
        kernel: [rows.kernel, columns.kernel],
        strides: [rows.stride, columns.stride],
        dilations: [rows.dilation, columns.dilation],
        pads: [rows.before, columns.before, rows.after, columns.after],
    }
}

pub(super) fn convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (input, weight) = (call.value(0)?, call.constant(1)?);
    let &[outputs, group_inputs, depth_taps, height, width] = weight.shape.as_slice() else {
        return Err(Reject::Invalid(format!("weight of shape {:?}", weight.shape)));
    };
    let windows = windows(builder, call, input, [depth_taps, height, width])?;
    let volume = fold(builder, call, input)?;
    let (depth, channels) = (volume.depth, volume.channels);
    let groups = usize::try_from(call.attributes.int("group", 1)?).unwrap_or(0);
    if groups == 0 || outputs % groups != 0 || group_inputs.checked_mul(groups) != Some(channels) {
        return Err(Reject::Invalid(format!("weight of shape {:?} in {groups} groups", weight.shape)));
    }
    let along = windows[0];
    let depth_out = along.outputs(depth).ok_or_else(|| "the window is larger than the padded input".to_string())?;
    let bias = match call.optional_constant(2)? {
        Some(bias) => bias.weights()?,
        None => vec![0.0; outputs],
    };
    let data = weight.weights()?;
    let area = height * width;
    let apart = along == Along { kernel: 1, stride: 1, dilation: along.dilation, before: 0, after: 0 };
    // Depths apart from each other are groups; else any depth may read any.
    let shape = if apart {
        [depth_out * outputs, group_inputs, height, width]
    } else {
        [depth_out * outputs, depth * channels, height, width]
    };
    let Some(count) = elements(&shape).filter(|&n| n <= MAX_WEIGHTS) else {
        return Err(unsupported(format!("{depth} depths of {channels} channels"), "fewer depths or channels"));
    };
    let folded = if apart {
        data.repeat(depth)
    } else {
        let mut folded = vec![0.0; count];
        for at in 0..depth_out * outputs * depth_taps * group_inputs {
            let (i, rest) = (at % group_inputs, at / group_inputs);
            let (tap, rest) = (rest % depth_taps, rest / depth_taps);
            let (o, d) = (rest % outputs, rest / outputs);
            let Some(from) = along.index(d, tap, depth) else { continue };
            let channel = o / (outputs / groups) * group_inputs + i;
            let to = ((d * outputs + o) * depth * channels + from * channels + channel) * area;
            let kernel = ((o * group_inputs + i) * depth_taps + tap) * area;
            folded[to..to + area].copy_from_slice(&data[kernel..kernel + area]);
        }
        folded
    };
    let operator = Operator::Convolution {
        weight: Tensor { shape: shape.to_vec(), data: folded },
        bias: bias.repeat(depth_out),
        window: plane(windows),
        groups: if apart { depth * groups } else { 1 },
        pad_value: None,
    };
    let output = builder.emit(call, operator, &[volume.image])?;
    Ok(vec![unfold(builder, call, output, depth_out)?])
}

/// Every output depth as a weighted sum of input depths, each channel by itself: `taps` has the input depths and factors of
/// each output depth.
fn mix(builder: &mut Builder, call: &Call<'_>, volume: Volume, taps: &[Vec<(usize, f32)>]) -> Result<ValueId, Reject> {
    let Volume { image, depth, channels } = volume;
    let shape = [taps.len() * channels, depth * channels, 1, 1];
    let Some(count) = elements(&shape).filter(|&n| n <= MAX_WEIGHTS) else {
        return Err(unsupported(format!("{depth} depths of {channels} channels"), "fewer depths or channels"));
    };
    let mut data = vec![0.0; count];
    for (d, taps) in taps.iter().enumerate() {
        for &(from, factor) in taps {
            (0..channels).for_each(|c| data[((d * channels + c) * depth + from) * channels + c] = factor);
        }
    }
    let weight = Tensor { shape: shape.to_vec(), data };
    let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let bias = vec![0.0; shape[0]];
    builder.emit(call, Operator::Convolution { weight, bias, window, groups: 1, pad_value: None }, &[image])
}

fn kernel(call: &Call<'_>) -> Result<[usize; 3], Reject> {
    let list = call.attributes.ints("kernel_shape")?.unwrap_or(&[]);
    let sizes: Option<Vec<usize>> = list.iter().map(|&k| usize::try_from(k).ok()).collect();
    sizes.and_then(|s| s.try_into().ok()).ok_or_else(|| Reject::Invalid(format!("kernel_shape is {list:?}")))
}

/// Input depths under each output depth.
fn depths(along: &Along, depth: usize) -> Result<Vec<Vec<usize>>, Reject> {
    let outputs = along.outputs(depth).ok_or_else(|| "the window is larger than the padded input".to_string())?;
    if along.kernel.saturating_mul(outputs) > MAX_WEIGHTS {
        return Err(Reject::Invalid(format!("a window of {} depths", along.kernel)));
    }
    let taps = |d| (0..along.kernel).filter_map(|k| along.index(d, k, depth)).collect::<Vec<_>>();
    let depths: Vec<_> = (0..outputs).map(taps).collect();
    match depths.iter().any(Vec::is_empty) {
        true => Err(Reject::Invalid("a window lies in the padding alone".into())),
        false => Ok(depths),
    }
}

pub(super) fn max_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let windows = windows(builder, call, input, kernel(call)?)?;
    if call.attributes.flag("ceil_mode", false)? {
        return Err(unsupported("ceil_mode = 1 over three axes", "ceil_mode = 0"));
    }
    let volume = fold(builder, call, input)?;
    let image = builder.emit(call, Operator::MaxPool { window: plane(windows) }, &[volume.image])?;
    let depths = depths(&windows[0], volume.depth)?;
    let volume = Volume { image, ..volume };
    // The maximum of copies of the volume, the k-th of which has the k-th depth under each window.
    let most = depths.iter().map(Vec::len).max().unwrap_or(1);
    let mut largest = None;
    for k in 0..most {
        let taps: Vec<usize> = depths.iter().map(|d| d[k.min(d.len() - 1)]).collect();
        let shifted = if taps.iter().copied().eq(0..volume.depth) {
            image
        } else if taps.windows(2).all(|pair| pair[1] == pair[0] + 1) {
            let (start, end) = (taps[0] * volume.channels, (taps[0] + taps.len()) * volume.channels);
            builder.emit(call, Operator::Slice { axis: 1, start, end }, &[image])?
        } else {
            let taps: Vec<_> = taps.iter().map(|&d| vec![(d, 1.0)]).collect();
            mix(builder, call, volume, &taps)?
        };
        largest = Some(match largest {
            None => shifted,
            Some(other) => larger(builder, call, [other, shifted])?,
        });
    }
    let output = largest.ok_or_else(|| "kernel_shape is empty".to_string())?;
    Ok(vec![unfold(builder, call, output, depths.len())?])
}

pub(super) fn average_pool(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let windows = windows(builder, call, input, kernel(call)?)?;
    if call.attributes.flag("ceil_mode", false)? || windows.iter().any(|w| w.dilation != 1) {
        return Err(unsupported("ceil_mode or dilations over three axes", "ceil_mode = 0, dilations of 1"));
    }
    let count_include_pad = call.attributes.flag("count_include_pad", false)?;
    let volume = fold(builder, call, input)?;
    let window = plane(windows);
    let operator = Operator::AveragePool { window, count_include_pad: count_include_pad && window.is_padded() };
    let image = builder.emit(call, operator, &[volume.image])?;
    let depths = depths(&windows[0], volume.depth)?;
    let factor = |taps: &[usize]| 1.0 / if count_include_pad { windows[0].kernel } else { taps.len() } as f32;
    let taps: Vec<Vec<_>> = depths.iter().map(|taps| taps.iter().map(|&d| (d, factor(taps))).collect()).collect();
    let output = if windows[0].kernel == 1 && depths.len() == volume.depth {
        image
    } else {
        mix(builder, call, Volume { image, ..volume }, &taps)?
    };
    Ok(vec![unfold(builder, call, output, depths.len())?])
}

/// The mean over depth, height and width, or some of them; the axes stay, with size 1.
pub(super) fn mean(
    builder: &mut Builder,
    call: &Call<'_>,
    input: ValueId,
    [over_depth, over_rows, over_columns]: [bool; 3],
) -> Result<ValueId, Reject> {
    let mut volume = fold(builder, call, input)?;
    let size = |axis: usize, chosen: bool| if chosen { builder.shape(volume.image)[axis] } else { 1 };
    let kernel = [size(2, over_rows), size(3, over_columns)];
    if kernel != [1, 1] {
        let window = Window { kernel, strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let operator = Operator::AveragePool { window, count_include_pad: false };
        volume.image = builder.emit(call, operator, &[volume.image])?;
    }
    if over_depth && volume.depth > 1 {
        let share = 1.0 / volume.depth as f32;
        let taps = vec![(0..volume.depth).map(|d| (d, share)).collect()];
        volume = Volume { image: mix(builder, call, volume, &taps)?, depth: 1, ..volume };
    }
    unfold(builder, call, volume.image, volume.depth)
}
