//! Rewrites of the float graph that leave its function as it is and make it cheaper to run in integers.
//!
//! [`RULES`] lists them. Each rule looks at one node and rewrites around it, or leaves it; [`to_fixed_point`] applies all
//! rules, in order, until none finds anything. The result does not depend on anything but the graph.

mod affine_backward;
mod affine_down;
mod affine_forward;
mod affine_of_tokens;
mod clamp_up;
mod fuse_functions;
mod identity;
mod last_steps;
mod merge_affines;
mod merge_branches;
mod merge_clamps;
mod merge_padding;
mod merge_resamples;
mod merge_reshapes;
mod merge_splits;
mod merge_transposes;
mod ones;
mod shuffles;
mod slice_of_concat;
#[cfg(test)]
mod testing;
mod volumes;

use crate::graph::{Graph, ValueId};

/// A rewrite.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name in the log.
    pub name: &'static str,
    /// Rewrites around the node of that index; false where there is nothing to do.
    apply: fn(&mut Graph, usize) -> bool,
}

/// Spares a step, but the weights of a layer behind may then differ more in size, and lose more when they are rounded.
const FORWARD: Rule = Rule { name: "fold affine into the layers behind", apply: affine_forward::apply };

/// All rules, in the order in which they are tried.
pub const RULES: &[Rule] = &[
    Rule { name: "remove identity", apply: identity::apply },
    Rule { name: "merge reshapes", apply: merge_reshapes::apply },
    Rule { name: "merge transposes", apply: merge_transposes::apply },
    Rule { name: "merge split axes", apply: merge_splits::apply },
    Rule { name: "take a part before it is joined with others", apply: slice_of_concat::apply },
    Rule { name: "take a step without its sequence", apply: last_steps::apply },
    Rule { name: "move sizes of 1 by reshapes", apply: ones::apply },
    Rule { name: "recognize shuffles of pixels and channels", apply: shuffles::apply },
    Rule { name: "keep volumes folded", apply: volumes::apply },
    Rule { name: "merge clamps", apply: merge_clamps::apply },
    Rule { name: "merge affines", apply: merge_affines::apply },
    Rule { name: "fold affine into the layer before", apply: affine_backward::apply },
    Rule { name: "fold affine into the dense layer before", apply: affine_of_tokens::apply },
    Rule { name: "move affine behind pooling", apply: affine_down::apply },
    FORWARD,
    Rule { name: "fuse functions", apply: fuse_functions::apply },
    Rule { name: "merge resamples", apply: merge_resamples::apply },
    Rule { name: "merge padding", apply: merge_padding::apply },
    Rule { name: "merge branches", apply: merge_branches::apply },
    Rule { name: "move clamp to the layer before", apply: clamp_up::apply },
];

/// One rewrite that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Name of the rule.
    pub rule: &'static str,
    /// Name of the node that it was applied to.
    pub node: String,
}

/// Applies all rules until nothing changes; the log tells what was done, in order.
pub fn to_fixed_point(graph: &mut Graph) -> Vec<Applied> {
    apply_all(graph, |_| true)
}

/// [`to_fixed_point`], but norms that only the layers behind could take stay: for weights that are rounded more coarsely than
/// activations.
pub fn sparing_weights(graph: &mut Graph) -> Vec<Applied> {
    apply_all(graph, |rule| rule.name != FORWARD.name)
}

fn apply_all(graph: &mut Graph, taken: impl Fn(&Rule) -> bool) -> Vec<Applied> {
    let mut log = Vec::new();
    loop {
        let before = log.len();
        for rule in RULES.iter().filter(|rule| taken(rule)) {
            let mut index = 0;
            while index < graph.nodes.len() {
                let node = graph.nodes[index].name.clone();
                if (rule.apply)(graph, index) {
                    log.push(Applied { rule: rule.name, node });
                } else {
                    index += 1;
                }
            }
        }
        remove_dead_nodes(graph);
        if log.len() == before {
            return log;
        }
    }
}

/// Removes nodes that no output depends on. Their values stay, so that ids keep their meaning.
fn remove_dead_nodes(graph: &mut Graph) {
    let mut needed = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|o| needed[o.0] = true);
    for node in graph.nodes.iter().rev() {
        if needed[node.output.0] {
            node.inputs.iter().for_each(|i| needed[i.0] = true);
        }
    }
    graph.nodes.retain(|node| needed[node.output.0]);
}

/// Removes a node whose output equals its (first) input: all readers read the input instead.
///
/// False, and nothing done, where a graph output would become a graph input.
fn bypass(graph: &mut Graph, index: usize) -> bool {
    let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
    let is_output = graph.outputs.contains(&output);
    if is_output && (graph.inputs.contains(&input) || graph.outputs.contains(&input)) {
        return false;
    }
    graph.nodes.remove(index);
    replace(graph, output, input);
    true
}

/// Lets all readers of a value, the graph's outputs among them, read another one.
fn replace(graph: &mut Graph, old: ValueId, new: ValueId) {
    for node in &mut graph.nodes {
        node.inputs.iter_mut().filter(|i| **i == old).for_each(|i| *i = new);
    }
    graph.outputs.iter_mut().filter(|o| **o == old).for_each(|o| *o = new);
}

/// The index of the node that writes a node's first input, where nothing else reads that value.
fn only_producer(graph: &Graph, index: usize) -> Option<usize> {
    only_producer_of(graph, *graph.nodes[index].inputs.first()?)
}

/// The index of the node that writes a value which one node alone reads.
fn only_producer_of(graph: &Graph, value: ValueId) -> Option<usize> {
    let alone = graph.consumers(value).len() == 1 && !graph.outputs.contains(&value);
    if alone { graph.producer(value) } else { None }
}

/// The index of the node that alone reads a node's output.
fn only_consumer(graph: &Graph, index: usize) -> Option<usize> {
    let output = graph.nodes[index].output;
    match graph.consumers(output)[..] {
        [consumer] if !graph.outputs.contains(&output) => Some(consumer),
        _ => None,
    }
}
