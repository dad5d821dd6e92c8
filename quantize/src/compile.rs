//! The whole way from ONNX bytes to a plan.

use crate::aligned::AlignedBytes;
use crate::budget::{self, Budget, BudgetError};
use crate::calibrate::{Method, Observed, in_order};
use crate::correct::correct_output;
use crate::declared;
use crate::equalize;
use crate::fuse::fuse;
use crate::gate::gate;
use crate::lower::{LowerError, RowGraph, RowOperator, lower};
use crate::padding;
use crate::poles;
use crate::ports;
use crate::precision::{self, Activations};
use crate::qgraph::QGraph;
use crate::quantize::{QuantizeError, Statistics, quantize};
use crate::rounding::round_weights;
use crate::schedule::Schedule;
use crate::stream::{STREAM_KEY, Sliding, StreamError, Timing};
use crate::validate;
use crate::write::Extras;
use rayon::prelude::*;
use residua::plan::{Element, PlanError};
use residua_models::data::ModelInput;
use residua_models::execute::{ExecuteError, GraphExecutor};
use residua_models::frontend::{FrontEndSpec, FrontEndSpecError};
use residua_models::graph::{Graph, ValueId};
use residua_models::inputs::{self, Part};
use residua_models::{onnx, rewrite};
use std::collections::BTreeMap;

/// Largest number of calibration inputs that are used: more change nothing but the time.
pub const MAX_CALIBRATION: usize = 100;

/// Metadata key of the front end's parameters.
pub const FRONT_END_KEY: &str = "residua.front_end";
/// Provenance key of the size of the fast region at the arena's start, in bytes.
pub const FAST_RAM_KEY: &str = "fast-ram";
/// Metadata key of the class names, comma separated.
pub const LABELS_KEY: &str = "residua.labels";

/// Why a model cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The ONNX file cannot be read or holds operators that are not supported.
    #[error(transparent)]
    Import(#[from] onnx::ImportError),
    /// Nodes have forms that the engine cannot run.
    #[error("{}", list(.0))]
    Unsupported(Vec<LowerError>),
    /// The float model cannot be run for calibration.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The quantized model cannot be run for comparison.
    #[error("the quantized model cannot be run: {0}")]
    Simulate(String),
    /// A quantized model says types of its own.
    #[error("the model is quantized: its activations keep the bits that it says; compile it without --activations")]
    Quantized,
    /// Some values of a quantized model have no scale.
    #[error(
        "the model is quantized, but says no scale for the outputs of {} node(s): {}; give inputs as --calibration DATA, or put QuantizeLinear and DequantizeLinear behind them",
        .0.len(),
        .0.join(", ")
    )]
    PartlyQuantized(Vec<String>),
    /// No calibration input was given.
    #[error("the model is not quantized yet: calibration inputs are needed")]
    NoCalibration,
    /// A layer has no integer form.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The front end in the model's metadata is damaged.
    #[error("metadata `residua.front_end`: {0}")]
    FrontEnd(#[from] FrontEndSpecError),
    /// The model's labels do not match its output.
    #[error("metadata `residua.labels` has {labels} names, the output has {outputs} classes")]
    Labels {
        /// Names given.
        labels: usize,
        /// Classes of the output.
        outputs: usize,
    },
    /// The model cannot run as a stream.
    #[error("{}", list(.0))]
    Stream(Vec<StreamError>),
    /// The model does not fit its budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The model does not fit the plan format.
    #[error("the model does not fit the plan format: {0}")]
    Plan(#[from] PlanError),
}

fn list(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A float model, imported and rewritten, ready for calibration.
#[derive(Clone, Debug)]
pub struct Model {
    /// The float graph after all rewrites.
    pub graph: Graph,
    /// Its row form.
    pub rows: RowGraph,
    /// Front end, where the input is audio.
    pub front_end: Option<FrontEndSpec>,
    /// Class names.
    pub labels: Vec<String>,
    /// The inputs, where there are several.
    pub parts: Vec<Part>,
    provenance: Vec<(String, String)>,
}

impl Model {
    /// Imports an ONNX model, for int8 activations.
    ///
    /// # Errors
    /// The bytes are no ONNX model, or nodes are not supported: all of them are named.
    pub fn import(bytes: &[u8]) -> Result<Self, CompileError> {
        Self::import_for(bytes, Activations::Int8)
    }

    /// Imports an ONNX model, rewritten as suits these activations.
    ///
    /// # Errors
    /// As [`Model::import`].
    pub fn import_for(bytes: &[u8], activations: Activations) -> Result<Self, CompileError> {
        let mut graph = onnx::import(bytes)?;
        match activations {
            Activations::Int16 => rewrite::sparing_weights(&mut graph),
            Activations::Int8 | Activations::Auto { .. } => rewrite::to_fixed_point(&mut graph),
        };
        let parts = inputs::join(&mut graph);
        let rows = lower(&graph).map_err(CompileError::Unsupported)?;
        let front_end = front_end_of(&graph.metadata)?;
        let labels = labels_of(&graph.metadata);
        let outputs = rows.outputs.first().map_or(0, |&o| rows.values[o].shape[2]);
        if !labels.is_empty() && labels.len() != outputs {
            return Err(CompileError::Labels { labels: labels.len(), outputs });
        }
        let mut provenance = vec![
            ("model".to_string(), graph.name.clone()),
            ("model-crc32".to_string(), format!("{:08x}", residua::plan::Checksum::of(bytes))),
            ("tool".to_string(), format!("residua {}", env!("CARGO_PKG_VERSION"))),
        ];
        let declared = |id: &ValueId| graph.value(*id).shape.as_slice();
        let ends = [
            (ports::INPUT_KEY, graph.inputs.first(), rows.values.get(rows.input).map(|v| v.strides)),
            (ports::OUTPUT_KEY, graph.outputs.first(), rows.output_strides.first().copied()),
        ];
        for (key, id, strides) in ends {
            let note = id.zip(strides).map(|(id, strides)| ports::note(declared(id), strides));
            provenance.extend(note.map(|note| (key.to_string(), note)));
        }
        for part in &parts {
            let value = rows.nodes.iter().find(|n| n.operator == RowOperator::Part { start: part.start });
            let strides = value.map(|n| rows.values[n.output].strides);
            let note = strides.map(|strides| ports::part_note(&part.name, &part.shape, strides));
            provenance.extend(note.map(|note| (ports::part_key(part.start), note)));
        }
        Ok(Self { graph, rows, front_end, labels, parts, provenance })
    }

    /// What the model takes.
    pub fn input(&self) -> ModelInput {
        let shape = self.graph.inputs.first().map_or(vec![], |&input| self.graph.value(input).shape.clone());
        ModelInput { shape, parts: self.parts.clone(), front_end: self.front_end.clone() }
    }

    /// Rewrites that need to see values and leave the model's function as it is: channels become alike in size
    /// ([`crate::equalize`]), padding that int8 cannot hold is taken apart ([`crate::padding`]), and arguments that int8 cannot tell
    /// from zero stay off poles ([`crate::poles`]).
    ///
    /// # Errors
    /// The float model cannot be run on an input.
    fn balance(&mut self, inputs: &[Vec<f32>]) -> Result<(), CompileError> {
        let equalized = equalize::equalize(&mut self.graph, inputs)?;
        let separated = padding::separate(&mut self.graph, inputs)?;
        if equalized + separated + poles::keep_off(&mut self.graph, inputs)? > 0 {
            self.rows = lower(&self.graph).map_err(CompileError::Unsupported)?;
        }
        Ok(())
    }

    /// What calibration inputs (flat, in the layout that the ONNX model declares) say of all row values, after balancing the
    /// model; its output is corrected with them ([`crate::correct`]).
    ///
    /// # Errors
    /// There is no input, the float model cannot be run on one, a layer has no integer form, or 16 bits are asked for of a
    /// model that is quantized.
    pub fn calibrate(
        &mut self,
        inputs: &[Vec<f32>],
        method: Method,
        activations: Activations,
    ) -> Result<Vec<Statistics>, CompileError> {
        if self.is_quantized() {
            if activations != Activations::Int8 {
                return Err(CompileError::Quantized);
            }
            // Balancing and correction would only take the model away from what it says.
            return self.declared(inputs, method);
        }
        if inputs.is_empty() {
            return Err(CompileError::NoCalibration);
        }
        self.balance(inputs)?;
        let executor = GraphExecutor::new(&self.graph)?;
        let (first, second) = inputs.split_at(inputs.len() / 2);
        let (mut observed, others) = (self.observe(&executor, first)?, self.observe(&executor, second)?);
        let method = match method {
            Method::Mse => validate::method(self, [(first, &observed), (second, &others)])?,
            other => other,
        };
        observed.iter_mut().zip(others).for_each(|(a, b)| a.merge(b));
        let mut statistics: Vec<Statistics> = observed.iter().map(|o| o.statistics(method)).collect();
        precision::choose(self, &mut statistics, inputs, activations)?;
        round_weights(self, &statistics, inputs)?;
        correct_output(self, &statistics, inputs)?;
        Ok(statistics)
    }

    /// What the float model's row values are for these inputs.
    fn observe(&self, executor: &GraphExecutor, inputs: &[Vec<f32>]) -> Result<Vec<Observed>, ExecuteError> {
        let mut observed: Vec<Observed> = self.rows.values.iter().map(|v| Observed::new(v.shape[2])).collect();
        in_order(executor, inputs, |values| {
            observed.par_iter_mut().zip(&self.rows.values).for_each(|(observed, row_value)| {
                observed.add(&row_value.to_rows(&values[row_value.source.0]));
            });
        })?;
        Ok(observed)
    }

    /// Whether the model says scales and zero points of its own.
    pub fn is_quantized(&self) -> bool {
        self.rows.values.iter().any(|v| v.quantization.is_some())
    }

    /// Whether the model says, or lets follow, a scale for every value: no calibration inputs are needed then.
    pub fn needs_no_inputs(&self) -> bool {
        self.is_quantized() && declared::ranges(&self.rows).iter().all(Option::is_some)
    }

    /// Statistics of a quantized model: of values whose scales it leaves open, what the inputs say.
    fn declared(&self, inputs: &[Vec<f32>], method: Method) -> Result<Vec<Statistics>, CompileError> {
        let ranges = declared::ranges(&self.rows);
        let open: Vec<usize> = (0..ranges.len()).filter(|&value| ranges[value].is_none()).collect();
        if open.is_empty() {
            return Ok(ranges.into_iter().map(|range| range.unwrap_or_default().into()).collect());
        }
        if inputs.is_empty() {
            let writer = |value: &usize| self.rows.nodes.iter().find(|n| n.output == *value);
            let name = |value: &usize| writer(value).map_or(&self.rows.values[*value].name, |node| &node.name);
            return Err(CompileError::PartlyQuantized(open.iter().map(name).cloned().collect()));
        }
        let observed = self.observe(&GraphExecutor::new(&self.graph)?, inputs)?;
        let statistics = |(range, seen): (Option<[f32; 2]>, &Observed)| match range {
            Some(range) => range.into(),
            None => Statistics { element: Element::Int8, ..seen.statistics(method) },
        };
        Ok(ranges.into_iter().zip(&observed).map(statistics).collect())
    }

    /// Quantizes, schedules and writes the plan.
    ///
    /// # Errors
    /// A layer has no integer form, or the model does not fit the budget.
    pub fn compile(
        &self,
        statistics: &[Statistics],
        method: Method,
        budget: &Budget,
    ) -> Result<Compiled, CompileError> {
        self.finish(fuse(gate(quantize(&self.rows, statistics)?)), method, budget, None)
    }

    /// The same for a stream: rows come without end, and the plan notes its [`Timing`].
    ///
    /// # Errors
    /// A layer has no integer form or does not go on from row to row, or the model does not fit the budget.
    pub fn compile_stream(
        &self,
        statistics: &[Statistics],
        method: Method,
        budget: &Budget,
    ) -> Result<Compiled, CompileError> {
        let sliding = Sliding::new(&quantize(&self.rows, statistics)?).map_err(CompileError::Stream)?;
        self.finish(sliding.endless(), method, budget, Some(Timing::of(&sliding)))
    }

    fn finish(
        &self,
        graph: QGraph,
        method: Method,
        budget: &Budget,
        timing: Option<Timing>,
    ) -> Result<Compiled, CompileError> {
        let input = &graph.values[graph.input];
        let front_end = match &self.front_end {
            Some(spec) => spec.section(input.scale, input.zero_point)?,
            None => vec![],
        };
        let mut provenance = self.provenance.clone();
        provenance.push(("calibration".into(), method.to_string()));
        provenance.extend(timing.map(|timing| (STREAM_KEY.to_string(), timing.note())));
        if budget.fast_ram > 0 {
            provenance.push((FAST_RAM_KEY.into(), budget.fast_ram.to_string()));
        }
        let extras = Extras { front_end, labels: self.labels.clone(), provenance };
        let (schedule, bytes) = budget::fit(&graph, &extras, budget)?;
        Ok(Compiled { bytes, graph, schedule, timing })
    }
}

/// A plan with what it was made from.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The plan.
    pub bytes: AlignedBytes,
    /// The quantized graph.
    pub graph: QGraph,
    /// Placement in time and memory.
    pub schedule: Schedule,
    /// Times of a stream; `None` for whole frames.
    pub timing: Option<Timing>,
}

/// The front end that a model's metadata describe.
///
/// # Errors
/// The description is damaged.
pub fn front_end_of(metadata: &BTreeMap<String, String>) -> Result<Option<FrontEndSpec>, FrontEndSpecError> {
    metadata.get(FRONT_END_KEY).map(|json| FrontEndSpec::from_json(json)).transpose()
}

/// The class names in a model's metadata.
pub fn labels_of(metadata: &BTreeMap<String, String>) -> Vec<String> {
    metadata.get(LABELS_KEY).map_or(vec![], |l| l.split(',').map(|l| l.trim().to_string()).collect())
}
