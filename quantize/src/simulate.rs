//! Runs plans on the host: the device's own runtime, compiled for this machine.

use crate::aligned::AlignedBytes;
use rayon::prelude::*;
use residua::engine::{Engine, EngineError, Observer};
use residua::plan::{Checksum, GoldenInput, Plan};

/// Runs one input; the (first) output's elements, in row order.
///
/// # Errors
/// The input has the wrong length.
pub fn run(plan: &Plan<'_>, input: &[i8]) -> Result<Vec<i8>, EngineError> {
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut output = vec![0; plan.output().len()];
    Engine::new(*plan, &mut arena)?.run(input, &mut output)?;
    Ok(output)
}

/// Runs many inputs on all cores.
///
/// # Errors
/// An input has the wrong length.
pub fn run_all(plan: &Plan<'_>, inputs: &[Vec<i8>]) -> Result<Vec<Vec<i8>>, EngineError> {
    inputs.par_iter().map(|input| run(plan, input)).collect()
}

/// Runs the rows of one stream; the elements of all rows of the (first) output that come, in row order.
///
/// # Errors
/// The input does not consist of whole rows, or is longer than the plan's.
pub fn run_stream(plan: &Plan<'_>, input: &[i8]) -> Result<Vec<i8>, EngineError> {
    let row_len = plan.input().row_len().max(1);
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut engine = Engine::new(*plan, &mut arena)?;
    let mut output = vec![];
    for row in input.chunks(row_len) {
        engine.push_row(row, |_, row| output.extend_from_slice(row))?;
    }
    Ok(output)
}

/// Runs one input and keeps every row of every value, whole, in row order; the input included.
///
/// # Errors
/// The input has the wrong length.
pub fn run_values(plan: &Plan<'_>, input: &[i8]) -> Result<Vec<Vec<i8>>, EngineError> {
    struct Keep(Vec<Vec<i8>>);
    impl Observer for Keep {
        fn row(&mut self, _step: u16, value: u16, _row: u32, elements: &[i8]) {
            // Rows of a value come in order.
            if let Some(rows) = self.0.get_mut(usize::from(value)) {
                rows.extend_from_slice(elements);
            }
        }
    }
    let needed = plan.input().len();
    if input.len() != needed {
        return Err(EngineError::Length { needed, given: input.len() });
    }
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut engine = Engine::new(*plan, &mut arena)?;
    let mut keep = Keep(vec![vec![]; plan.value_count().into()]);
    for row in input.chunks_exact(plan.input().row_len().max(1)) {
        engine.push_with(|slot| slot.copy_from_slice(row), &mut keep)?;
    }
    if let Some(rows) = keep.0.get_mut(usize::from(plan.input_value())) {
        *rows = input.to_vec();
    }
    Ok(keep.0)
}

/// Checksums over `rows` rows of golden input: of the output rows and of the rows of each step.
pub(crate) fn golden_checksums(plan: &Plan<'_>, seed: u32, rows: u32) -> (u32, Vec<u32>) {
    struct Sums {
        output: u16,
        total: Checksum,
        steps: Vec<Checksum>,
    }
    impl Observer for Sums {
        fn row(&mut self, step: u16, value: u16, _row: u32, elements: &[i8]) {
            let bytes: &[u8] = bytemuck::cast_slice(elements);
            if value == self.output {
                self.total.update(bytes);
            }
            if let Some(sum) = self.steps.get_mut(usize::from(step)) {
                sum.update(bytes);
            }
        }
    }
    let steps = vec![Checksum::new(); plan.step_count().into()];
    let mut sums = Sums { output: plan.output_value(), total: Checksum::new(), steps };
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    if let Ok(mut engine) = Engine::new(*plan, &mut arena) {
        let mut golden = GoldenInput::new(seed);
        for _ in 0..rows {
            if engine.push_with(|row| golden.fill(row), &mut sums).is_err() {
                break;
            }
        }
    }
    (sums.total.value(), sums.steps.iter().map(Checksum::value).collect())
}
