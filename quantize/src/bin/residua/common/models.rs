//! Reading models and plans.

use super::failure::{Failure, Kind};
use residua::plan::Plan;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::compile::Model;
use residua_quantize::ports::Port;
use residua_quantize::precision::Activations;
use residua_quantize::stream::Timing;
use std::path::Path;

/// Most elements of an input or output.
const MAX_FRAME: usize = 1 << 31;

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Kind::Input, format!("cannot read {}: {error}", path.display())))
}

/// Whether a file is a plan, or was one before it was damaged; else it is taken for ONNX.
pub fn is_plan(path: &Path, bytes: &[u8]) -> bool {
    bytes.starts_with(&residua::plan::format::MAGIC.to_le_bytes())
        || path.extension().is_some_and(|extension| extension == "plan")
}

/// Bytes of a plan, read and aligned.
pub fn read_plan(path: &Path) -> Result<AlignedBytes, Failure> {
    Ok(AlignedBytes::from(read(path)?))
}

/// A plan from its file's bytes, weights included in the check.
pub fn load_plan<'p>(path: &Path, bytes: &'p AlignedBytes) -> Result<Plan<'p>, Failure> {
    let check = |plan: Plan<'p>| plan.verify_constants().map(|()| plan);
    let plan = Plan::load(bytes).and_then(check).map_err(|error| Failure::from(error).about(path.display()))?;
    // The runtime takes any number of rows; this machine may have to hold those of a frame.
    let delay = Timing::of_plan(&plan).map_or(0, |timing| timing.delay);
    let rows = [(Port::input(&plan), delay), (Port::output(&plan), 0)];
    for (port, more) in rows {
        let [rows, columns, channels] = port.value.shape;
        let len = (rows.saturating_add(more as usize)).saturating_mul(columns * channels);
        if len > MAX_FRAME {
            let reason = format!("{}: {rows} rows are more than a whole frame may have", path.display());
            return Err(Failure::new(Kind::Input, reason));
        }
    }
    Ok(plan)
}

/// A float model, imported for such activations.
pub fn import(path: &Path, activations: Activations) -> Result<Model, Failure> {
    Model::import_for(&read(path)?, activations).map_err(|error| Failure::from(error).about(path.display()))
}
