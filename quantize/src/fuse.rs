//! Residual adds become epilogues of the convolutions before them.

use crate::qgraph::{QGraph, QStep};
use crate::quantize::code;
use crate::write::short;
use residua::operators::has_epilogue;

/// Between the names of a convolution and of the add that it has taken in.
const JOINED: &str = " + ";

/// Lets convolutions add the shortcut themselves, where nothing else reads what they would write and no activation stands
/// between. The result is bit for bit the same; a step and a buffer fewer are needed.
pub fn fuse(mut graph: QGraph) -> QGraph {
    while let Some((convolution, add)) = next(&graph) {
        join(&mut graph, convolution, add);
    }
    graph
}

/// The first add that a convolution can do, behind that convolution.
fn next(graph: &QGraph) -> Option<(usize, usize)> {
    (0..graph.steps.len()).find_map(|add| Some((convolution(graph, add)?, add)))
}

/// The name, in the model, of the node whose output a step writes.
pub fn last_node(step: &str) -> &str {
    step.rsplit(JOINED).next().unwrap_or(step)
}

/// The convolution that can do an add: the later of those that compute its inputs, so that the shortcut is there.
fn convolution(graph: &QGraph, add: usize) -> Option<usize> {
    let step = &graph.steps[add];
    let &[a, b] = step.inputs.as_slice() else { return None };
    let shape = |value: usize| graph.values[value].shape;
    let found = a.max(b).checked_sub(1)?;
    let before = &graph.steps[found];
    let unbounded = (before.record.min, before.record.max) == (i8::MIN.into(), i8::MAX.into());
    let sound = step.record.operator == code("Add")
        && has_epilogue(before.record.operator)
        && before.inputs.len() == 1
        && a != b
        && shape(a) == shape(step.output)
        && shape(b) == shape(step.output)
        && unbounded
        && graph.is_read_once(before.output);
    sound.then_some(found)
}

/// Merges an add into a convolution, and renumbers values and steps behind it.
fn join(graph: &mut QGraph, convolution: usize, add: usize) {
    let add = graph.steps.remove(add);
    let middle = graph.values.remove(convolution + 1);
    let renumbered = |value: usize| match value {
        v if v == add.output => convolution + 1,
        v if v > add.output => v - 1,
        v => v,
    };
    let written = graph.values.remove(add.output - 1);
    graph.values.insert(convolution + 1, written);
    let shortcut = add.inputs.iter().copied().find(|&v| v != convolution + 1);
    let step = &mut graph.steps[convolution];
    let [first, second] = [add.record.first_parameter, add.record.second_parameter];
    let swapped = add.inputs[0] != convolution + 1;
    let record = &mut step.record;
    (record.first_parameter, record.second_parameter) = if swapped { (second, first) } else { (first, second) };
    (record.residual_shift, record.residual_zero_point) = (add.record.shift, middle.zero_point);
    (record.min, record.max) = (add.record.min, add.record.max);
    step.name = format!("{}{JOINED}{}", short(&step.name), short(&add.name));
    step.inputs.extend(shortcut);
    step.macs += add.macs;
    graph.steps.iter_mut().for_each(|step: &mut QStep| {
        step.inputs.iter_mut().for_each(|value| *value = renumbered(*value));
        step.output = renumbered(step.output);
    });
    graph.outputs.iter_mut().for_each(|value| *value = renumbered(*value));
}
