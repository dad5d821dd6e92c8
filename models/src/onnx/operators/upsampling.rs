//! Operators that enlarge images.

use super::convolution::{as_image, like, window};
use super::{Builder, Call, Reject, unsupported};
use crate::graph::{Operator, PixelSource, Tensor, ValueId, Window};
use crate::shape::elements;

/// Most weights of a convolution that another operator becomes.
const MAX_WEIGHTS: usize = 1 << 24;

pub(super) fn depth_to_space(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let factor = usize::try_from(call.attributes.int("blocksize", 0)?).map_err(|_| "negative blocksize".to_string())?;
    let source = match call.attributes.string("mode", "DCR")? {
        "DCR" => PixelSource::DepthFirst,
        "CRD" => PixelSource::ColumnFirst,
        other => return Err(Reject::Invalid(format!("mode is {other}"))),
    };
    Ok(vec![builder.emit(call, Operator::Upsample { factor, source }, &[call.value(0)?])?])
}

/// Blocks of pixels become channels: a convolution whose kernels keep one pixel each.
pub(super) fn space_to_depth(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let block = usize::try_from(call.attributes.int("blocksize", 0)?).unwrap_or(0);
    let channels = builder.shape(input).get(1).copied().unwrap_or(0);
    let depth_first = match call.attributes.string("mode", "DCR")? {
        "DCR" => true,
        "CRD" => false,
        other => return Err(Reject::Invalid(format!("mode is {other}"))),
    };
    let source = |output: usize, area: usize| {
        if depth_first { (output % channels, output / channels) } else { (output / area, output % area) }
    };
    let Some(area) = block.checked_mul(block).filter(|&area| area > 0 && area <= MAX_WEIGHTS) else {
        return Err(Reject::Invalid(format!("blocksize is {block}")));
    };
    let form = || unsupported(format!("blocks of {block} with {channels} channels"), "smaller blocks");
    // Each output has as many weights as there are outputs.
    let outputs = channels.saturating_mul(area);
    if outputs.saturating_mul(outputs) > MAX_WEIGHTS {
        return Err(form());
    }
    let sources: Vec<(usize, usize)> = (0..outputs).map(|output| source(output, area)).collect();
    let operator = Operator::pick(channels, block, &sources).ok_or_else(form)?;
    Ok(vec![builder.emit(call, operator, &[input])?])
}

/// A transposed convolution of stride `s` as a convolution with `s²` times as many outputs, whose channels then become
/// pixels (Shi et al., 2016).
pub(super) fn transposed_convolution(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let (input, weight) = (call.value(0)?, call.constant(1)?);
    let image = as_image(builder, call, input)?;
    let mut shape = weight.shape.clone();
    if shape.len() == 3 {
        shape.push(1);
    }
    let size = [builder.shape(image)[2], builder.shape(image)[3]];
    let groups = usize::try_from(call.attributes.int("group", 1)?).ok().filter(|&g| g > 0);
    let (&[inputs, group_outputs, height, width], Some(groups)) = (shape.as_slice(), groups) else {
        return Err(Reject::Invalid(format!("weight of shape {:?}", weight.shape)));
    };
    if inputs % groups != 0 || inputs != builder.shape(image)[1] {
        return Err(Reject::Invalid(format!("weight of shape {:?} in {groups} groups", weight.shape)));
    }
    let Window { strides, dilations, mut pads, .. } = window(call, [height, width], builder.shape(image))?;
    // A kernel with gaps is a larger one with zeros in them.
    let extent = |size: usize, dilation: usize| size.checked_sub(1)?.checked_mul(dilation)?.checked_add(1);
    let kernel = extent(height, dilations[0]).zip(extent(width, dilations[1]));
    let Some(kernel) = kernel.map(|(rows, columns)| [rows, columns]) else {
        return Err(Reject::Invalid(format!("kernel of {height} by {width}, dilations {dilations:?}")));
    };
    // A width of 1 that was added is not enlarged.
    let line = builder.shape(input).len() == 3;
    if strides[0] != strides[1] && !(line && strides == [1, 1]) {
        return Err(unsupported(format!("strides {strides:?}"), "one stride for rows and columns"));
    }
    let list = call.attributes.ints("output_padding")?.unwrap_or(&[]);
    let extra: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok()).collect();
    let extra = match extra.as_deref() {
        Some(&[]) => [0, 0],
        Some(&[rows, columns]) => [rows, columns],
        Some(&[rows]) if size[1] == 1 => [rows, 0],
        _ => return Err(Reject::Invalid(format!("output_padding is {list:?}"))),
    };
    let wanted = match (call.attributes.ints("output_shape")?, call.attributes.string("auto_pad", "NOTSET")?) {
        (Some(list), _) => {
            let list: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok()).collect();
            match list.as_deref() {
                Some(&[.., rows, columns]) if !line => Some([rows, columns]),
                Some(&[.., rows]) if line => Some([rows, 1]),
                _ => return Err(Reject::Invalid(format!("output_shape is {list:?}"))),
            }
        }
        (None, "SAME_UPPER" | "SAME_LOWER") => Some([0, 1].map(|axis| size[axis].saturating_mul(strides[axis]))),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let upper = call.attributes.string("auto_pad", "NOTSET")? == "SAME_UPPER";
        for axis in 0..2 {
            let total = (size[axis] - 1).checked_mul(strides[axis]);
            let total =
                total.and_then(|t| t.checked_add(kernel[axis])?.checked_add(extra[axis])?.checked_sub(wanted[axis]));
            let Some(total) = total else {
                return Err(Reject::Invalid(format!("an output of {wanted:?} from {size:?}")));
            };
            let before = if upper { total / 2 } else { total - total / 2 };
            (pads[axis], pads[axis + 2]) = (before, total - before);
        }
    }
    let factor = strides[0];
    let mut taps = [Taps::default(), Taps::default()];
    for axis in 0..2 {
        let (before, after) = (pads[axis], pads[axis + 2]);
        taps[axis] = Taps::new(size[axis], kernel[axis], factor, before, after, extra[axis])
            .ok_or_else(|| unsupported(format!("pads {pads:?} with kernel {kernel:?}"), "an output of whole blocks"))?;
    }
    let [rows, columns] = &taps;
    let block = factor.saturating_mul(factor);
    let group_inputs = inputs / groups;
    let data = weight.weights()?;
    let shape = [groups * group_outputs, block, group_inputs, rows.count, columns.count];
    let Some(count) = elements(&shape).filter(|&n| n <= MAX_WEIGHTS) else {
        return Err(unsupported(
            format!("strides {strides:?} with a weight of shape {:?}", weight.shape),
            "smaller strides",
        ));
    };
    let mut folded = vec![0.0; count];
    for (at, slot) in folded.iter_mut().enumerate() {
        let (kx, rest) = (at % columns.count, at / columns.count);
        let (ky, rest) = (rest % rows.count, rest / rows.count);
        let (i, rest) = (rest % group_inputs, rest / group_inputs);
        let (dx, rest) = (rest % factor, rest / factor);
        let (dy, output) = (rest % factor, rest / factor);
        let (group, o) = (output / group_outputs, output % group_outputs);
        if let (Some(y), Some(x)) = (rows.kernel_index(dy, ky), columns.kernel_index(dx, kx))
            && y % dilations[0] == 0
            && x % dilations[1] == 0
        {
            let (y, x) = (y / dilations[0], x / dilations[1]);
            *slot = data[(((group * group_inputs + i) * group_outputs + o) * height + y) * width + x];
        }
    }
    let outputs = groups * group_outputs;
    let bias = match call.optional_constant(2)? {
        Some(bias) => bias.weights()?,
        None => vec![0.0; outputs],
    };
    let bias = bias.iter().flat_map(|&b| std::iter::repeat_n(b, block)).collect();
    let weight = Tensor { shape: vec![outputs * block, group_inputs, rows.count, columns.count], data: folded };
    let window = Window {
        kernel: [rows.count, columns.count],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [rows.before, columns.before, rows.after, columns.after],
    };
    let mut output =
        builder.emit(call, Operator::Convolution { weight, bias, window, groups, pad_value: None }, &[image])?;
    if factor > 1 {
        output = builder.emit(call, Operator::Upsample { factor, source: PixelSource::ColumnFirst }, &[output])?;
    }
    Ok(vec![like(builder, call, output, input)?])
}

/// One axis of the convolution behind a transposed convolution: output `s·y + d` sums `x[y + t] · w[d + pad − s·t]` over the
/// taps `t`.
#[derive(Default)]
struct Taps {
    stride: usize,
    kernel: usize,
    pad: usize,
    count: usize,
    before: usize,
    after: usize,
}

impl Taps {
    fn new(size: usize, kernel: usize, stride: usize, pad: usize, after: usize, extra: usize) -> Option<Self> {
        let spread = (size - 1).checked_mul(stride)?.checked_add(kernel)?.checked_add(extra)?;
        let total = spread.checked_sub(pad)?.checked_sub(after)?;
        if total % stride != 0 || kernel == 0 {
            return None;
        }
        // Taps from −reach to ahead: d + pad − s·t lies in 0..kernel for some place d.
        let reach = (kernel - 1).saturating_sub(pad).div_ceil(stride);
        let ahead = pad.div_ceil(stride);
        let count = reach + ahead + 1;
        let after = (total / stride + count - 1).checked_sub(size + reach)?;
        Some(Self { stride, kernel, pad, count, before: reach, after })
    }

    /// Where the kernel's number for place `d` and tap `k` (the first is the farthest back) lies.
    fn kernel_index(&self, d: usize, k: usize) -> Option<usize> {
        let index = d + self.pad + self.stride * self.before;
        index.checked_sub(self.stride * k).filter(|&i| i < self.kernel)
    }
}
