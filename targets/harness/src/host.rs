//! What the device does with a stream of audio, done on the host with the same code: the device's answer must equal it.

use crate::aligned::aligned;
use crate::{HarnessError, OutputRow};
use residua::engine::{Engine, EngineError};
use residua::frontend::{FrontEnd, Stream};
use residua::plan::Plan;

/// Streams audio through front end and engine on the host. A model that takes a window of fixed length begins a new one
/// where one is full, as on the device.
///
/// # Errors
/// The plan is refused or has no front end.
pub fn audio_on_host(plan: &[u8], samples: &[i16]) -> Result<Vec<OutputRow>, HarnessError> {
    let plan = aligned(plan);
    let plan = Plan::load(plan.bytes())?;
    let front_end = plan.front_end().ok_or(HarnessError::NoFrontEnd)?;
    let mut scratch = vec![0; front_end.scratch_len()];
    let mut stream = Stream::new(front_end, &mut scratch)?;
    let mut arena = vec![0; plan.arena_len() + 16];
    let start = arena.as_ptr().align_offset(16).min(16);
    let mut engine = Engine::new(plan, &mut arena[start..start + plan.arena_len()])?;
    let mut row = vec![0; plan.input().row_len()];
    let mut rows = Vec::new();
    let mut result = Ok(());
    let mut hear = |features: &[i32]| {
        if let Err(error) = push(&mut engine, front_end, features, &mut row, &mut rows) {
            result = Err(error);
        }
    };
    stream.push(samples, &mut hear);
    stream.finish(&mut hear);
    Ok(result.map(|()| rows)?)
}

fn push(
    engine: &mut Engine<'_, '_>,
    front_end: FrontEnd<'_>,
    features: &[i32],
    row: &mut [i8],
    rows: &mut Vec<OutputRow>,
) -> Result<(), EngineError> {
    front_end.quantize(features, row);
    let mut keep = |index: u32, values: &[i8]| rows.push(OutputRow { index, values: values.to_vec() });
    match engine.push_row(row, &mut keep) {
        Err(EngineError::InputEnded) => {
            engine.reset();
            engine.push_row(row, &mut keep)
        }
        result => result,
    }
}
