//! Padding with numbers or pixels, and padding that takes away.

use super::convolution::{as_image, like};
use super::order::in_image_order;
use super::parts::{Cut, cut};
use super::places::listed;
use super::quantization::real_of_code;
use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, ValueId};
use crate::onnx::fold::axis;

pub(super) fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let value = call.value(0)?;
    let rank = builder.shape(value).len();
    let mode = call.attributes.string("mode", "constant")?;
    let constant = match call.operand(2) {
        Some(Operand::Constant(c)) => match real_of_code(builder, value, c) {
            Some(real) => real,
            None => c.scalar().ok_or_else(|| Reject::Invalid("constant_value is not one number".into()))?,
        },
        _ => call.attributes.float("value")?.unwrap_or(0.0),
    };
    let repeated = Repeated::of(mode);
    if (mode != "constant" && repeated.is_none()) || !constant.is_finite() {
        return Err(unsupported(format!("mode {mode} with {constant}"), "modes constant, reflect, edge and wrap"));
    }
    let Some(list) = call.list("pads", 1)? else { return Err(Reject::Invalid("pads are missing".into())) };
    let axes = match call.list("axes", 3)? {
        Some(axes) => axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if list.len() != 2 * axes.len() {
        return Err(Reject::Invalid(format!("{} pads for {} axes", list.len(), axes.len())));
    }
    let mut pads = vec![[0; 2]; rank];
    axes.iter().enumerate().for_each(|(index, &axis)| pads[axis] = [list[index], list[index + axes.len()]]);
    let padded = in_image_order(builder, call, value, |builder, image, axes| {
        let pads: Vec<[i64; 2]> = axes.iter().map(|&axis| pads[axis]).collect();
        padded(builder, call, image, &pads, constant, repeated)
    })?;
    Ok(vec![padded])
}

/// A tensor with padding before and behind each axis, negative padding taken away.
fn padded(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    pads: &[[i64; 2]],
    constant: f32,
    repeated: Option<Repeated>,
) -> Result<ValueId, Reject> {
    let mut value = value;
    for (axis, pads) in pads.iter().enumerate() {
        let taken = pads.map(|pad| usize::try_from(pad.saturating_neg()).unwrap_or(0));
        let size = builder.shape(value)[axis];
        let Some(end) = size.checked_sub(taken[1]).filter(|&end| end > taken[0]) else {
            return Err(Reject::Invalid(format!("pads {pads:?} leave nothing of axis {axis}")));
        };
        value = cut(builder, call, value, Cut { axis, start: taken[0], end, step: 1 })?;
    }
    let pads: Vec<[usize; 2]> = pads.iter().map(|pads| pads.map(|pad| usize::try_from(pad).unwrap_or(0))).collect();
    // Other numbers than zero: zeros around what is less by as much.
    let shifted = constant != 0.0 && repeated.is_none() && pads.iter().any(|&pads| pads != [0, 0]);
    let shift = |builder: &mut Builder, value: ValueId, offset: f32| {
        let channels = builder.shape(value).get(1).copied().unwrap_or(1);
        let operator = Operator::Affine { scale: vec![1.0; channels], offset: vec![offset; channels] };
        builder.emit(call, operator, &[value])
    };
    if shifted {
        value = shift(builder, value, -constant)?;
    }
    let lines = |axis: usize| pads.get(axis).copied().unwrap_or([0; 2]);
    for (axis, &[before, after]) in pads.iter().enumerate().filter(|&(_, &pads)| pads != [0, 0]) {
        match axis {
            1 if repeated.is_none() => value = builder.emit(call, Operator::Pad { axis, before, after }, &[value])?,
            2 | 3 => {}
            _ => {
                let reason = format!("padding of axis {axis} of {:?}", builder.shape(value));
                return Err(unsupported(reason, "padding of rows or columns, or of channels with a constant"));
            }
        }
    }
    if [lines(2), lines(3)] != [[0; 2]; 2] {
        let image = as_image(builder, call, value)?;
        let places = |axis: usize| -> Result<Vec<f32>, Reject> {
            let ([before, after], size) = (lines(axis), builder.shape(image)[axis]);
            [before, after, size].into_iter().try_for_each(|count| listed(count).map(drop))?;
            Ok(match repeated {
                Some(repeated) => repeated.places(size as i64, before as i64, after as i64),
                None => {
                    let zeros = |count| std::iter::repeat_n(-1.0, count);
                    zeros(before).chain((0..size).map(|i| i as f32)).chain(zeros(after)).collect()
                }
            })
        };
        let (rows, columns) = (places(2)?, places(3)?);
        let output = builder.emit(call, Operator::Resample { rows, columns }, &[image])?;
        value = like(builder, call, output, value)?;
    }
    if shifted { shift(builder, value, constant) } else { Ok(value) }
}

/// Padding that repeats pixels.
#[derive(Clone, Copy)]
enum Repeated {
    /// Mirrored at the first and the last pixel.
    Reflect,
    /// The first and the last pixel.
    Edge,
    /// From the other end.
    Wrap,
}

impl Repeated {
    fn of(mode: &str) -> Option<Self> {
        match mode {
            "reflect" => Some(Self::Reflect),
            "edge" => Some(Self::Edge),
            "wrap" => Some(Self::Wrap),
            _ => None,
        }
    }

    /// Where each row or column of the output lies in the input.
    fn places(self, size: i64, before: i64, after: i64) -> Vec<f32> {
        let place = |at: i64| match self {
            Self::Edge => at.clamp(0, size - 1),
            Self::Wrap => at.rem_euclid(size),
            Self::Reflect if size == 1 => 0,
            Self::Reflect => {
                let period = 2 * (size - 1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            }
        };
        (-before..size + after).map(|at| place(at) as f32).collect()
    }
}
