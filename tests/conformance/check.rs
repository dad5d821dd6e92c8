//! One case: imported, run by the graph's definition, rewritten and run again, and as a plan where it has an integer form.

use super::case::{Case, Data};
use prost::Message;
use residua::plan::Plan;
use residua_models::data::{Array, Item};
use residua_models::evaluate::evaluate;
use residua_models::graph::{Graph, Operator, ValueId};
use residua_models::onnx::{ImportError, UnsupportedNode, import, supported, survey};
use residua_models::{rewrite, shape};
use residua_quantize::calibrate::Method;
use residua_quantize::compile::{CompileError, Model};
use residua_quantize::feed::{PlanModel, Predict};
use residua_quantize::precision::Activations;
use std::collections::BTreeSet;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::Value as Type;

/// What came of a case.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The graph gives the expected outputs. Of its plan: the largest error, as a share of the output's range, or why
    /// there is none.
    Passed { plan: Result<f64, String> },
    /// The graph gives the expected outputs; the plan is off by more than [`LARGEST_PLAN_ERROR`].
    Coarse(f64),
    /// The importer does not take it.
    Unsupported(String),
    /// It is taken, and something is wrong.
    Failed(String),
}

impl Outcome {
    /// Whether the graph gives the expected outputs.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed { .. } | Self::Coarse(_))
    }
}

/// Largest error of a plan that passes, as a share of the output's range: a few of 255 steps, since input, constants and
/// output are rounded to 8 bits each.
pub const LARGEST_PLAN_ERROR: f64 = 0.03;

/// Checks a case. Inputs that must be constant in what residua takes become constants; batches are taken apart.
pub fn check(case: &Case) -> Outcome {
    let unknown = unknown_operators(case);
    let mut reason = unknown.clone();
    for flowing in choices(case) {
        let given = match Given::new(case, &flowing) {
            Ok(given) => given,
            Err(why) => {
                reason.get_or_insert(why);
                continue;
            }
        };
        match import(&given.bytes) {
            Ok(graph) => return compare(&given, &graph, case),
            Err(ImportError::Unsupported(nodes)) => {
                let why: Vec<_> = nodes.iter().map(reason_of).collect();
                // What is said of the choice with constants counts.
                reason = Some(unknown.clone().unwrap_or_else(|| why.join("; ")));
            }
            Err(error) => reason = Some(reason.unwrap_or_else(|| error.to_string())),
        }
    }
    Outcome::Unsupported(reason.unwrap_or_else(|| "it has no input".into()))
}

/// Operators of a case that are in no table of the importer, where there are any.
fn unknown_operators(case: &Case) -> Option<String> {
    let mut model = case.model.clone();
    case.inputs.iter().filter(|data| !data.shape.is_empty()).for_each(|data| one_item(&mut model, &data.name));
    let unsupported = survey(&model.encode_to_vec()).map(|survey| survey.unsupported).unwrap_or_default();
    let known = |operator: &str| supported().any(|name| name == operator);
    let unknown: BTreeSet<_> = unsupported.iter().filter(|n| !known(&n.operator)).map(reason_of).collect();
    (!unknown.is_empty()).then(|| unknown.into_iter().collect::<Vec<_>>().join("; "))
}

fn reason_of(node: &UnsupportedNode) -> String {
    format!("{}: {}", node.operator, node.reason)
}

/// Which inputs are fed, the others being constants: all, or the first, or another one.
fn choices(case: &Case) -> Vec<Vec<usize>> {
    let count = case.inputs.len();
    let single = (0..count).rev().map(|i| vec![i]);
    let mut choices: Vec<_> = (count > 1).then(|| (0..count).collect()).into_iter().collect();
    choices.extend(single);
    choices
}

/// A case with its constants and batches settled.
struct Given<'a> {
    bytes: Vec<u8>,
    /// One input a batch item, by fed input.
    fed: Vec<&'a Data>,
    items: usize,
}

impl<'a> Given<'a> {
    fn new(case: &'a Case, flowing: &[usize]) -> Result<Self, String> {
        let fed: Vec<&Data> = flowing.iter().map(|&i| &case.inputs[i]).collect();
        let batch = |data: &Data| data.shape.first().copied().unwrap_or(1);
        let items = fed.first().map_or(1, |data| batch(data));
        let mut model = case.model.clone();
        if items != 1 {
            if fed.iter().any(|data| batch(data) != items) || case.outputs.iter().any(|data| batch(data) != items) {
                return Err(format!("a batch of {items} is not one throughout"));
            }
            if mixes_items(&model, case) {
                return Err(format!("it works along the first axis, that of the batch, which has size {items}"));
            }
            for data in &fed {
                one_item(&mut model, &data.name);
            }
        }
        if let Some(graph) = &mut model.graph {
            let constants = case.inputs.iter().enumerate().filter(|(i, _)| !flowing.contains(i));
            graph.initializer.extend(constants.map(|(_, data)| data.proto.clone()));
        }
        Ok(Self { bytes: model.encode_to_vec(), fed, items })
    }

    /// Inputs of one batch item.
    fn item(&self, index: usize) -> Vec<&'a [f32]> {
        let part = |data: &&'a Data| {
            let len = data.values.len() / self.items;
            &data.values[index * len..][..len]
        };
        self.fed.iter().map(part).collect()
    }
}

/// Whether attributes or constants of the nodes speak of the first axis.
fn mixes_items(model: &ModelProto, case: &Case) -> bool {
    let nodes = model.graph.iter().flat_map(|g| &g.node);
    nodes.into_iter().any(|node| {
        let rank = case.inputs.first().map_or(0, |data| data.shape.len() as i64);
        let first = |axis: i64| axis == 0 || axis == -rank;
        let shapes = ["Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile", "Pad", "Slice"];
        let from_older_list =
            matches!(node.op_type.as_str(), "Concat" | "Split") && node.attribute.iter().all(|a| a.name != "axis");
        let whole = node.op_type.starts_with("Reduce") && node.attribute.iter().all(|a| a.name != "axes");
        whole
            || from_older_list
            || shapes.contains(&node.op_type.as_str())
            || node.attribute.iter().any(|a| match a.name.as_str() {
                "axis" => a.r#type == AttributeType::Int as i32 && first(a.i),
                "axes" => a.ints.iter().copied().any(first),
                "transA" => a.i != 0,
                _ => false,
            })
    })
}

fn one_item(model: &mut ModelProto, name: &str) {
    let inputs = model.graph.iter_mut().flat_map(|g| &mut g.input).filter(|i| i.name == name);
    for input in inputs {
        if let Some(Type::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
            && let Some(batch) = tensor.shape.as_mut().and_then(|shape| shape.dim.first_mut())
        {
            batch.value = Some(Size::DimValue(1));
        }
    }
}

fn compare(given: &Given<'_>, graph: &Graph, case: &Case) -> Outcome {
    let mut rewritten = graph.clone();
    rewrite::to_fixed_point(&mut rewritten);
    for (graph, what) in [(graph, "as imported"), (&rewritten, "after rewrites")] {
        if let Err(error) = shape::check(graph) {
            return Outcome::Failed(format!("{what}: {error}"));
        }
        let items: Vec<Vec<Vec<f32>>> = (0..given.items)
            .map(|item| {
                let values = evaluate(graph, &given.item(item));
                graph.outputs.iter().map(|o| values[o.0].clone()).collect()
            })
            .collect();
        for (index, expected) in case.outputs.iter().enumerate() {
            let found: Vec<f32> = items.iter().flat_map(|outputs| outputs[index].clone()).collect();
            if let Err(why) = agree(graph, graph.outputs[index], &found, expected) {
                return Outcome::Failed(format!("{what}: {why}"));
            }
        }
    }
    let plan = plan_error(given, graph);
    match plan {
        Ok(error) if error > LARGEST_PLAN_ERROR => Outcome::Coarse(error),
        plan => Outcome::Passed { plan },
    }
}

/// Real numbers within 0.1 %, codes of quantized models within one.
fn agree(graph: &Graph, output: ValueId, found: &[f32], expected: &Data) -> Result<(), String> {
    if found.len() != expected.values.len() {
        return Err(format!("{} elements instead of {}", found.len(), expected.values.len()));
    }
    let codes = quantization(graph, output).filter(|_| matches!(expected.datatype, DataType::Int8 | DataType::Uint8));
    for (&found, &expected_element) in found.iter().zip(&expected.values) {
        let close = match codes {
            Some((scale, zero)) => {
                let first = if expected.datatype == DataType::Uint8 { 128.0 } else { 0.0 };
                (found / scale + f32::from(zero) + first - expected_element).abs() <= 1.001
            }
            None => {
                let half = matches!(expected.datatype, DataType::Float16 | DataType::Bfloat16);
                let share = if half { 1e-2 } else { 1e-3 };
                let same = found == expected_element || found.is_nan() && expected_element.is_nan();
                same || (found - expected_element).abs() <= share * expected_element.abs() + 1e-5
            }
        };
        if !close {
            return Err(format!("{found} instead of {expected_element}"));
        }
    }
    Ok(())
}

/// Scale and zero point of an output's codes.
fn quantization(graph: &Graph, output: ValueId) -> Option<(f32, i8)> {
    let mut at = output;
    loop {
        let node = graph.nodes.get(graph.producer(at)?)?;
        match node.operator {
            Operator::Quantize { scale, zero_point } => return Some((scale, zero_point)),
            _ => at = node.inputs[0],
        }
    }
}

/// The largest error of the plan against the float graph.
fn plan_error(given: &Given<'_>, graph: &Graph) -> Result<f64, String> {
    let of_compiling = |error: CompileError| error.to_string().lines().next().unwrap_or_default().to_string();
    let mut model = Model::import(&given.bytes).map_err(of_compiling)?;
    let [output] = graph.outputs[..] else { return Err("it has several outputs".into()) };
    let inputs: Vec<Vec<f32>> = (0..given.items).map(|item| given.item(item)[0].to_vec()).collect();
    let method = Method::default();
    let statistics = model.calibrate(&inputs, method, Activations::Int8).map_err(of_compiling)?;
    let compiled = model.compile(&statistics, method, &Default::default()).map_err(of_compiling)?;
    let plan = Plan::load(&compiled.bytes).map_err(|error| error.to_string())?;
    let plan = PlanModel::new(plan);
    let (mut error, mut least, mut largest) = (0.0f64, f64::INFINITY, f64::NEG_INFINITY);
    for input in inputs {
        let expected = evaluate(graph, &[&input])[output.0].clone();
        let shape = plan.input().declared.clone();
        let found = plan.predict(Item::Array(Array { shape, values: input })).map_err(|error| error.to_string())?;
        for (found, expected) in found.iter().zip(&expected) {
            let (found, expected) = (f64::from(*found), f64::from(*expected));
            error = error.max((found - expected).abs());
            (least, largest) = (least.min(expected), largest.max(expected));
        }
    }
    Ok(error / (largest.max(0.0) - least.min(0.0)).max(f64::from(f32::MIN_POSITIVE)))
}
