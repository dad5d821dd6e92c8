//! The float graph: what a model computes, free of any file format.
//!
//! A [`Graph`] is a list of nodes in topological order over values with static shapes. Constants are attributes of the
//! operators that use them, so that a node says all about itself. Shapes are in ONNX order (`[batch, channels, height,
//! width]` for images), the batch dimension of images is always 1, and one-dimensional models have width 1.

use std::collections::BTreeMap;

use crate::function::Function;
use crate::recurrence::{Cell, Recurrence};
use crate::shape::elements;

/// Index of a value in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub usize);

/// A dense f32 constant in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Size of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Elements; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// A tensor that flows between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Name in the source model, or one derived from it.
    pub name: String,
    /// Static shape, batch dimension 1 included.
    pub shape: Vec<usize>,
}

/// Geometry of a sliding window over height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps in height and width.
    pub kernel: [usize; 2],
    /// Steps in height and width.
    pub strides: [usize; 2],
    /// Distance between taps in height and width.
    pub dilations: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// Output height and width for an input of `[height, width]`, or `None` where the window is larger than the padded input.
    pub fn output_size(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for axis in 0..2 {
            let extent = (self.kernel[axis].checked_sub(1)?).checked_mul(self.dilations[axis])?.checked_add(1)?;
            let padded = input[axis].checked_add(self.pads[axis])?.checked_add(self.pads[axis + 2])?;
            out[axis] = padded.checked_sub(extent)?.checked_div(self.strides[axis])? + 1;
        }
        Some(out)
    }

    /// Where along an axis (0 height, 1 width) of this size the tap of an output pixel lies; `None` in padding.
    pub fn place(&self, axis: usize, output: usize, tap: usize, size: usize) -> Option<usize> {
        let padded = output * self.strides[axis] + tap * self.dilations[axis];
        padded.checked_sub(self.pads[axis]).filter(|&place| place < size)
    }

    /// Whether any padding is present.
    pub fn is_padded(&self) -> bool {
        self.pads.iter().any(|&p| p > 0)
    }
}

/// Where the pixels of an enlarged image come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelSource {
    /// The nearest pixel.
    Nearest,
    /// The four nearest pixels, linearly interpolated between pixel centres; edge pixels continue outwards.
    Bilinear,
    /// Channels, those of one pixel together (ONNX DepthToSpace, mode DCR).
    DepthFirst,
    /// Channels, those of one output channel together (ONNX DepthToSpace, mode CRD; PyTorch's pixel shuffle).
    ColumnFirst,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// Cross-correlation over `[1, C, H, W]` plus bias.
    Convolution {
        /// `[outputs, inputs / groups, kernel height, kernel width]`.
        weight: Tensor,
        /// One per output channel.
        bias: Vec<f32>,
        /// Kernel, strides, dilations, padding.
        window: Window,
        /// Number of groups; equal to the input channels for depthwise.
        groups: usize,
        /// What padding holds, per input channel; `None` is zero.
        pad_value: Option<Vec<f32>>,
    },
    /// `y = W x + b` over the last axis.
    Dense {
        /// `[outputs, inputs]`.
        weight: Tensor,
        /// One per output.
        bias: Vec<f32>,
    },
    /// `y = scale[c] * x + offset[c]` along axis 1 (or the only axis beside the batch).
    Affine {
        /// One per channel.
        scale: Vec<f32>,
        /// One per channel.
        offset: Vec<f32>,
    },
    /// Sum of two tensors; one of them may have size 1 where the other is larger.
    Add,
    /// First minus second; shapes as for [`Operator::Add`].
    Subtract,
    /// Product, element by element; shapes as for [`Operator::Add`].
    Multiply,
    /// A function of each element.
    Function(Function),
    /// Rounding to the numbers `(q − zero_point) · scale` with an int8 `q`: how a model that is quantized already says so.
    Quantize {
        /// Distance of two numbers.
        scale: f32,
        /// Code of zero.
        zero_point: i8,
    },
    /// Tensors side by side along an axis.
    Concat {
        /// Axis, counted from the front.
        axis: usize,
    },
    /// Part of a tensor.
    Slice {
        /// Axis, counted from the front.
        axis: usize,
        /// First index that is kept.
        start: usize,
        /// Index behind the last that is kept.
        end: usize,
    },
    /// Zeros around a tensor.
    Pad {
        /// Axis, counted from the front.
        axis: usize,
        /// Zeros before the first index.
        before: usize,
        /// Zeros behind the last index.
        after: usize,
    },
    /// Images enlarged by a factor.
    Upsample {
        /// Factor of height and width.
        factor: usize,
        /// Where pixels come from.
        source: PixelSource,
    },
    /// Images whose rows and columns lie at any places of the input, linearly interpolated between the pixels around them.
    Resample {
        /// For each row of the output its place in the input, from 0 to the input's last row; −1 for a row of zeros.
        rows: Vec<f32>,
        /// For each column of the output its place in the input.
        columns: Vec<f32>,
    },
    /// Channel `c` of the output is the largest of the input's channels `c + k · outputs`, for all `k`.
    MaxOfChannels {
        /// Channels of the output, a divisor of the input's.
        outputs: usize,
    },
    /// `min(max(x, min), max)`; ReLU is `[0, ∞)`, ReLU6 `[0, 6]`.
    Clamp {
        /// Lower bound, may be `-∞`.
        min: f32,
        /// Upper bound, may be `∞`.
        max: f32,
    },
    /// Maximum over a window; padding never wins.
    MaxPool {
        /// Kernel, strides, dilations, padding.
        window: Window,
    },
    /// Mean over a window; global pooling has the kernel of the whole input.
    AveragePool {
        /// Kernel, strides, padding; dilations are 1.
        window: Window,
        /// Whether padding counts as zeros in the mean.
        count_include_pad: bool,
    },
    /// `exp(x) / sum(exp(x))` along an axis.
    Softmax {
        /// Axis of the sum, counted from the front.
        axis: usize,
    },
    /// `ln(exp(x) / sum(exp(x)))` along an axis.
    LogSoftmax {
        /// Axis of the sum, counted from the front.
        axis: usize,
    },
    /// A recurrent layer behind its input projection: `[steps, 1, gates · units]` to `[steps, 1, units]`.
    Recurrence(Recurrence),
    /// Reorders axes: output axis `i` is input axis `permutation[i]`.
    Transpose {
        /// A permutation of the axes, batch included.
        permutation: Vec<usize>,
    },
    /// Elements of a flat graph input, as many as the output value has, in its shape: one of several inputs that come together.
    Part {
        /// First element.
        start: usize,
    },
    /// Same elements in row-major order, other shape (that of the output value).
    Reshape,
}

/// Most weights of a convolution that only moves elements.
const MAX_PICKED: usize = 1 << 24;

impl Operator {
    /// A convolution in steps of `block` whose outputs are single input numbers: the channel and the place in the block of each.
    /// `None` where it would be absurdly large.
    pub fn pick(channels: usize, block: usize, sources: &[(usize, usize)]) -> Option<Self> {
        let shape = vec![sources.len(), channels, block, block];
        let area = block.checked_mul(block)?;
        let mut data = vec![0.0; elements(&shape).filter(|&n| n <= MAX_PICKED)?];
        for (output, (channel, place)) in sources.iter().enumerate() {
            data[(output * channels + channel) * area + place] = 1.0;
        }
        let (weight, bias) = (Tensor { shape, data }, vec![0.0; sources.len()]);
        let window = Window { kernel: [block; 2], strides: [block; 2], dilations: [1, 1], pads: [0; 4] };
        Some(Self::Convolution { weight, bias, window, groups: 1, pad_value: None })
    }

    /// Whether the operator takes `[1, channels, height, width]` alone.
    pub fn takes_image(&self) -> bool {
        matches!(
            self,
            Operator::Convolution { .. }
                | Operator::Upsample { .. }
                | Operator::Resample { .. }
                | Operator::MaxOfChannels { .. }
                | Operator::MaxPool { .. }
                | Operator::AveragePool { .. }
        )
    }

    /// The operator's name as users know it (ONNX's, where there is one).
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Convolution { .. } => "Conv",
            Operator::Dense { .. } => "Gemm",
            Operator::Affine { .. } => "Affine",
            Operator::Add => "Add",
            Operator::Subtract => "Sub",
            Operator::Multiply => "Mul",
            Operator::Function(function) => function.name(),
            Operator::Quantize { .. } => "QuantizeLinear",
            Operator::Concat { .. } => "Concat",
            Operator::Slice { .. } => "Slice",
            Operator::Pad { .. } => "Pad",
            Operator::Upsample { source: PixelSource::Nearest | PixelSource::Bilinear, .. } => "Resize",
            Operator::Resample { .. } => "Resize",
            Operator::MaxOfChannels { .. } => "ReduceMax",
            Operator::Upsample { .. } => "DepthToSpace",
            Operator::LogSoftmax { .. } => "LogSoftmax",
            Operator::Clamp { .. } => "Clip",
            Operator::MaxPool { .. } => "MaxPool",
            Operator::AveragePool { .. } => "AveragePool",
            Operator::Softmax { .. } => "Softmax",
            Operator::Recurrence(Recurrence { cell: Cell::Lstm, .. }) => "LSTM",
            Operator::Recurrence(_) => "GRU",
            Operator::Transpose { .. } => "Transpose",
            Operator::Part { .. } => "Part",
            Operator::Reshape => "Reshape",
        }
    }
}

/// One operation with its inputs and its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name in the source model, or one derived from it.
    pub name: String,
    /// What it computes.
    pub operator: Operator,
    /// Values read, in the operator's order.
    pub inputs: Vec<ValueId>,
    /// Value written; no other node writes it.
    pub output: ValueId,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Name of the model.
    pub name: String,
    /// All values.
    pub values: Vec<Value>,
    /// Nodes, each after those whose outputs it reads.
    pub nodes: Vec<Node>,
    /// Values fed from outside.
    pub inputs: Vec<ValueId>,
    /// Values handed out.
    pub outputs: Vec<ValueId>,
    /// Free-form metadata; `residua.front_end` and `residua.labels` are understood.
    pub metadata: BTreeMap<String, String>,
}

impl Graph {
    /// The value behind an id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// Adds a value and returns its id.
    pub fn add_value(&mut self, name: impl Into<String>, shape: Vec<usize>) -> ValueId {
        self.values.push(Value { name: name.into(), shape });
        ValueId(self.values.len() - 1)
    }

    /// Indices of the nodes that read a value.
    pub fn consumers(&self, id: ValueId) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&n| self.nodes[n].inputs.contains(&id)).collect()
    }

    /// Index of the node that writes a value, or `None` for a graph input.
    pub fn producer(&self, id: ValueId) -> Option<usize> {
        self.nodes.iter().position(|n| n.output == id)
    }

    /// Multiply-accumulate operations of one inference: convolutions, dense and recurrent layers, padding included.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|n| self.node_macs(n)).sum()
    }

    /// Multiply-accumulate operations of one node.
    pub fn node_macs(&self, node: &Node) -> u64 {
        let elements = |id: ValueId| self.value(id).shape.iter().map(|&d| d as u64).product::<u64>();
        match &node.operator {
            Operator::Convolution { weight, .. } => {
                elements(node.output) * weight.shape[1..].iter().map(|&d| d as u64).product::<u64>()
            }
            Operator::Dense { weight, .. } => elements(node.output) * weight.shape[1] as u64,
            Operator::Recurrence(recurrence) => elements(node.inputs[0]) * recurrence.units() as u64,
            _ => 0,
        }
    }

    /// Number of trained constants: weights, biases, scales and offsets.
    pub fn parameters(&self) -> u64 {
        self.nodes
            .iter()
            .map(|n| match &n.operator {
                Operator::Convolution { weight, bias, .. } | Operator::Dense { weight, bias } => {
                    weight.data.len() + bias.len()
                }
                Operator::Affine { scale, offset } => scale.len() + offset.len(),
                Operator::Recurrence(recurrence) => recurrence.weight.data.len() + recurrence.bias.len(),
                _ => 0,
            } as u64)
            .sum()
    }
}
