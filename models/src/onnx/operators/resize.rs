//! Images of another size: Resize and the older Upsample.

use super::convolution::{as_image, like};
use super::places::listed;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, PixelSource, Tensor, ValueId, Window};
use crate::onnx::fold::axis;

const NEAREST: &str = "rows and columns of an image; nearest or linear, between pixels of the whole input; cubic by a whole \
    factor up to 8, the same for both, between pixel centres";

/// Largest factor of a cubic interpolation: each output pixel has weights of its own.
const MAX_CUBIC: usize = 8;
/// Pixels before and behind one that a cubic interpolation by a whole factor reads.
const REACH: usize = 2;

/// Resize by any factor; by whole factors, the same for rows and columns, without places.
pub(super) fn resize(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let shape = builder.shape(input).to_vec();
    let old = call.opset < 11;
    let targets = targets(call, &shape, old)?;
    let (mode, default) = (call.attributes.string("mode", "nearest")?, if old { "asymmetric" } else { "half_pixel" });
    let transform = call.attributes.string("coordinate_transformation_mode", default)?;
    let rounding = call.attributes.string("nearest_mode", if old { "floor" } else { "round_prefer_floor" })?;
    let form = || {
        let scales: Vec<f32> = targets.iter().map(|t| t.scale).collect();
        unsupported(format!("scales {scales:?}, mode {mode}, {transform}, {rounding}"), NEAREST)
    };
    let smooth = call.attributes.flag("antialias", false)? && targets.iter().any(|t| t.scale < 1.0);
    let [first, second, lines @ ..] = targets.as_slice() else { return Err(form()) };
    if smooth || !first.is_same() || !second.is_same() || lines.is_empty() {
        return Err(form());
    }
    if targets.iter().all(Target::is_same) {
        return Ok(vec![input]);
    }
    // Runtimes take the corner of the last whole pixel, the operator's reference that of the part behind it.
    if transform == "align_corners" && targets.iter().any(|t| (t.scale * t.from as f32 - t.to as f32).abs() > 1e-3) {
        let nearest = "sizes, or scales that give whole numbers of rows and columns";
        return Err(unsupported("aligned corners of an image that ends with part of a pixel", nearest));
    }
    let half_pixel = matches!(transform, "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric");
    let factor = whole_factor(lines);
    if mode == "cubic" {
        let factor = factor.filter(|&factor| half_pixel && factor <= MAX_CUBIC).ok_or_else(form)?;
        if call.attributes.flag("exclude_outside", false)? {
            return Err(unsupported("exclude_outside = 1", "edge pixels that go on: exclude_outside = 0"));
        }
        return cubic(builder, call, input, factor);
    }
    let source = match (mode, transform, rounding) {
        ("nearest", "asymmetric", "floor") => Some(PixelSource::Nearest),
        ("nearest", "asymmetric", "round_prefer_floor") if factor == Some(2) => Some(PixelSource::Nearest),
        ("nearest", _, "round_prefer_floor") if half_pixel => Some(PixelSource::Nearest),
        ("linear", _, _) if half_pixel => Some(PixelSource::Bilinear),
        _ => None,
    };
    if let (Some(factor), Some(source)) = (factor, source) {
        return Ok(vec![builder.emit(call, Operator::Upsample { factor, source }, &[input])?]);
    }
    let places = |target: &Target| {
        listed(target.to)?;
        let places: Option<Vec<f32>> = (0..target.to).map(|x| place(target, x, mode, transform, rounding)).collect();
        places.ok_or_else(form)
    };
    // A signal has one column.
    let column = Target { from: 1, to: 1, scale: 1.0 };
    let (rows, columns) = match lines {
        [rows] => (rows, &column),
        [rows, columns] => (rows, columns),
        _ => return Err(form()),
    };
    let operator = Operator::Resample { rows: places(rows)?, columns: places(columns)? };
    let image = as_image(builder, call, input)?;
    let output = builder.emit(call, operator, &[image])?;
    Ok(vec![like(builder, call, output, input)?])
}

/// Cubic interpolation (Keys, 1981) by a whole factor: the weights of an output pixel follow from its place between those of
/// the input, so that they are a kernel for each place, whose outputs then become pixels. Edge pixels go on.
fn cubic(builder: &mut Builder, call: &Call<'_>, input: ValueId, factor: usize) -> Result<Vec<ValueId>, Reject> {
    let &[_, channels, height, width] = builder.shape(input) else {
        return Err(Reject::Invalid(format!("input of shape {:?}", builder.shape(input))));
    };
    let a = call.attributes.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let kernel = |distance: f32| match distance.abs() {
        d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        _ => 0.0,
    };
    let extent = 2 * REACH + 1;
    let place = |at: usize| (at as f32 + 0.5) / factor as f32 - 0.5;
    let share = |at: usize, tap: usize| kernel(tap as f32 - REACH as f32 - place(at));
    let taps = || (0..extent).flat_map(|y| (0..extent).map(move |x| (y, x)));
    let places = (0..factor).flat_map(|y| (0..factor).map(move |x| (y, x)));
    let block: Vec<f32> = places.flat_map(|(y, x)| taps().map(move |(v, u)| share(y, v) * share(x, u))).collect();
    let outputs = channels.saturating_mul(factor * factor);
    listed(outputs)?;
    let continued = |size: usize| -> Result<Vec<f32>, Reject> {
        listed(size)?;
        Ok((0..size + 2 * REACH).map(|at| at.saturating_sub(REACH).min(size - 1) as f32).collect())
    };
    let (rows, columns) = (continued(height)?, continued(width)?);
    let image = builder.emit(call, Operator::Resample { rows, columns }, &[input])?;
    let weight = Tensor { shape: vec![outputs, 1, extent, extent], data: block.repeat(channels) };
    let window = Window { kernel: [extent; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    let convolution =
        Operator::Convolution { weight, bias: vec![0.0; outputs], window, groups: channels, pad_value: None };
    let mixed = builder.emit(call, convolution, &[image])?;
    Ok(vec![builder.emit(call, Operator::Upsample { factor, source: PixelSource::ColumnFirst }, &[mixed])?])
}

/// One axis of a resize.
struct Target {
    from: usize,
    to: usize,
    scale: f32,
}

impl Target {
    fn is_same(&self) -> bool {
        self.from == self.to && self.scale == 1.0
    }
}

/// Sizes and scales of all axes, from whichever of both is given.
fn targets(call: &Call<'_>, shape: &[usize], old: bool) -> Result<Vec<Target>, Reject> {
    let axes = match call.attributes.ints("axes")? {
        Some(axes) => axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let scales = match call.optional_constant(if old { 1 } else { 2 })?.map(|c| c.floats()).filter(|s| !s.is_empty()) {
        Some(scales) => scales,
        None => call.attributes.floats("scales")?.map(<[f32]>::to_vec).unwrap_or_default(),
    };
    let sizes = match call.operand(3) {
        Some(Operand::Constant(sizes)) if !old && scales.is_empty() => sizes.integers()?.to_vec(),
        Some(Operand::Value(_)) if !old => return Err(unsupported("its sizes are computed", "constant sizes")),
        _ => vec![],
    };
    if scales.len().max(sizes.len()) != axes.len() {
        return Err(Reject::Invalid(format!(
            "{} scales or sizes for {} axes",
            scales.len().max(sizes.len()),
            axes.len()
        )));
    }
    if !sizes.is_empty() && call.attributes.string("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(unsupported("it keeps the ratio of the axes", "keep_aspect_ratio_policy = stretch"));
    }
    let mut targets: Vec<Target> = shape.iter().map(|&size| Target { from: size, to: size, scale: 1.0 }).collect();
    for (index, &axis) in axes.iter().enumerate() {
        let from = shape[axis];
        let target = match (sizes.get(index), scales.get(index)) {
            (Some(&size), _) => {
                let to = usize::try_from(size).unwrap_or(0);
                Target { from, to, scale: to as f32 / from as f32 }
            }
            (None, Some(&scale)) => Target { from, to: (from as f32 * scale).floor() as usize, scale },
            (None, None) => continue,
        };
        if target.to == 0 {
            return Err(Reject::Invalid(format!("size {} of axis {axis}", target.to)));
        }
        targets[axis] = target;
    }
    Ok(targets)
}

/// The factor of an image's rows and columns, where it is one whole number.
fn whole_factor(lines: &[Target]) -> Option<usize> {
    let [rows, columns] = lines else { return None };
    let factor = rows.to / rows.from;
    let is_whole = |t: &Target| t.to == t.from * factor && t.scale == factor as f32;
    ((2..=128).contains(&factor) && is_whole(rows) && is_whole(columns)).then_some(factor)
}

/// Where output row or column `x` lies in the input, by the definition of Resize; in single precision, as runtimes compute
/// it, since rounding decides which pixel is the nearest.
fn place(target: &Target, x: usize, mode: &str, transform: &str, rounding: &str) -> Option<f32> {
    let &Target { from, to, scale } = target;
    let (at, last) = (x as f32, (from - 1) as f32);
    let place = match transform {
        "half_pixel" => (at + 0.5) / scale - 0.5,
        "pytorch_half_pixel" if to == 1 => 0.0,
        "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
        "half_pixel_symmetric" => {
            let centre = from as f32 / 2.0;
            centre * (1.0 - to as f32 / (scale * from as f32)) + (at + 0.5) / scale - 0.5
        }
        "align_corners" if to == 1 => 0.0,
        "align_corners" => at * last / (to - 1) as f32,
        "asymmetric" => at / scale,
        "tf_half_pixel_for_nn" => (at + 0.5) / scale,
        _ => return None,
    };
    let place = match (mode, rounding) {
        ("linear", _) => place,
        ("nearest", "round_prefer_floor") => (place - 0.5).ceil(),
        ("nearest", "round_prefer_ceil") => (place + 0.5).floor(),
        ("nearest", "floor") => place.floor(),
        ("nearest", "ceil") => place.ceil(),
        _ => return None,
    };
    place.is_finite().then(|| place.clamp(0.0, last))
}
