//! The float model on many inputs.

use rayon::prelude::*;
use residua_models::execute::{ExecuteError, GraphExecutor};

/// Inputs that run at once.
const AT_ONCE: usize = 8;

/// Runs the float model on inputs, several at once, and hands the values of each over in the inputs' order: sums of rounded
/// numbers depend on the order, and a plan is the same whatever the number of threads.
///
/// # Errors
/// The model cannot be run on an input.
pub(crate) fn in_order(
    executor: &GraphExecutor,
    inputs: &[Vec<f32>],
    mut each: impl FnMut(&[Vec<f32>]),
) -> Result<(), ExecuteError> {
    for inputs in inputs.chunks(AT_ONCE) {
        let values = inputs.par_iter().map(|input| executor.run(&[input]));
        values.collect::<Result<Vec<_>, _>>()?.iter().for_each(|values| each(values));
    }
    Ok(())
}
