//! Reading models and plans.

use super::failure::{Failure, Kind};
use residua::plan::Plan;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::compile::Model;
use std::path::Path;

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
    Plan::load(bytes).and_then(check).map_err(|error| Failure::from(error).about(path.display()))
}

/// A float model, imported.
pub fn import(path: &Path) -> Result<Model, Failure> {
    Model::import(&read(path)?).map_err(|error| Failure::from(error).about(path.display()))
}
