//! From the float graph to rows: every tensor becomes rows of columns of channels, layout changes disappear, and clamps
//! join the operator before them.

mod layout;

use layout::{Axis, Layout};
use residua_models::graph::{Graph, Node, Operator, ValueId, Window};

/// A model whose form the row engine cannot run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("node `{node}` ({operator}, shape {shape:?}): {reason}; nearest supported form: {nearest}")]
pub struct LowerError {
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub operator: &'static str,
    /// Shape of its output.
    pub shape: Vec<usize>,
    /// What cannot be done.
    pub reason: String,
    /// What could.
    pub nearest: String,
}

/// A tensor of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowValue {
    /// Name in the model.
    pub name: String,
    /// Rows along the stream axis, width, channels.
    pub shape: [usize; 3],
    /// The graph value that has the same elements.
    pub source: ValueId,
    /// Where element `[row, column, channel]` lies in the graph value: strides of the three axes.
    pub strides: [usize; 3],
}

impl RowValue {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of the graph value in row order.
    pub fn to_rows<T: Copy>(&self, source: &[T]) -> Vec<T> {
        let mut out = Vec::with_capacity(self.len());
        for r in 0..self.shape[0] {
            for c in 0..self.shape[1] {
                let start = r * self.strides[0] + c * self.strides[1];
                out.extend((0..self.shape[2]).map(|k| source[start + k * self.strides[2]]));
            }
        }
        out
    }

    /// The elements in row order back in the graph value's order.
    pub fn from_rows<T: Copy + Default>(&self, rows: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); rows.len()];
        let mut elements = rows.iter();
        for r in 0..self.shape[0] {
            for c in 0..self.shape[1] {
                for k in 0..self.shape[2] {
                    if let Some(&e) = elements.next() {
                        out[r * self.strides[0] + c * self.strides[1] + k * self.strides[2]] = e;
                    }
                }
            }
        }
        out
    }
}

/// What a row node computes, with float constants in row order.
#[derive(Clone, Debug, PartialEq)]
pub enum RowOperator {
    /// Weights `[output][kernel row][kernel column][input of the group]`.
    Convolution {
        /// Weights.
        weights: Vec<f32>,
        /// One per output channel.
        bias: Vec<f32>,
        /// Groups.
        groups: usize,
        /// What padding holds per input channel; `None` is zero.
        pad_value: Option<Vec<f32>>,
    },
    /// Dense layer over a whole tensor; weights `[output][row][column][channel]`.
    Dense {
        /// Weights.
        weights: Vec<f32>,
        /// One per output.
        bias: Vec<f32>,
    },
    /// Sum of both inputs.
    Add,
    /// Maximum over the window.
    MaxPool,
    /// Mean over the window.
    AveragePool {
        /// Whether padding counts as zeros.
        count_include_pad: bool,
    },
    /// `scale[c] · x + offset[c]`.
    Affine {
        /// One per channel.
        scale: Vec<f32>,
        /// One per channel.
        offset: Vec<f32>,
    },
    /// The node's clamp alone.
    Clamp,
    /// Softmax over channels.
    Softmax,
}

/// An operation on rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowNode {
    /// Name of the graph node.
    pub name: String,
    /// What it computes.
    pub operator: RowOperator,
    /// Values read.
    pub inputs: Vec<usize>,
    /// Value written.
    pub output: usize,
    /// Window over rows and columns; 1×1 for elementwise operators.
    pub window: Window,
    /// Bounds of the output.
    pub clamp: [f32; 2],
    /// Multiply-accumulate operations.
    pub macs: u64,
}

/// A model over rows, nodes in topological order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowGraph {
    /// Values.
    pub values: Vec<RowValue>,
    /// Nodes.
    pub nodes: Vec<RowNode>,
    /// The input's value.
    pub input: usize,
    /// The outputs' values.
    pub outputs: Vec<usize>,
    /// Where element `[row, column, channel]` of each output lies in the graph's output: strides of the three axes.
    pub output_strides: Vec<[usize; 3]>,
}

const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// Lowers a graph to rows.
///
/// # Errors
/// All nodes (at least one) whose form the engine has no operator for.
pub fn lower(graph: &Graph) -> Result<RowGraph, Vec<LowerError>> {
    let mut lowering = Lowering { graph, rows: RowGraph::default(), places: vec![None; graph.values.len()] };
    let mut errors = Vec::new();
    let error = |node: &str, reason: &str, nearest: &str| LowerError {
        node: node.into(),
        operator: "model",
        shape: vec![],
        reason: reason.into(),
        nearest: nearest.into(),
    };
    let [input] = graph.inputs[..] else {
        return Err(vec![error(&graph.name, "the model has several inputs", "one input")]);
    };
    let place = layout::of_input(graph, input);
    lowering.rows.input = lowering.add_value(input, place);
    for node in &graph.nodes {
        if let Err(e) = lowering.node(node) {
            errors.push(e);
            // Later nodes are still looked at, so that all errors are named at once.
            lowering.places[node.output.0] =
                Some(Place { value: 0, layout: Layout::default_of(&graph.value(node.output).shape), poisoned: true });
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for &output in &graph.outputs {
        match &lowering.places[output.0] {
            Some(place) => {
                lowering.rows.outputs.push(place.value);
                let sizes = lowering.rows.values[place.value].shape;
                lowering.rows.output_strides.push(place.layout.axis_strides(sizes));
            }
            None => errors.push(error(&graph.value(output).name, "the output is not computed", "an output of a node")),
        }
    }
    if errors.is_empty() { Ok(lowering.rows) } else { Err(errors) }
}

#[derive(Clone)]
struct Place {
    value: usize,
    layout: Layout,
    /// Depends on a node that could not be lowered.
    poisoned: bool,
}

struct Lowering<'g> {
    graph: &'g Graph,
    rows: RowGraph,
    places: Vec<Option<Place>>,
}

impl Lowering<'_> {
    fn add_value(&mut self, source: ValueId, layout: Layout) -> usize {
        let value = self.graph.value(source);
        self.rows.values.push(RowValue {
            name: value.name.clone(),
            shape: layout.sizes(&value.shape),
            source,
            strides: layout.strides(&value.shape),
        });
        let index = self.rows.values.len() - 1;
        self.places[source.0] = Some(Place { value: index, layout, poisoned: false });
        index
    }

    fn node(&mut self, node: &Node) -> Result<(), LowerError> {
        let shape = self.graph.value(node.output).shape.clone();
        let fail = |reason: &str, nearest: &str| LowerError {
            node: node.name.clone(),
            operator: node.operator.name(),
            shape: shape.clone(),
            reason: reason.into(),
            nearest: nearest.into(),
        };
        let mut places = Vec::new();
        for &input in &node.inputs {
            match &self.places[input.0] {
                Some(place) => places.push(place.clone()),
                None => return Err(fail("an input is not computed", "inputs computed by earlier nodes")),
            }
        }
        if places.iter().any(|p| p.poisoned) {
            let layout = Layout::default_of(&shape);
            self.places[node.output.0] = Some(Place { value: 0, layout, poisoned: true });
            return Ok(());
        }
        let Some(first) = places.first().cloned() else { return Err(fail("there is no input", "at least one input")) };
        let image = || first.layout.is_image();
        const NCHW: &str = "a tensor of shape [1, channels, height, width]";
        match &node.operator {
            Operator::Convolution { weight, bias, window, groups, pad_value } => {
                if !image() {
                    return Err(fail("the input is not an image", NCHW));
                }
                let operator = RowOperator::Convolution {
                    weights: to_ohwi(&weight.data, &weight.shape),
                    bias: bias.clone(),
                    groups: *groups,
                    pad_value: pad_value.clone(),
                };
                self.push(node, operator, &[first.value], *window, Layout::image());
            }
            Operator::Dense { weight, bias } => {
                let Some((weights, flat)) =
                    layout::dense_weights(&first.layout, &self.rows.values[first.value], weight)
                else {
                    return Err(fail(
                        "the input's axes do not line up",
                        "a flattened tensor, or the last axis as channels",
                    ));
                };
                let input = &self.rows.values[first.value];
                if flat && input.shape[..2] != [1, 1] {
                    let window = Window { kernel: [input.shape[0], input.shape[1]], ..POINT };
                    let operator = RowOperator::Dense { weights, bias: bias.clone() };
                    self.push(node, operator, &[first.value], window, Layout::channels_last(shape.len(), true));
                } else {
                    let operator = RowOperator::Convolution { weights, bias: bias.clone(), groups: 1, pad_value: None };
                    let layout = first.layout.with_last(Axis::Channel);
                    self.push(node, operator, &[first.value], POINT, layout);
                }
            }
            Operator::Affine { scale, offset } => {
                if !first.layout.is_channel(1) {
                    return Err(fail("axis 1 is not the channels", "channels on axis 1"));
                }
                let operator = RowOperator::Affine { scale: scale.clone(), offset: offset.clone() };
                self.push(node, operator, &[first.value], POINT, first.layout);
            }
            Operator::Add => {
                let same = places.len() == 2 && places[1].layout == first.layout;
                if !same || self.rows.values[first.value].shape != self.rows.values[places[1].value].shape {
                    return Err(fail("the inputs differ in shape or layout", "two tensors of one shape"));
                }
                self.push(node, RowOperator::Add, &[first.value, places[1].value], POINT, first.layout);
            }
            Operator::Clamp { min, max } => {
                if !self.join_clamp(node, first.value, [*min, *max]) {
                    let index = self.rows.nodes.len();
                    self.push(node, RowOperator::Clamp, &[first.value], POINT, first.layout);
                    self.rows.nodes[index].clamp = [*min, *max];
                }
            }
            Operator::MaxPool { window } if image() => {
                self.push(node, RowOperator::MaxPool, &[first.value], *window, Layout::image());
            }
            Operator::AveragePool { window, count_include_pad } if image() => {
                let operator = RowOperator::AveragePool { count_include_pad: *count_include_pad };
                self.push(node, operator, &[first.value], *window, Layout::image());
            }
            Operator::MaxPool { .. } | Operator::AveragePool { .. } => {
                return Err(fail("the input is not an image", NCHW));
            }
            Operator::Softmax { axis } => {
                if !first.layout.is_channel(*axis) {
                    return Err(fail("the axis is not the channels", "softmax over the channels of each pixel"));
                }
                self.push(node, RowOperator::Softmax, &[first.value], POINT, first.layout);
            }
            Operator::Transpose { permutation } => {
                let layout = first.layout.transposed(permutation);
                self.alias(node, first, layout);
            }
            Operator::Reshape => {
                let from = &self.graph.value(node.inputs[0]).shape;
                match first.layout.reshaped(from, &shape, &self.rows.values[first.value].shape) {
                    Some(layout) => self.alias(node, first, layout),
                    None => return Err(fail("the new shape splits an axis", "merging axes, or adding axes of size 1")),
                }
            }
        }
        Ok(())
    }

    /// The node's output is its input under another name.
    fn alias(&mut self, node: &Node, place: Place, layout: Layout) {
        self.places[node.output.0] = Some(Place { layout, ..place });
    }

    /// Lets the producer of a value clamp it, if nothing else reads it unclamped.
    fn join_clamp(&mut self, node: &Node, value: usize, clamp: [f32; 2]) -> bool {
        let source = node.inputs[0];
        let alone = self.graph.consumers(source).len() == 1 && !self.graph.outputs.contains(&source);
        if !alone || self.rows.values[value].source != source {
            return false;
        }
        let producer = self.rows.nodes.iter_mut().find(|n| n.output == value);
        let Some(producer) = producer.filter(|p| !matches!(p.operator, RowOperator::MaxPool | RowOperator::Softmax))
        else {
            return false;
        };
        producer.clamp = [producer.clamp[0].max(clamp[0]), producer.clamp[1].min(clamp[1]).max(clamp[0])];
        let layout = self.places[source.0].as_ref().map(|p| p.layout.clone());
        self.rows.values[value].source = node.output;
        self.rows.values[value].name = self.graph.value(node.output).name.clone();
        self.places[node.output.0] = layout.map(|layout| Place { value, layout, poisoned: false });
        true
    }

    fn push(&mut self, node: &Node, operator: RowOperator, inputs: &[usize], window: Window, layout: Layout) {
        let output = self.add_value(node.output, layout);
        self.rows.nodes.push(RowNode {
            name: node.name.clone(),
            operator,
            inputs: inputs.to_vec(),
            output,
            window,
            clamp: UNBOUNDED,
            macs: self.graph.node_macs(node),
        });
    }
}

/// `[outputs, inputs, rows, columns]` to `[outputs, rows, columns, inputs]`.
fn to_ohwi(data: &[f32], shape: &[usize]) -> Vec<f32> {
    let [o, i, h, w] = [shape[0], shape[1], shape[2], shape[3]];
    let mut out = Vec::with_capacity(data.len());
    for o in 0..o {
        for y in 0..h {
            for x in 0..w {
                out.extend((0..i).map(|i| data[((o * shape[1] + i) * h + y) * w + x]));
            }
        }
    }
    out
}
