//! From the float graph to rows: every tensor becomes rows of columns of channels, layout changes disappear, and clamps
//! join the operator before them.

mod layout;
mod places;

use layout::{Axis, Layout};
use residua::operators::recurrent::MAX_UNITS;
use residua_models::function::Function;
use residua_models::graph::{Graph, Node, Operator, PixelSource, Tensor, ValueId, Window};
use residua_models::recurrence::{Gives, Recurrence};

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
    /// Scale and zero point, where the model says them.
    pub quantization: Option<(f32, i8)>,
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
    /// Weighted sum of both inputs; the second may have size 1 on some axes.
    Add {
        /// Factors of the inputs: 1 or −1.
        signs: [f32; 2],
    },
    /// Product of both inputs; the second may have size 1 on some axes.
    Multiply,
    /// Both inputs side by side along the channels.
    Concat,
    /// Channels from one on; those that the input lacks are zero.
    Channels {
        /// First channel, negative where zeros come first.
        start: i32,
    },
    /// More rows and columns.
    Upsample {
        /// Factor of both.
        factor: usize,
        /// Where pixels come from.
        source: PixelSource,
    },
    /// Rows and columns from places of the input, see [`Operator::Resample`].
    Resample {
        /// For each row its place.
        rows: Vec<f32>,
        /// For each column its place.
        columns: Vec<f32>,
        /// Output rows for each step of the window.
        upsampling: usize,
    },
    /// The largest of every `outputs`-th channel, see [`Operator::MaxOfChannels`].
    MaxOfChannels,
    /// One of several inputs, see [`Operator::Part`]; in the order of its rows.
    Part {
        /// First element.
        start: usize,
    },
    /// A function of each element.
    Function(Function),
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
    /// Logarithm of the softmax over channels.
    LogSoftmax,
    /// A recurrent layer behind its input projection. Its steps are the rows where the state is `carried` from one to the next,
    /// or the pixels of its window.
    Recurrence {
        /// What it computes.
        recurrence: Recurrence,
        /// Whether the state is carried.
        carried: bool,
    },
}

impl RowOperator {
    /// Weights, output channel outermost, and biases.
    pub(crate) fn weights(&self) -> Option<(&[f32], &[f32])> {
        match self {
            Self::Convolution { weights, bias, .. } | Self::Dense { weights, bias } => Some((weights, bias)),
            _ => None,
        }
    }

    /// Whether the output has the input's elements, or numbers between them, in another place: both have one scale.
    pub(crate) fn keeps_elements(&self) -> bool {
        matches!(
            self,
            Self::MaxPool | Self::Channels { .. } | Self::Upsample { .. } | Self::Resample { .. } | Self::MaxOfChannels
        )
    }

    /// Whether the operator's arithmetic ends in bounds of its own, so that a clamp can join it.
    fn has_bounds(&self) -> bool {
        !matches!(
            self,
            Self::MaxPool
                | Self::Softmax
                | Self::LogSoftmax
                | Self::Recurrence { .. }
                | Self::Concat
                | Self::Channels { .. }
                | Self::Upsample { .. }
                | Self::Resample { .. }
                | Self::MaxOfChannels
                | Self::Part { .. }
        )
    }
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

impl RowNode {
    /// For each tap of the window, row by row, the share of output pixels for which it lies inside the input; `shapes` are those
    /// of input and output.
    pub(crate) fn tap_shares(&self, [input, output]: [[usize; 3]; 2]) -> Vec<f64> {
        let window = &self.window;
        let along = |axis: usize| -> Vec<f64> {
            let (size, outputs) = (input[axis], output[axis].max(1));
            let inside = |tap: usize| (0..outputs).filter(|&y| window.place(axis, y, tap, size).is_some()).count();
            (0..window.kernel[axis]).map(|tap| inside(tap) as f64 / outputs as f64).collect()
        };
        let (rows, columns) = (along(0), along(1));
        rows.iter().flat_map(|row| columns.iter().map(move |column| row * column)).collect()
    }
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
    let (place, like) = layout::of_input(graph, input);
    lowering.rows.input = lowering.add_value(input, place, like);
    if !lowering.is_whole(input) {
        let name = &graph.value(input).name;
        errors.push(error(name, "its axes are not rows, columns and channels", "[1, channels, height, width]"));
    }
    for node in &graph.nodes {
        let lowered = lowering.node(node).and_then(|()| lowering.checked(node));
        if let Err(e) = lowered {
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
    if errors.is_empty() && lowering.rows.nodes.is_empty() {
        errors.push(error(
            &graph.name,
            "nothing is computed: elements are only moved",
            "at least one node that computes",
        ));
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
    /// Adds the rows of a graph value; `like` are rows, columns and channels of what it is computed from, which tell how axes
    /// share a dimension.
    fn add_value(&mut self, source: ValueId, layout: Layout, like: [usize; 3]) -> usize {
        let value = self.graph.value(source);
        let shape = layout.sizes(&value.shape, like);
        let strides = layout.axis_strides(shape);
        self.rows.values.push(RowValue { name: value.name.clone(), shape, source, strides, quantization: None });
        let index = self.rows.values.len() - 1;
        self.places[source.0] = Some(Place { value: index, layout, poisoned: false });
        index
    }

    /// Whether the rows of a value hold all of its elements.
    fn is_whole(&self, id: ValueId) -> bool {
        let elements: usize = self.graph.value(id).shape.iter().product();
        self.places[id.0].as_ref().is_none_or(|p| p.poisoned || self.rows.values[p.value].len() == elements)
    }

    /// Refuses a node whose output's rows would lack elements.
    fn checked(&self, node: &Node) -> Result<(), LowerError> {
        if self.is_whole(node.output) {
            return Ok(());
        }
        Err(LowerError {
            node: node.name.clone(),
            operator: node.operator.name(),
            shape: self.graph.value(node.output).shape.clone(),
            reason: "its axes are not rows, columns and channels".into(),
            nearest: "[1, channels, height, width]".into(),
        })
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
        let axes = first.layout.image_axes();
        const PAIR: &str = "two tensors of one layout, one of which may have size 1 on some axes";
        const MIXED: &str = "the pixels are mixed into another shape";
        const SQUARE: &str = "as many outputs as pixels of a square image";
        const NCHW: &str = "a tensor of shape [1, channels, height, width]";
        match &node.operator {
            Operator::Convolution { weight, bias, window, .. }
                if bias.len() == 1 && self.channels_along(node, window, &first).is_some() =>
            {
                let Some(dimension) = self.channels_along(node, window, &first) else { return Ok(()) };
                let channels = self.rows.values[first.value].shape[2];
                // Each output sums its neighbours among the channels.
                let (dilation, pad) = (window.dilations[dimension - 2], window.pads[dimension - 2]);
                let tap =
                    |output: usize, input: usize| (input + pad).checked_sub(output).filter(|at| at % dilation == 0);
                let weight_of = |output: usize, input: usize| {
                    tap(output, input).and_then(|at| weight.data.get(at / dilation)).copied().unwrap_or(0.0)
                };
                let outputs = 0..channels;
                let weights = outputs.flat_map(|o| (0..channels).map(move |i| weight_of(o, i))).collect();
                let bias = vec![bias[0]; channels];
                let operator = RowOperator::Convolution { weights, bias, groups: 1, pad_value: None };
                self.push(node, operator, &[first.value], POINT, first.layout);
            }
            // A layer over the pixels of each channel that takes them for channels.
            Operator::Convolution { weight, bias, window, groups: 1, pad_value: None }
                if *window == POINT && first.layout.is_channels_of_pixels() =>
            {
                let weight = Tensor { shape: weight.shape[..2].to_vec(), data: weight.data.clone() };
                self.tokens(node, &weight, bias, &first).ok_or_else(|| fail(MIXED, SQUARE))?;
            }
            Operator::Convolution { weight, bias, window, groups, pad_value } => {
                let Some(axes) = axes else { return Err(fail("the input is not an image", NCHW)) };
                let operator = RowOperator::Convolution {
                    weights: to_ohwi(&weight.data, &weight.shape, axes == TURNED),
                    bias: bias.clone(),
                    groups: *groups,
                    pad_value: pad_value.clone(),
                };
                self.push(node, operator, &[first.value], along(axes, window), Layout::image_of(axes));
            }
            Operator::Dense { weight, bias } if first.layout.is_pixels_of_channels() => {
                self.tokens(node, weight, bias, &first).ok_or_else(|| fail(MIXED, SQUARE))?;
            }
            Operator::Dense { weight, bias } => {
                let input = &self.rows.values[first.value];
                let Some((weights, kernel)) = layout::dense_weights(&first.layout, input, weight) else {
                    return Err(fail(
                        "the input's axes do not line up",
                        "a flattened tensor, or the channels on the last axis, with all rows or columns or without",
                    ));
                };
                let bias = bias.clone();
                let operator = if kernel != [1, 1] && kernel[..] == input.shape[..2] {
                    RowOperator::Dense { weights, bias }
                } else {
                    RowOperator::Convolution { weights, bias, groups: 1, pad_value: None }
                };
                let layout = first.layout.with_last(Axis::Channel);
                self.push(node, operator, &[first.value], Window { kernel, ..POINT }, layout);
            }
            // One factor and one summand for all elements.
            Operator::Affine { scale, offset }
                if !first.layout.is_channel(1) && is_uniform(scale) && is_uniform(offset) =>
            {
                let channels = self.rows.values[first.value].shape[2];
                let [scale, offset] = [scale, offset].map(|numbers| vec![numbers[0]; channels]);
                self.push(node, RowOperator::Affine { scale, offset }, &[first.value], POINT, first.layout);
            }
            Operator::Affine { scale, offset } => {
                if !first.layout.is_channel(1) {
                    return Err(fail("axis 1 is not the channels", "channels on axis 1"));
                }
                let operator = RowOperator::Affine { scale: scale.clone(), offset: offset.clone() };
                self.push(node, operator, &[first.value], POINT, first.layout);
            }
            Operator::Add => self.pair(node, &places, |signs| RowOperator::Add { signs }).map_err(|e| fail(e, PAIR))?,
            Operator::Subtract => {
                self.pair(node, &places, |[a, b]| RowOperator::Add { signs: [a, -b] }).map_err(|e| fail(e, PAIR))?
            }
            Operator::Multiply => self.pair(node, &places, |_| RowOperator::Multiply).map_err(|e| fail(e, PAIR))?,
            Operator::Function(function) => {
                self.push(node, RowOperator::Function(function.clone()), &[first.value], POINT, first.layout);
            }
            Operator::Quantize { scale, zero_point } => {
                if !self.join_quantization(node, &first, (*scale, *zero_point)) {
                    self.push(node, RowOperator::Clamp, &[first.value], POINT, first.layout);
                    if let Some(value) = self.rows.values.last_mut() {
                        value.quantization = Some((*scale, *zero_point));
                    }
                }
            }
            Operator::Concat { axis: 0 } if places.iter().all(|p| self.rows.values[p.value].shape[..2] == [1, 1]) => {
                self.sequence(node, &places).ok_or_else(|| fail("steps of unlike layouts", "steps of one layout"))?;
            }
            Operator::Concat { axis } => {
                let joins = |p: &Place| {
                    let channels = self.rows.values[p.value].shape[2];
                    p.layout == first.layout
                        && p.layout.is_channel(*axis)
                        && (channels == 1 || p.layout.has_channels(*axis))
                };
                if !places.iter().all(joins) {
                    return Err(fail("the axis is not the channels, or layouts differ", "concatenation of channels"));
                }
                self.concat(node, &places, first.layout.with(*axis, Some(Axis::Channel)));
            }
            Operator::Slice { axis, start, end } => {
                if !first.layout.is_channel(*axis) {
                    let Some(axis) = first.layout.spatial(*axis) else {
                        return Err(fail("the axis is joined with another", "a slice of channels, rows or columns"));
                    };
                    self.part(node, &first, axis, *start, *end);
                    return Ok(());
                }
                let start = i32::try_from(*start).unwrap_or(i32::MAX);
                self.push(node, RowOperator::Channels { start }, &[first.value], POINT, first.layout);
            }
            Operator::Pad { axis, before, .. } => {
                if !first.layout.is_channel(*axis) {
                    return Err(fail("the axis is not the channels", "padding of channels"));
                }
                let start = i32::try_from(*before).unwrap_or(i32::MAX);
                self.push(node, RowOperator::Channels { start: -start }, &[first.value], POINT, first.layout);
            }
            Operator::Upsample { factor, source } => {
                if !first.layout.is_image() {
                    return Err(fail("the input is not an image", NCHW));
                }
                let operator = RowOperator::Upsample { factor: *factor, source: *source };
                let between = Window { kernel: [3, 3], pads: [1; 4], ..POINT };
                let window = if *source == PixelSource::Bilinear { between } else { POINT };
                self.push(node, operator, &[first.value], window, Layout::image());
            }
            Operator::Resample { rows, columns } => {
                let Some(axes) = axes else { return Err(fail("the input is not an image", NCHW)) };
                let (rows, columns) = if axes == TURNED { (columns, rows) } else { (rows, columns) };
                let [height, width, _] = self.rows.values[first.value].shape;
                let Some((window, upsampling)) = places::cover([rows, columns], [height, width]) else {
                    return Err(fail("the window of an output row is too high", "at most 65535 rows"));
                };
                let operator = RowOperator::Resample { rows: rows.clone(), columns: columns.clone(), upsampling };
                self.push(node, operator, &[first.value], window, Layout::image_of(axes));
            }
            Operator::MaxOfChannels { .. } => {
                let Some(axes) = axes else { return Err(fail("the input is not an image", NCHW)) };
                self.push(node, RowOperator::MaxOfChannels, &[first.value], POINT, Layout::image_of(axes));
            }
            Operator::Part { start } => {
                let (layout, like) = layout::of_input(self.graph, node.output);
                self.push(node, RowOperator::Part { start: *start }, &[first.value], POINT, layout.clone());
                let shape = layout.sizes(&shape, like);
                // The window says nothing but that it touches the input's only column.
                let steps = (shape[1] - 1) / shape[0];
                if let (Some(value), Some(part)) = (self.rows.values.last_mut(), self.rows.nodes.last_mut()) {
                    (value.shape, value.strides) = (shape, layout.axis_strides(shape));
                    part.window = Window { kernel: [1, steps + 1], pads: [0, steps, 0, 0], ..POINT };
                }
            }
            Operator::Clamp { min, max } => {
                if !self.join_clamp(node, first.value, [*min, *max]) {
                    let index = self.rows.nodes.len();
                    self.push(node, RowOperator::Clamp, &[first.value], POINT, first.layout);
                    self.rows.nodes[index].clamp = [*min, *max];
                }
            }
            Operator::AveragePool { window, count_include_pad } if self.covers_all(node, window, &first) => {
                let operator = RowOperator::AveragePool { count_include_pad: *count_include_pad };
                let [rows, columns, _] = self.rows.values[first.value].shape;
                let window = Window { kernel: [rows, columns], ..POINT };
                self.push(node, operator, &[first.value], window, Layout::image());
            }
            Operator::MaxPool { window } | Operator::AveragePool { window, .. } if axes.is_some() => {
                let Some(axes) = axes else { return Ok(()) };
                let operator = match node.operator {
                    Operator::AveragePool { count_include_pad, .. } => RowOperator::AveragePool { count_include_pad },
                    _ => RowOperator::MaxPool,
                };
                self.push(node, operator, &[first.value], along(axes, window), Layout::image_of(axes));
            }
            // Whole axes of tensors with their channels last.
            Operator::MaxPool { window } | Operator::AveragePool { window, .. }
                if self.channels_under(node, window, &first).is_some() =>
            {
                let Some(dimension) = self.channels_under(node, window, &first) else { return Ok(()) };
                let channels = self.rows.values[first.value].shape[2];
                let operator = if matches!(node.operator, Operator::MaxPool { .. }) {
                    RowOperator::MaxOfChannels
                } else {
                    let weights = vec![1.0 / channels as f32; channels];
                    RowOperator::Convolution { weights, bias: vec![0.0], groups: 1, pad_value: None }
                };
                self.push(node, operator, &[first.value], POINT, first.layout.without(dimension));
            }
            Operator::MaxPool { .. } | Operator::AveragePool { .. } => {
                return Err(fail("the input is not an image", NCHW));
            }
            Operator::Softmax { axis } | Operator::LogSoftmax { axis } => {
                if !first.layout.is_channel(*axis) {
                    return Err(fail("the axis is not the channels", "softmax over the channels of each pixel"));
                }
                let is_log = matches!(node.operator, Operator::LogSoftmax { .. });
                let operator = if is_log { RowOperator::LogSoftmax } else { RowOperator::Softmax };
                self.push(node, operator, &[first.value], POINT, first.layout);
            }
            Operator::Recurrence(recurrence) if recurrence.units() > MAX_UNITS => {
                let reason = format!("it has {} units", recurrence.units());
                return Err(fail(&reason, &format!("{MAX_UNITS} units or fewer")));
            }
            Operator::Recurrence(recurrence) => {
                let Some(time) = first.layout.spatial(0).filter(|_| first.layout.is_channel(2)) else {
                    return Err(fail(
                        "the steps are not the rows or the columns",
                        "steps on axis 0, features on axis 2",
                    ));
                };
                self.recurrence(node, recurrence, &first, time);
            }
            Operator::Transpose { permutation } => {
                let layout = first.layout.transposed(permutation);
                self.alias(node, first, layout);
            }
            Operator::Reshape => {
                let from = &self.graph.value(node.inputs[0]).shape;
                // What is handed out has the same elements in the same order, whatever its shape.
                let last = self.graph.outputs.contains(&node.output) && self.graph.consumers(node.output).is_empty();
                match first.layout.reshaped(from, &shape, &self.rows.values[first.value].shape) {
                    Some(layout) => self.alias(node, first, layout),
                    None if last => {
                        let layout = first.layout.clone();
                        self.alias(node, first, layout);
                    }
                    None => return Err(fail("the new shape splits an axis", "merging axes, or adding axes of size 1")),
                }
            }
        }
        Ok(())
    }

    /// A node of two inputs of which the second may have size 1 where the first is larger; `operator` is given the order of
    /// signs after the larger has come first.
    fn pair(
        &mut self,
        node: &Node,
        places: &[Place],
        operator: impl Fn([f32; 2]) -> RowOperator,
    ) -> Result<(), &'static str> {
        let [a, b] = places else { return Err("there are not two inputs") };
        let shape = |i: usize| self.graph.value(node.inputs[i]).shape.clone();
        let out = &self.graph.value(node.output).shape;
        let (first, second, swapped) = if shape(0) == *out { (a, b, false) } else { (b, a, true) };
        let narrow = shape(usize::from(!swapped));
        if !first.layout.agrees_where(&second.layout, |d| narrow.get(d) != Some(&1)) {
            return Err("the layouts of the inputs differ");
        }
        let sizes = [first, second].map(|p| self.rows.values[p.value].shape);
        if (0..3).any(|d| sizes[1][d] != 1 && sizes[1][d] != sizes[0][d]) {
            return Err("the inputs differ along part of an axis");
        }
        let (values, layout) = ([first.value, second.value], first.layout.clone());
        let operator = match operator([1.0, 1.0]) {
            RowOperator::Add { signs: [a, b] } if swapped => RowOperator::Add { signs: [b, a] },
            other => other,
        };
        self.push(node, operator, &values, POINT, layout);
        Ok(())
    }

    /// The dimension along which a window of one input channel moves by ones over what are the channels of the rows, leaving
    /// as many of them.
    fn channels_along(&self, node: &Node, window: &Window, input: &Place) -> Option<usize> {
        let shapes = [node.inputs[0], node.output].map(|id| &self.graph.value(id).shape);
        let alone = |d: usize| window.kernel[3 - d] == 1 && window.strides == [1, 1];
        let pads = |d: usize| [window.pads[3 - d], window.pads[5 - d]] == [0, 0];
        let padless = matches!(&node.operator, Operator::Convolution { pad_value: None, .. });
        let moves = |&d: &usize| input.layout.is_only_channels(d) && alone(d) && pads(d) && shapes[0] == shapes[1];
        [2, 3].into_iter().find(|d| padless && shapes[0].len() == 4 && shapes[0][1] == 1 && moves(d))
    }

    /// The dimension of an input's channels, where a window covers all of it and nothing of others.
    fn channels_under(&self, node: &Node, window: &Window, input: &Place) -> Option<usize> {
        let shape = &self.graph.value(node.inputs[0]).shape;
        let alone = |d: usize| window.kernel[d - 2] == shape[d] && window.kernel[3 - d] == 1;
        let whole = |&d: &usize| input.layout.is_only_channels(d) && alone(d) && !window.is_padded();
        [2, 3].into_iter().find(|d| shape.len() == 4 && whole(d))
    }

    /// Some rows or columns: a kernel for each channel that hands on one pixel of those that it covers.
    fn part(&mut self, node: &Node, input: &Place, axis: Axis, start: usize, end: usize) {
        let [_, _, channels] = self.rows.values[input.value].shape;
        let size = self.rows.values[input.value].shape[axis as usize];
        let mut kernel = [1; 2];
        kernel[axis as usize] = start + size - end + 1;
        let taps = (0..start + size - end + 1).map(|tap| if tap == start { 1.0 } else { 0.0 });
        let weights = taps.collect::<Vec<f32>>().repeat(channels);
        let bias = vec![0.0; channels];
        let operator = RowOperator::Convolution { weights, bias, groups: channels, pad_value: None };
        self.push(node, operator, &[input.value], Window { kernel, ..POINT }, input.layout.clone());
    }

    /// A recurrence carries its state from row to row where rows are the steps; it takes all steps at once where columns are,
    /// and, with the rows becoming columns, where the model has a recurrence that begins with the last.
    fn recurrence(&mut self, node: &Node, recurrence: &Recurrence, input: &Place, time: Axis) {
        let begins_last =
            |node: &Node| matches!(&node.operator, Operator::Recurrence(r) if r.reverse && r.gives == Gives::Steps);
        let is_last = recurrence.gives != Gives::Steps;
        let carried =
            time == Axis::Row && !recurrence.reverse && (is_last || !self.graph.nodes.iter().any(begins_last));
        let rows = self.rows.values[input.value].shape[0];
        let all = time == Axis::Row && (is_last || !carried);
        let window = Window { kernel: [if all { rows } else { 1 }, 1], ..POINT };
        let layout = match time {
            _ if is_last => input.layout.with(0, None),
            Axis::Row if !carried => input.layout.with(0, Some(Axis::Column)),
            _ => input.layout.clone(),
        };
        let operator = RowOperator::Recurrence { recurrence: recurrence.clone(), carried };
        self.push(node, operator, &[input.value], window, layout);
    }

    /// Whether a window covers all pixels, however rows and columns are spread over the tensor's axes.
    fn covers_all(&self, node: &Node, window: &Window, input: &Place) -> bool {
        let shape = &self.graph.value(node.inputs[0]).shape;
        !window.is_padded() && shape.get(2..) == Some(&window.kernel[..]) && input.layout.is_channel(1)
    }

    /// A dense layer over the pixels of each channel: a convolution of the whole image whose groups are the channels, and
    /// which share their weights; then its outputs become pixels again.
    fn tokens(&mut self, node: &Node, weight: &Tensor, bias: &[f32], input: &Place) -> Option<()> {
        let [rows, columns, channels] = self.rows.values[input.value].shape;
        let pixels = rows * columns;
        if rows != columns || weight.shape != [pixels, pixels] {
            return None;
        }
        let window = Window { kernel: [rows, columns], ..POINT };
        let (weights, bias) = (weight.data.repeat(channels), bias.repeat(channels));
        let operator = RowOperator::Convolution { weights, bias, groups: channels, pad_value: None };
        self.push(node, operator, &[input.value], window, input.layout.clone());
        let mixed = self.rows.values.len() - 1;
        self.rows.values[mixed].shape = [1, 1, channels * pixels];
        self.rows.values[mixed].strides = [0, 0, 1];
        let operator = RowOperator::Upsample { factor: rows, source: PixelSource::ColumnFirst };
        self.push(node, operator, &[mixed], POINT, input.layout.clone());
        let shape = [rows, columns, channels];
        if let Some(output) = self.rows.values.last_mut() {
            (output.shape, output.strides) = (shape, input.layout.axis_strides(shape));
        }
        Some(())
    }

    /// Steps one behind the other as rows: each with zeros in place of the others, summed.
    fn sequence(&mut self, node: &Node, places: &[Place]) -> Option<()> {
        let (first, count) = (&places[0].layout, places.len());
        let single = node.inputs.iter().all(|&input| self.graph.value(input).shape[0] == 1);
        if !single || places.iter().any(|p| p.layout != *first) {
            return None;
        }
        let layout = first.with(0, Some(Axis::Row));
        let mut sum: Option<usize> = None;
        for (step, place) in places.iter().enumerate() {
            let rows: Vec<f32> = (0..count).map(|row| if row == step { 0.0 } else { -1.0 }).collect();
            let (window, upsampling) = places::cover([&rows, &[0.0]], [1, 1])?;
            let operator = RowOperator::Resample { rows, columns: vec![0.0], upsampling };
            self.push(node, operator, &[place.value], window, layout.clone());
            let alone = self.rows.values.len() - 1;
            sum = Some(match sum {
                None => alone,
                Some(sum) => {
                    self.push(node, RowOperator::Add { signs: [1.0; 2] }, &[sum, alone], POINT, layout.clone());
                    self.rows.values.len() - 1
                }
            });
        }
        sum.map(drop)
    }

    /// Concatenation, two at a time: what has come together before the last is a prefix of the output's channels.
    fn concat(&mut self, node: &Node, places: &[Place], layout: Layout) {
        let mut value = places[0].value;
        for (index, place) in places.iter().enumerate().skip(1) {
            let inputs = [value, place.value];
            self.push(node, RowOperator::Concat, &inputs, POINT, layout.clone());
            value = self.rows.values.len() - 1;
            let channels = inputs.map(|v| self.rows.values[v].shape[2]);
            if index + 1 < places.len() {
                self.rows.values[value].shape[2] = channels[0] + channels[1];
            }
        }
    }

    /// The node's output is its input under another name.
    fn alias(&mut self, node: &Node, place: Place, layout: Layout) {
        self.places[node.output.0] = Some(Place { layout, ..place });
    }

    /// Gives a value the scale and zero point that the model says, if nothing reads it otherwise or it has them already.
    fn join_quantization(&mut self, node: &Node, place: &Place, quantization: (f32, i8)) -> bool {
        let source = node.inputs[0];
        let value = &self.rows.values[place.value];
        let free = value.quantization.is_none() && self.only_read_as(value.source, source);
        if !free && value.quantization != Some(quantization) {
            return false;
        }
        let value = &mut self.rows.values[place.value];
        value.quantization = Some(quantization);
        if free && value.source == source {
            // What has come together of a concatenation before its last part too.
            self.rows.values.iter_mut().filter(|v| v.source == source).for_each(|v| v.source = node.output);
        }
        self.places[node.output.0] = Some(place.clone());
        true
    }

    /// Whether a value is read by one node alone, and that under another name, after changes of layout.
    fn only_read_as(&self, value: ValueId, name: ValueId) -> bool {
        let mut at = name;
        loop {
            if self.graph.consumers(at).len() != 1 || self.graph.outputs.contains(&at) {
                return false;
            }
            if at == value {
                return true;
            }
            let Some(producer) = self.graph.producer(at).map(|n| &self.graph.nodes[n]) else { return false };
            if !matches!(producer.operator, Operator::Transpose { .. } | Operator::Reshape) {
                return false;
            }
            at = producer.inputs[0];
        }
    }

    /// Lets the producer of a value clamp it, if nothing else reads it unclamped.
    fn join_clamp(&mut self, node: &Node, value: usize, clamp: [f32; 2]) -> bool {
        let source = node.inputs[0];
        let alone = self.graph.consumers(source).len() == 1 && !self.graph.outputs.contains(&source);
        if !alone || self.rows.values[value].source != source {
            return false;
        }
        let producer = self.rows.nodes.iter_mut().find(|n| n.output == value);
        let Some(producer) = producer.filter(|p| p.operator.has_bounds()) else {
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
        let like = self.rows.values[inputs[0]].shape;
        let output = self.add_value(node.output, layout, like);
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

fn is_uniform(numbers: &[f32]) -> bool {
    numbers.first().is_some_and(|first| numbers.iter().all(|n| n == first))
}

/// The axes of an image whose rows are the columns.
const TURNED: [Axis; 2] = [Axis::Column, Axis::Row];

/// A window over height and width as one over rows and columns.
fn along(axes: [Axis; 2], window: &Window) -> Window {
    if axes != TURNED {
        return *window;
    }
    let turned = |[height, width]: [usize; 2]| [width, height];
    let [top, left, bottom, right] = window.pads;
    Window {
        kernel: turned(window.kernel),
        strides: turned(window.strides),
        dilations: turned(window.dilations),
        pads: [left, top, right, bottom],
    }
}

/// `[outputs, inputs, height, width]` to `[outputs, rows, columns, inputs]`; the rows are the width where it is `turned`.
fn to_ohwi(data: &[f32], shape: &[usize], turned: bool) -> Vec<f32> {
    let [o, i, h, w] = [shape[0], shape[1], shape[2], shape[3]];
    let mut out = Vec::with_capacity(data.len());
    let (rows, columns) = if turned { (w, h) } else { (h, w) };
    for o in 0..o {
        for r in 0..rows {
            for c in 0..columns {
                let (y, x) = if turned { (c, r) } else { (r, c) };
                out.extend((0..i).map(|i| data[((o * shape[1] + i) * h + y) * w + x]));
            }
        }
    }
    out
}
