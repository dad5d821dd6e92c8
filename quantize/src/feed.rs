//! From data to a model's input, for both sides of a comparison: the float model and the plan.

use crate::compile::{front_end_of, labels_of};
use crate::ports::Port;
use crate::simulate;
use crate::stream::Timing;
use residua::engine::EngineError;
use residua::frontend::{FrontEnd, Stream};
use residua::plan::Plan;
use residua_models::data::{Array, DataError, Item, ModelInput, arrange, join, samples_of_frames, to_length};
use residua_models::execute::{ExecuteError, Executor};
use residua_models::frontend::FrontEndSpecError;
use residua_models::inputs::Part;
use residua_models::onnx::survey;

/// Why a model gives no output for an item.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The item cannot be read or does not match the model.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The float model cannot be run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The plan cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The front end in the model's metadata is damaged.
    #[error("metadata `residua.front_end`: {0}")]
    FrontEnd(#[from] FrontEndSpecError),
}

/// What takes an item and gives its (first) output: real numbers in the order that the model declares.
pub trait Predict: Sync {
    /// Class names, where there are any.
    fn labels(&self) -> &[String];

    /// The output for an item.
    ///
    /// # Errors
    /// The item does not match the model.
    fn predict(&self, item: Item) -> Result<Vec<f32>, FeedError>;
}

/// A float model with all that it needs to take data.
#[derive(Clone, Debug)]
pub struct FloatModel {
    executor: Executor,
    input: ModelInput,
    labels: Vec<String>,
}

impl FloatModel {
    /// An ONNX file as it stands.
    ///
    /// # Errors
    /// The file is damaged, or the model cannot be run.
    pub fn new(onnx: &[u8]) -> Result<Self, FeedError> {
        // The importer finds contradictions that the executor does not look for.
        let survey = survey(onnx).map_err(ExecuteError::from)?;
        let metadata = survey.metadata;
        let executor = Executor::of_onnx(onnx)?;
        let (mut parts, mut start) = (vec![], 0);
        for (input, shape) in survey.inputs.into_iter().zip(executor.input_shapes()) {
            parts.push(Part { name: input.name, shape: shape.clone(), start });
            start += shape.iter().product::<usize>();
        }
        let shape = match executor.input_shapes() {
            [shape] => {
                parts.clear();
                shape.clone()
            }
            _ => vec![1, start],
        };
        let input = ModelInput { shape, parts, front_end: front_end_of(&metadata)? };
        Ok(Self { executor, input, labels: labels_of(&metadata) })
    }
}

impl Predict for FloatModel {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn predict(&self, item: Item) -> Result<Vec<f32>, FeedError> {
        let input = self.input.values(item)?;
        let mut inputs = vec![];
        let mut rest = input.as_slice();
        for shape in self.executor.input_shapes() {
            let (part, behind) = rest.split_at(shape.iter().product::<usize>().min(rest.len()));
            inputs.push(part);
            rest = behind;
        }
        Ok(self.executor.run(&inputs)?.into_iter().next().unwrap_or_default())
    }
}

/// A plan with all that it needs to take data.
#[derive(Clone, Debug)]
pub struct PlanModel<'p> {
    plan: Plan<'p>,
    input: Port,
    output: Port,
    labels: Vec<String>,
    timing: Option<Timing>,
}

impl<'p> PlanModel<'p> {
    /// A plan, to be run on the host.
    pub fn new(plan: Plan<'p>) -> Self {
        let labels = plan.labels().map(str::to_owned).collect();
        let timing = Timing::of_plan(&plan);
        Self { plan, input: Port::input(&plan), output: Port::output(&plan), labels, timing }
    }

    /// The input, in the model's terms.
    pub fn input(&self) -> &Port {
        &self.input
    }

    /// The output, in the model's terms.
    pub fn output(&self) -> &Port {
        &self.output
    }

    /// The plan.
    pub fn plan(&self) -> &Plan<'p> {
        &self.plan
    }

    /// Times of the stream, where the plan is that of one.
    pub fn timing(&self) -> Option<&Timing> {
        self.timing.as_ref()
    }

    /// The input of a stream, as bytes of rows, for numbers of any number of rows.
    ///
    /// # Errors
    /// The shape is none that the model declares, whatever the number of rows.
    pub fn stream(&self, array: Array) -> Result<Vec<i8>, DataError> {
        let [_, columns, channels] = self.input.value.shape;
        let rows = array.values.len() / (columns * channels).max(1);
        let port = self.input.with_rows(rows);
        Ok(port.quantize(&arrange(array, &port.declared)?))
    }

    /// The plan's input for an item, as bytes of rows; of a stream plan, that for one window. Recordings go through the plan's own front end.
    ///
    /// # Errors
    /// The item does not match the plan.
    pub fn quantized(&self, item: Item) -> Result<Vec<i8>, DataError> {
        let declared = &self.input.declared;
        let recording = match item {
            Item::Array(array) => return Ok(self.input.quantize(&arrange(array, declared)?)),
            Item::Arrays(arrays) => return Ok(self.input.quantize(&join(arrays, &self.input.named_parts())?)),
            Item::Recording(recording) => recording,
        };
        let front_end = self.plan.front_end().ok_or_else(|| DataError::NoFrontEnd { declared: declared.clone() })?;
        let record = *front_end.record();
        if recording.sample_rate != record.sample_rate {
            return Err(DataError::SampleRate { found: recording.sample_rate, needed: record.sample_rate });
        }
        let frames = self.input.value.shape[0];
        let (window, hop) = (record.window_len.into(), record.hop.into());
        let samples = to_length(recording.samples, samples_of_frames(frames, window, hop, record.centered == 1));
        Ok(features(front_end, &samples).map_err(FrontEndSpecError::Runtime)?)
    }
}

impl Predict for PlanModel<'_> {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn predict(&self, item: Item) -> Result<Vec<f32>, FeedError> {
        let mut input = self.quantized(item)?;
        let Some(timing) = &self.timing else {
            return Ok(self.output.dequantize(&simulate::run(&self.plan, &input)?));
        };
        // Zeros follow, as the model's own padding would.
        let rows = timing.window as usize + timing.delay as usize;
        input.resize(rows * self.plan.input().row_len(), self.input.value.zero_point);
        Ok(self.output.dequantize(&simulate::run_stream(&self.plan, &input)?))
    }
}

/// A signal as int8 rows.
fn features(front_end: FrontEnd<'_>, samples: &[i16]) -> Result<Vec<i8>, residua::frontend::FrontEndError> {
    let mut scratch = vec![0; front_end.scratch_len()];
    let mut stream = Stream::new(front_end, &mut scratch)?;
    let mut rows = Vec::new();
    let mut keep = |features: &[i32]| {
        let start = rows.len();
        rows.resize(start + features.len(), 0);
        front_end.quantize(features, &mut rows[start..]);
    };
    stream.push(samples, &mut keep);
    stream.finish(&mut keep);
    Ok(rows)
}
