//! The operators that are understood. [`TABLE`] is the only list of them: to add one, write its handler and its line.

mod convolution;
mod dense;
mod einsum;
mod elementwise;
mod functions;
mod fused;
mod join;
mod logic;
mod normalization;
mod order;
mod pad;
mod parts;
mod places;
mod pooling;
mod qlinear;
mod quantization;
mod recurrent;
mod reduce;
mod resize;
mod shape;
mod stacks;
mod upsampling;
mod volumes;

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;

use super::attributes::Attributes;
use super::constant::Constant;
use super::error::ImportError;
use crate::graph::{Graph, Node, Operator, ValueId};
use crate::shape::infer;

/// Turns a node into nodes of the graph; gives the values of its outputs.
pub(super) type Handler = fn(&mut Builder, &Call<'_>) -> Result<Vec<ValueId>, Reject>;

const TABLE: &[(&str, Handler)] = &[
    ("Abs", functions::absolute),
    ("Add", elementwise::add),
    ("And", logic::and),
    ("AveragePool", pooling::average),
    ("BatchNormalization", normalization::batch),
    ("Cast", shape::cast),
    ("CastLike", shape::cast_like),
    ("Ceil", functions::ceil),
    ("Celu", functions::celu),
    ("Clip", elementwise::clip),
    ("Concat", join::concat),
    ("Conv", convolution::convolution),
    ("ConvTranspose", upsampling::transposed_convolution),
    ("DepthToSpace", upsampling::depth_to_space),
    ("DequantizeLinear", quantization::dequantize),
    ("Div", elementwise::divide),
    ("Dropout", shape::dropout),
    ("Einsum", einsum::einsum),
    ("Elu", functions::elu),
    ("Erf", functions::erf),
    ("Erfc", functions::complementary_erf),
    ("Exp", functions::exponential),
    ("Expand", shape::expand),
    ("Flatten", shape::flatten),
    ("Floor", functions::floor),
    ("Gelu", functions::gelu),
    ("GRU", recurrent::gru),
    ("Gather", parts::gather),
    ("Gemm", dense::gemm),
    ("GlobalAveragePool", pooling::global_average),
    ("GlobalMaxPool", pooling::global_max),
    ("Greater", logic::greater),
    ("GreaterOrEqual", logic::greater_or_equal),
    ("GroupNormalization", normalization::group),
    ("HardSigmoid", functions::hard_sigmoid),
    ("HardSwish", functions::hard_swish),
    ("Identity", shape::identity),
    ("InstanceNormalization", normalization::instance),
    ("LSTM", recurrent::lstm),
    ("LayerNormalization", normalization::layer),
    ("LeakyRelu", functions::leaky_relu),
    ("Less", logic::less),
    ("LessOrEqual", logic::less_or_equal),
    ("Log", functions::logarithm),
    ("LogSoftmax", normalization::log_softmax),
    ("MatMul", dense::matmul),
    ("Max", elementwise::maximum),
    ("MaxPool", pooling::max),
    ("Mean", elementwise::mean),
    ("Min", elementwise::minimum),
    ("Mish", functions::mish),
    ("Mul", elementwise::multiply),
    ("Neg", elementwise::negate),
    ("Not", logic::not),
    ("Or", logic::or),
    ("PRelu", functions::parametric_relu),
    ("Pad", pad::pad),
    ("Pow", functions::power),
    ("QLinearConv", qlinear::convolution),
    ("QLinearMatMul", qlinear::matmul),
    ("QuantizeLinear", quantization::quantize),
    ("Reciprocal", functions::reciprocal),
    ("ReduceL1", reduce::l1),
    ("ReduceL2", reduce::l2),
    ("ReduceMax", reduce::max),
    ("ReduceMean", reduce::mean),
    ("ReduceMin", reduce::min),
    ("ReduceSum", reduce::sum),
    ("ReduceSumSquare", reduce::sum_of_squares),
    ("Relu", elementwise::relu),
    ("Reshape", shape::reshape),
    ("Resize", resize::resize),
    ("ReverseSequence", parts::reverse_sequence),
    ("Round", functions::round),
    ("Selu", functions::selu),
    ("Sigmoid", functions::sigmoid),
    ("Sign", logic::sign),
    ("Slice", parts::slice),
    ("Softmax", normalization::softmax),
    ("Softplus", functions::softplus),
    ("Softsign", functions::softsign),
    ("SpaceToDepth", upsampling::space_to_depth),
    ("Split", parts::split),
    ("Sqrt", functions::square_root),
    ("Squeeze", shape::squeeze),
    ("Sub", elementwise::subtract),
    ("Sum", elementwise::sum),
    ("Swish", functions::swish),
    ("Tanh", functions::tanh),
    ("ThresholdedRelu", functions::thresholded_relu),
    ("Tile", shape::tile),
    ("Transpose", shape::transpose),
    ("Unsqueeze", shape::unsqueeze),
    ("Upsample", resize::resize),
    ("Where", logic::choose),
    ("com.microsoft.BiasGelu", fused::gelu),
    ("com.microsoft.DequantizeLinear", quantization::dequantize),
    ("com.microsoft.FastGelu", fused::fast_gelu),
    ("com.microsoft.FusedConv", fused::convolution),
    ("com.microsoft.FusedGemm", fused::gemm),
    ("com.microsoft.FusedMatMul", fused::matmul),
    ("com.microsoft.Gelu", fused::gelu),
    ("com.microsoft.QGemm", qlinear::gemm),
    ("com.microsoft.QLinearAdd", qlinear::add),
    ("com.microsoft.QLinearAveragePool", qlinear::average_pool),
    ("com.microsoft.QLinearConcat", qlinear::concat),
    ("com.microsoft.QLinearGlobalAveragePool", qlinear::global_average),
    ("com.microsoft.QLinearLeakyRelu", qlinear::leaky_relu),
    ("com.microsoft.QLinearMul", qlinear::multiply),
    ("com.microsoft.QLinearSigmoid", qlinear::sigmoid),
    ("com.microsoft.QLinearSoftmax", qlinear::softmax),
    ("com.microsoft.QuantizeLinear", quantization::quantize),
    ("com.microsoft.QuickGelu", functions::quick_gelu),
];

/// Names of the operators that are understood, beside those that are folded when all their inputs are constant.
pub fn supported() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

pub(super) fn find(operator: &str) -> Option<Handler> {
    TABLE.iter().find(|(name, _)| *name == operator).map(|(_, handler)| *handler)
}

/// The rejection of an operator that is not in the table.
pub(super) fn unknown(operator: &str) -> Reject {
    let (reason, nearest) = match operator {
        "ConvInteger" | "MatMulInteger" | "DynamicQuantizeLinear" => (
            "its scales are found while the model runs",
            "scales found before: QLinearConv, QLinearMatMul, or QuantizeLinear and DequantizeLinear around float operators",
        ),
        _ if operator.starts_with("com.microsoft.nchwc.") => (
            "it was made for one processor by ONNX Runtime's optimizer",
            "the model before it was optimized, or optimized at the level basic or extended",
        ),
        "RNN" => ("this operator is not supported", "LSTM or GRU"),
        _ => ("this operator is not supported", ""),
    };
    unsupported(reason, nearest)
}

/// Whether a graph input of this type can be fed: floats, and integers that stand for real numbers.
pub(super) fn is_input_type(datatype: DataType) -> bool {
    use DataType::{Bfloat16, Double, Float, Float16, Int8, Int32, Int64, Uint8, Undefined};
    matches!(datatype, Float | Float16 | Bfloat16 | Double | Int8 | Uint8 | Int32 | Int64 | Undefined)
}

/// Whether elements of this type are codes of a quantized model or numbers as they are.
pub(super) fn is_integer(datatype: DataType) -> bool {
    matches!(datatype, DataType::Int8 | DataType::Uint8 | DataType::Int32 | DataType::Int64)
}

/// Why a handler does not take a node.
#[derive(Debug)]
pub(super) enum Reject {
    /// The form cannot be expressed.
    Unsupported { reason: String, nearest: String },
    /// The node contradicts the operator's definition.
    Invalid(String),
    /// A constant is damaged.
    Import(ImportError),
}

impl From<String> for Reject {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<ImportError> for Reject {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

pub(super) fn unsupported(reason: impl Into<String>, nearest: impl Into<String>) -> Reject {
    Reject::Unsupported { reason: reason.into(), nearest: nearest.into() }
}

/// An input of a node.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Constant(&'a Constant),
    Value(ValueId),
}

/// A node of the file, with its inputs resolved; an input that is left out is `None`.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) attributes: Attributes<'a>,
    pub(super) operands: &'a [Option<Operand<'a>>],
    pub(super) outputs: &'a [String],
    pub(super) opset: i64,
}

impl<'a> Call<'a> {
    pub(super) fn operand(&self, index: usize) -> Option<Operand<'a>> {
        self.operands.get(index).copied().flatten()
    }

    /// An input that flows.
    pub(super) fn value(&self, index: usize) -> Result<ValueId, Reject> {
        match self.operand(index) {
            Some(Operand::Value(id)) => Ok(id),
            Some(Operand::Constant(c)) => {
                Err(unsupported(format!("input {index} ({}) is a constant", c.name), "a computed input"))
            }
            None => Err(Reject::Invalid(format!("input {index} is missing"))),
        }
    }

    /// An input that must be constant.
    pub(super) fn constant(&self, index: usize) -> Result<&'a Constant, Reject> {
        self.optional_constant(index)?.ok_or_else(|| Reject::Invalid(format!("input {index} is missing")))
    }

    pub(super) fn optional_constant(&self, index: usize) -> Result<Option<&'a Constant>, Reject> {
        match self.operand(index) {
            Some(Operand::Constant(c)) => Ok(Some(c)),
            Some(Operand::Value(_)) => {
                Err(unsupported(format!("input {index} is computed by the model"), format!("a constant input {index}")))
            }
            None => Ok(None),
        }
    }

    /// A list of integers: an attribute in older operator sets, an input in newer ones.
    pub(super) fn list(&self, name: &str, index: usize) -> Result<Option<Vec<i64>>, Reject> {
        if let Some(list) = self.attributes.ints(name)? {
            return Ok(Some(list.to_vec()));
        }
        match self.optional_constant(index)? {
            Some(constant) => Ok(Some(constant.integers()?.to_vec())),
            None => Ok(None),
        }
    }
}

/// The graph under construction.
pub(super) struct Builder {
    pub(super) graph: Graph,
    /// Graph inputs that hold integers.
    pub(super) integers: Vec<ValueId>,
    /// Values that repeat another one along axes of size 1: operators that broadcast read that one.
    pub(super) spread: HashMap<ValueId, ValueId>,
}

impl Builder {
    pub(super) fn new(graph: Graph) -> Self {
        Self { graph, integers: vec![], spread: HashMap::new() }
    }

    /// Whether a value's elements are integers that came from outside, moved at most.
    pub(super) fn is_fed(&self, value: ValueId) -> bool {
        self.integers.contains(&self.origin(value))
    }

    /// Scale and zero point of a value whose elements were quantized and moved at most since.
    pub(super) fn quantization(&self, value: ValueId) -> Option<(f32, i8)> {
        let node = self.graph.producer(self.origin(value))?;
        match self.graph.nodes.get(node)?.operator {
            Operator::Quantize { scale, zero_point } => Some((scale, zero_point)),
            _ => None,
        }
    }

    /// The value that an element comes from before it was moved.
    fn origin(&self, value: ValueId) -> ValueId {
        let mut at = value;
        while let Some(node) = self.graph.producer(at).and_then(|n| self.graph.nodes.get(n)) {
            match node.operator {
                Operator::Transpose { .. }
                | Operator::Reshape
                | Operator::Slice { .. }
                | Operator::Pad { .. }
                | Operator::Concat { .. }
                | Operator::MaxPool { .. }
                | Operator::Resample { .. }
                | Operator::MaxOfChannels { .. }
                | Operator::Upsample { .. } => at = node.inputs[0],
                _ => break,
            }
        }
        at
    }

    pub(super) fn shape(&self, value: ValueId) -> &[usize] {
        &self.graph.value(value).shape
    }

    /// Appends a node whose output's shape follows from its inputs.
    pub(super) fn emit(&mut self, call: &Call<'_>, operator: Operator, inputs: &[ValueId]) -> Result<ValueId, Reject> {
        self.push(call, operator, inputs, None)
    }

    /// Appends a reshape, unless the shape is there already.
    pub(super) fn reshape(&mut self, call: &Call<'_>, input: ValueId, shape: Vec<usize>) -> Result<ValueId, Reject> {
        if self.shape(input) == shape {
            return Ok(input);
        }
        self.push(call, Operator::Reshape, &[input], Some(shape))
    }

    fn push(
        &mut self,
        call: &Call<'_>,
        operator: Operator,
        inputs: &[ValueId],
        target: Option<Vec<usize>>,
    ) -> Result<ValueId, Reject> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&i| self.shape(i)).collect();
        if let (true, Some(batch)) =
            (operator.takes_image(), shapes.first().and_then(|s| s.first()).filter(|&&b| b > 1))
        {
            return Err(unsupported(format!("a batch of {batch} images"), "one image: a batch of 1"));
        }
        let shape = infer(&operator, &shapes, target.as_deref()).map_err(|e| Reject::Invalid(e.0))?;
        let name = call.outputs.first().map_or(call.name, String::as_str).to_string();
        let output = self.graph.add_value(name, shape);
        self.graph.nodes.push(Node { name: call.name.into(), operator, inputs: inputs.to_vec(), output });
        Ok(output)
    }
}
