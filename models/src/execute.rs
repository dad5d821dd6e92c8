//! Float execution of models by tract.

use std::cell::Cell;
use std::collections::HashSet;
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

/// Most nodes of a piece: the time that tract takes to prepare a model grows faster than its size.
const PIECE: usize = 256;

/// A float graph whose values are all kept.
#[derive(Clone, Debug)]
pub struct GraphExecutor {
    pieces: Vec<Piece>,
    inputs: Vec<ValueId>,
    lengths: Vec<usize>,
    value_count: usize,
}

/// Nodes that follow each other, as a model of their own.
#[derive(Clone, Debug)]
struct Piece {
    executor: Executor,
    /// The values that its nodes read from elsewhere, in the order of the executor's inputs.
    read: Vec<ValueId>,
    /// The values that its nodes write, in the order of the executor's outputs.
    written: Vec<ValueId>,
}

impl GraphExecutor {
    /// Prepares a graph.
    ///
    /// # Errors
    /// tract refuses it.
    pub fn new(graph: &Graph) -> Result<Self, ExecuteError> {
        let pieces = graph.nodes.chunks(PIECE).map(|nodes| {
            let written: Vec<ValueId> = nodes.iter().map(|node| node.output).collect();
            let inside: HashSet<ValueId> = written.iter().copied().collect();
            let mut seen = HashSet::new();
            let from_elsewhere = nodes.iter().flat_map(|node| &node.inputs).filter(|&id| !inside.contains(id));
            let read: Vec<ValueId> = from_elsewhere.copied().filter(|&id| seen.insert(id)).collect();
            let part = Graph {
                name: graph.name.clone(),
                values: graph.values.clone(),
                nodes: nodes.to_vec(),
                inputs: read.clone(),
                outputs: written.clone(),
                ..Graph::default()
            };
            Ok(Piece { executor: Executor::of_onnx(&export(&part))?, read, written })
        });
        let pieces = pieces.collect::<Result<_, ExecuteError>>()?;
        let lengths = graph.inputs.iter().map(|&input| graph.value(input).shape.iter().product()).collect();
        Ok(Self { pieces, inputs: graph.inputs.clone(), lengths, value_count: graph.values.len() })
    }

    /// Every value of one run, by [`ValueId`]; values that no node writes are empty.
    ///
    /// # Errors
    /// An input has the wrong length, or tract fails.
    pub fn run(&self, inputs: &[&[f32]]) -> Result<Vec<Vec<f32>>, ExecuteError> {
        let mut values = vec![Vec::new(); self.value_count];
        for (index, (id, &needed)) in self.inputs.iter().zip(&self.lengths).enumerate() {
            let input = inputs.get(index).copied().unwrap_or(&[]);
            if input.len() != needed {
                return Err(ExecuteError::Input { index, given: input.len(), needed });
            }
            values[id.0] = input.to_vec();
        }
        for piece in &self.pieces {
            let read: Vec<&[f32]> = piece.read.iter().map(|id| values[id.0].as_slice()).collect();
            let outputs = piece.executor.run(&read)?;
            piece.written.iter().zip(outputs).for_each(|(id, output)| values[id.0] = output);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::graph::{Node, Operator};

    #[test]
    fn pieces_run_like_the_whole() {
        let mut graph = Graph::default();
        let mut last = graph.add_value("x", vec![1, 2, 3, 1]);
        let first = last;
        graph.inputs.push(last);
        for index in 0..PIECE + 3 {
            let output = graph.add_value(format!("v{index}"), vec![1, 2, 3, 1]);
            let affine = Operator::Affine { scale: vec![0.9, -0.9], offset: vec![0.1, 0.2] };
            let (operator, inputs) =
                if index % 50 == 49 { (Operator::Add, vec![last, first]) } else { (affine, vec![last]) };
            graph.nodes.push(Node { name: format!("n{index}"), operator, inputs, output });
            last = output;
        }
        graph.outputs.push(last);
        let input: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let executor = GraphExecutor::new(&graph).unwrap();
        let (found, expected) = (executor.run(&[&input]).unwrap(), evaluate(&graph, &[&input]));
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        assert!(executor.run(&[&input[..5]]).is_err());
    }
}
