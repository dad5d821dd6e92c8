//! Volumes that are folded into images stay images: the way back to `[1, channels, depth, height, width]` moves behind
//! functions of one element, sums, affine functions and onto the weights of dense layers, until it meets the next folding.

use super::replace;
use crate::graph::{Graph, Node, Operator, Tensor, ValueId};

/// Swaps channels and depth.
const SWAP: [usize; 5] = [0, 2, 1, 3, 4];

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    match &graph.nodes[index].operator {
        Operator::Reshape => meet(graph, index),
        Operator::Transpose { .. } => hand_out(graph, index),
        Operator::Clamp { .. }
        | Operator::Function(_)
        | Operator::Quantize { .. }
        | Operator::Affine { .. }
        | Operator::Add
        | Operator::Subtract
        | Operator::Multiply => pass(graph, index),
        Operator::Convolution { .. } => read_channels_first(graph, index),
        Operator::Dense { .. } => dense(graph, index),
        _ => false,
    }
}

fn writer(graph: &Graph, value: ValueId) -> Option<&Node> {
    graph.producer(value).map(|n| &graph.nodes[n])
}

fn is_swap(node: &Node) -> bool {
    matches!(&node.operator, Operator::Transpose { permutation } if *permutation == SWAP)
}

/// The image that a value is the unfolded form of.
fn folded(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let swap = writer(graph, value).filter(|n| is_swap(n))?;
    let reshape = writer(graph, swap.inputs[0]).filter(|n| n.operator == Operator::Reshape)?;
    let image = reshape.inputs[0];
    let (from, to) = (&graph.value(image).shape, &graph.value(reshape.output).shape);
    let is_depth = from.len() == 4 && from[2..] == to[3..] && from[0] == 1 && to[0] == 1;
    is_depth.then_some(image)
}

/// Unfolding, then folding.
fn meet(graph: &mut Graph, index: usize) -> bool {
    let node = &graph.nodes[index];
    let output = node.output;
    let image = writer(graph, node.inputs[0]).filter(|n| is_swap(n)).and_then(|swap| folded(graph, swap.inputs[0]));
    let Some(image) = image.filter(|&i| graph.value(i).shape == graph.value(output).shape) else { return false };
    if graph.outputs.contains(&output) || image == output {
        return false;
    }
    replace(graph, output, image);
    graph.nodes.remove(index);
    true
}

/// A volume that is handed out: the image's channels take the order that it declares, and are only split.
fn hand_out(graph: &mut Graph, index: usize) -> bool {
    let node = &graph.nodes[index];
    let (name, output) = (node.name.clone(), node.output);
    let alone = graph.outputs.contains(&output) && graph.consumers(output).is_empty();
    let Some(image) = folded(graph, output).filter(|_| alone) else { return false };
    let (from, to) = (graph.value(image).shape.clone(), graph.value(output).shape.clone());
    let &[_, channels, depth, _, _] = to.as_slice() else { return false };
    let sources: Vec<(usize, usize)> = (0..channels * depth).map(|k| (k % depth * channels + k / depth, 0)).collect();
    let Some(order) = Operator::pick(channels * depth, 1, &sources) else { return false };
    let ordered = graph.add_value(format!("{}/channels", graph.value(image).name), from);
    let step = |operator, input, output| Node { name: name.clone(), operator, inputs: vec![input], output };
    graph.nodes.splice(index..=index, [step(order, image, ordered), step(Operator::Reshape, ordered, output)]);
    true
}

/// An elementwise operator works on the image.
fn pass(graph: &mut Graph, index: usize) -> bool {
    let node = graph.nodes[index].clone();
    let images: Option<Vec<ValueId>> = node.inputs.iter().map(|&i| folded(graph, i)).collect();
    let Some(images) = images else { return false };
    let shape = graph.value(images[0]).shape.clone();
    if images.iter().any(|&i| graph.value(i).shape != shape) {
        return false;
    }
    let unfolded = graph.value(node.output).shape.clone();
    let operator = match node.operator {
        Operator::Affine { scale, offset } => {
            let depth = unfolded[2];
            Operator::Affine { scale: scale.repeat(depth), offset: offset.repeat(depth) }
        }
        other => other,
    };
    let name = &graph.value(node.output).name.clone();
    let by_depth: Vec<usize> = SWAP.iter().map(|&axis| unfolded[axis]).collect();
    let image = graph.add_value(format!("{name}/image"), shape);
    let split = graph.add_value(format!("{name}/depths"), by_depth);
    let step = |operator, inputs, output| Node { name: node.name.clone(), operator, inputs, output };
    graph.nodes.splice(
        index..=index,
        [
            step(operator, images, image),
            step(Operator::Reshape, vec![image], split),
            step(Operator::Transpose { permutation: SWAP.to_vec() }, vec![split], node.output),
        ],
    );
    true
}

/// A convolution of a model's input, which has the depths of each channel together, reads them as they are.
fn read_channels_first(graph: &mut Graph, index: usize) -> bool {
    let Some(reshape) = graph.producer(graph.nodes[index].inputs[0]) else { return false };
    let Some(swap) = graph.producer(graph.nodes[reshape].inputs[0]) else { return false };
    let volume = graph.nodes[swap].inputs.first().copied();
    let is_fed = |volume: ValueId| {
        let quantizer = writer(graph, volume).filter(|n| matches!(n.operator, Operator::Quantize { .. }));
        graph.inputs.contains(&quantizer.map_or(volume, |n| n.inputs[0]))
    };
    let Some(volume) = volume.filter(|&v| is_fed(v) && is_swap(&graph.nodes[swap])) else { return false };
    if graph.nodes[reshape].operator != Operator::Reshape {
        return false;
    }
    let (&[_, channels, depth, height, width], shape) =
        (graph.value(volume).shape.as_slice(), graph.value(graph.nodes[reshape].output).shape.clone())
    else {
        return false;
    };
    if shape != [1, channels * depth, height, width] {
        return false;
    }
    let Operator::Convolution { weight, groups, pad_value: None, .. } = &mut graph.nodes[index].operator else {
        return false;
    };
    let &[outputs, group_inputs, kernel_rows, kernel_columns] = weight.shape.as_slice() else { return false };
    let (area, inputs) = (kernel_rows * kernel_columns, channels * depth);
    let mut data = vec![0.0; outputs * inputs * area];
    for (o, kernels) in weight.data.chunks_exact(group_inputs * area).enumerate() {
        let first = o / (outputs / *groups) * group_inputs;
        for (i, kernel) in kernels.chunks_exact(area).enumerate() {
            let (d, c) = ((first + i) / channels, (first + i) % channels);
            let to = (o * inputs + c * depth + d) * area;
            data[to..to + area].copy_from_slice(kernel);
        }
    }
    *weight = Tensor { shape: vec![outputs, inputs, kernel_rows, kernel_columns], data };
    *groups = 1;
    let name = format!("{}/image", graph.value(volume).name);
    let image = graph.add_value(name, shape);
    graph.nodes[index].inputs = vec![image];
    let name = graph.nodes[reshape].name.clone();
    graph.nodes.insert(index, Node { name, operator: Operator::Reshape, inputs: vec![volume], output: image });
    true
}

/// A dense layer over a flattened volume reads the flattened image.
fn dense(graph: &mut Graph, index: usize) -> bool {
    let input = graph.nodes[index].inputs[0];
    let flat = graph.value(input).shape.clone();
    let Some(reshape) = writer(graph, input).filter(|n| n.operator == Operator::Reshape) else { return false };
    let volume = reshape.inputs[0];
    let Some(image) = folded(graph, volume) else { return false };
    let &[_, channels, depth, height, width] = graph.value(volume).shape.as_slice() else { return false };
    let (area, name) = (height * width, reshape.name.clone());
    if flat != [1, channels * depth * area] {
        return false;
    }
    let Operator::Dense { weight, .. } = &mut graph.nodes[index].operator else { return false };
    for kernel in weight.data.chunks_exact_mut(channels * depth * area) {
        let before = kernel.to_vec();
        for (at, slot) in kernel.iter_mut().enumerate() {
            let (pixel, c, d) = (at % area, at / area % channels, at / area / channels);
            *slot = before[(c * depth + d) * area + pixel];
        }
    }
    let flattened = graph.add_value(format!("{}/flat", graph.value(image).name), flat);
    graph.nodes[index].inputs = vec![flattened];
    graph.nodes.insert(index, Node { name, operator: Operator::Reshape, inputs: vec![image], output: flattened });
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::*;

    fn fold(sketch: &mut Sketch, channels: usize, depth: usize) {
        sketch.then(Operator::Transpose { permutation: SWAP.to_vec() });
        sketch.reshape(vec![1, depth * channels, 4, 5]);
    }

    fn unfold(sketch: &mut Sketch, channels: usize, depth: usize) -> ValueId {
        sketch.reshape(vec![1, depth, channels, 4, 5]);
        sketch.then(Operator::Transpose { permutation: SWAP.to_vec() })
    }

    #[test]
    fn a_shortcut_between_folded_convolutions() {
        let mut sketch = Sketch::of(&[1, 2, 3, 4, 5]);
        fold(&mut sketch, 2, 3);
        sketch.convolution(12, [3, 3], [1; 4], 3);
        unfold(&mut sketch, 4, 3);
        let shortcut = sketch.then(Operator::Affine { scale: vec![1.0, 2.0, -1.0, 0.5], offset: vec![0.1; 4] });
        fold(&mut sketch, 4, 3);
        sketch.convolution(12, [1, 1], [0; 4], 1);
        unfold(&mut sketch, 4, 3);
        sketch.then(Operator::Function(crate::function::Function::Tanh));
        sketch.add(shortcut);
        sketch.then(Operator::Clamp { min: 0.0, max: f32::INFINITY });
        sketch.reshape(vec![1, 240]);
        sketch.dense(3);
        let rewritten = unchanged(sketch.finish(), to_fixed_point);
        let names: Vec<_> = rewritten.nodes.iter().map(|n| n.operator.name()).collect();
        assert_eq!(names, ["Reshape", "Conv", "Conv", "Tanh", "Add", "Clip", "Reshape", "Gemm"]);
    }

    #[test]
    fn a_volume_that_is_read_twice_and_handed_out() {
        let mut sketch = Sketch::of(&[1, 6, 4, 5]);
        let first = unfold(&mut sketch, 2, 3);
        sketch.then(Operator::Function(crate::function::Function::Tanh));
        sketch.add(first);
        let rewritten = unchanged(sketch.finish(), to_fixed_point);
        let names: Vec<_> = rewritten.nodes.iter().map(|n| n.operator.name()).collect();
        // The convolution picks channels: those of the image in the order that the volume declares.
        assert_eq!(names, ["Tanh", "Add", "Conv", "Reshape"]);
    }
}
