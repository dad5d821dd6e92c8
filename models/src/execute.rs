//! Float execution of models by tract.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::*;

use crate::graph::{Graph, ValueId};
use crate::onnx::{ImportError, check_for_execution, export};

/// Why a float model cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The file is damaged.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// tract refuses the model, or fails while it runs.
    #[error("the float model cannot be run: {0}")]
    Tract(String),
    /// An input has the wrong number of elements, or there are too many or too few.
    #[error("input {index} has {given} elements, the model takes {needed}")]
    Input {
        /// Index of the input.
        index: usize,
        /// Elements given.
        given: usize,
        /// Elements needed.
        needed: usize,
    },
}

impl From<TractError> for ExecuteError {
    fn from(error: TractError) -> Self {
        // The chain from the outermost context to the cause.
        Self::Tract(format!("{error:#}"))
    }
}

/// A float model, ready to run. Inputs and outputs are flat, in row-major order of the shapes that the model declares.
#[derive(Clone, Debug)]
pub struct Executor {
    model: Arc<TypedRunnableModel>,
    input_shapes: Vec<Vec<usize>>,
}

impl Executor {
    /// An ONNX file as it stands, operators that cannot be imported included where tract knows them.
    ///
    /// # Errors
    /// The file is damaged, or tract refuses the model.
    pub fn of_onnx(bytes: &[u8]) -> Result<Self, ExecuteError> {
        let (proto, input_shapes) = check_for_execution(bytes)?;
        guarded(|| {
            let model = tract_onnx::onnx().model_for_proto_model(&proto)?.into_optimized()?.into_runnable()?;
            Ok(Self { model, input_shapes })
        })
    }

    /// Shapes of the inputs.
    pub fn input_shapes(&self) -> &[Vec<usize>] {
        &self.input_shapes
    }

    /// Outputs of one run.
    ///
    /// # Errors
    /// An input has the wrong length, or tract fails.
    pub fn run(&self, inputs: &[&[f32]]) -> Result<Vec<Vec<f32>>, ExecuteError> {
        let mut tensors = tvec!();
        for (index, shape) in self.input_shapes.iter().enumerate() {
            let needed = shape.iter().product();
            let input = inputs.get(index).copied().unwrap_or(&[]);
            if input.len() != needed {
                return Err(ExecuteError::Input { index, given: input.len(), needed });
            }
            let datatype = self.model.model().input_fact(index)?.datum_type;
            let tensor = Tensor::from_shape(shape, input)?.cast_to_dt(datatype)?.into_owned();
            tensors.push(tensor.into_tvalue());
        }
        guarded(|| {
            let outputs = self.model.run(tensors)?;
            outputs
                .iter()
                .map(|output| Ok(output.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
                .collect()
        })
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside tract, whose panics become errors: a panic hook may then be silent.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// tract indexes by attributes that it has not checked: where it panics over a model, the model is at fault.
fn guarded<T>(work: impl FnOnce() -> Result<T, ExecuteError>) -> Result<T, ExecuteError> {
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.unwrap_or_else(|panic| {
        let reason = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(ExecuteError::Tract(reason.unwrap_or("it panicked").into()))
    })
}

/// A float graph whose values are all kept.
#[derive(Clone, Debug)]
pub struct GraphExecutor {
    executor: Executor,
    inputs: Vec<ValueId>,
    /// The values that nodes write, in the order of the executor's outputs.
    written: Vec<ValueId>,
    value_count: usize,
}

impl GraphExecutor {
    /// Prepares a graph.
    ///
    /// # Errors
    /// tract refuses it.
    pub fn new(graph: &Graph) -> Result<Self, ExecuteError> {
        let written: Vec<ValueId> = graph.nodes.iter().map(|node| node.output).collect();
        let all = Graph { outputs: written.clone(), ..graph.clone() };
        let executor = Executor::of_onnx(&export(&all))?;
        Ok(Self { executor, inputs: graph.inputs.clone(), written, value_count: graph.values.len() })
    }

    /// Every value of one run, by [`ValueId`]; values that no node writes are empty.
    ///
    /// # Errors
    /// An input has the wrong length, or tract fails.
    pub fn run(&self, inputs: &[&[f32]]) -> Result<Vec<Vec<f32>>, ExecuteError> {
        let mut values = vec![Vec::new(); self.value_count];
        for (id, output) in self.written.iter().zip(self.executor.run(inputs)?) {
            values[id.0] = output;
        }
        for (id, input) in self.inputs.iter().zip(inputs) {
            values[id.0] = input.to_vec();
        }
        Ok(values)
    }
}
