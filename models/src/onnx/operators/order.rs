//! Images whose channels come last: where an operator names rows and columns, they are worked on in the graph's order.

use super::{Builder, Call, Reject};
use crate::graph::{Operator, ValueId};

/// Channels of an image that is fed with its channels last.
const FED_CHANNELS: std::ops::RangeInclusive<usize> = 2..=4;

/// Hands a value to `work` with its channels on axis 1, if it likely has them last, and turns the result back. `axes` says
/// where each of the axes that `work` sees was. The guess decides how a node is expressed, not what it computes.
pub(super) fn in_image_order(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    work: impl FnOnce(&mut Builder, ValueId, &[usize]) -> Result<ValueId, Reject>,
) -> Result<ValueId, Reject> {
    let rank = builder.shape(value).len();
    if !channels_last(builder, value) {
        return work(builder, value, &(0..rank).collect::<Vec<_>>());
    }
    let forth: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let back: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let image = builder.emit(call, Operator::Transpose { permutation: forth.clone() }, &[value])?;
    let output = work(builder, image, &forth)?;
    builder.emit(call, Operator::Transpose { permutation: back }, &[output])
}

/// The same for what works along one axis, which `work` is told.
pub(super) fn on_axis(
    builder: &mut Builder,
    call: &Call<'_>,
    value: ValueId,
    axis: usize,
    work: impl FnOnce(&mut Builder, ValueId, usize) -> Result<ValueId, Reject>,
) -> Result<ValueId, Reject> {
    in_image_order(builder, call, value, |builder, image, axes| {
        work(builder, image, axes.iter().position(|&a| a == axis).unwrap_or(axis))
    })
}

/// Whether a value comes, through operators that keep its axes, from an image that was turned to have its channels last, or is
/// fed like one.
pub(super) fn channels_last(builder: &Builder, value: ValueId) -> bool {
    let rank = builder.shape(value).len();
    if !(3..=4).contains(&rank) {
        return false;
    }
    let mut at = value;
    loop {
        let Some(node) = builder.graph.producer(at).and_then(|n| builder.graph.nodes.get(n)) else {
            let &[_, rows, _, channels] = builder.shape(at) else { return false };
            return rank == 4 && FED_CHANNELS.contains(&channels) && rows > *FED_CHANNELS.end();
        };
        match &node.operator {
            Operator::Transpose { permutation } => return permutation.last() == Some(&1),
            Operator::Reshape if builder.shape(node.inputs[0]).last() == builder.shape(at).last() => {
                at = node.inputs[0]
            }
            Operator::Affine { .. }
            | Operator::Function(_)
            | Operator::Clamp { .. }
            | Operator::Quantize { .. }
            | Operator::Add
            | Operator::Subtract
            | Operator::Multiply => {
                let whole = node.inputs.iter().find(|&&input| builder.shape(input) == builder.shape(at));
                match whole {
                    Some(&input) => at = input,
                    None => return false,
                }
            }
            _ => return false,
        }
    }
}
