//! What is measured, as it is written and read again.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The committed file, in the source tree.
pub const FILE: &str = "benches/results.json";

/// All figures, by model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub device: BTreeMap<String, ModelResult>,
    pub host: BTreeMap<String, HostResult>,
}

/// A plan, and what it costs by core.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelResult {
    pub macs: u64,
    pub plan_bytes: u64,
    pub arena_bytes: u64,
    pub cores: BTreeMap<String, CoreResult>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreResult {
    Figures(Figures),
    DoesNotFit(String),
}

/// An inference on an emulated core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    pub load_instructions: u64,
    pub stack_bytes: u64,
    pub code_bytes: u64,
    pub equals_host: bool,
}

/// Inferences a second on the host, on one thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostResult {
    pub residua: f64,
    pub onnx_runtime: f64,
}

impl Results {
    pub fn read(text: &str) -> Result<Self, Box<dyn Error>> {
        Ok(serde_json::from_str(text)?)
    }

    /// Those of the last commit; where there is no git, those of the file; none where there is none.
    pub fn committed() -> Result<Self, Box<dyn Error>> {
        let shown = Command::new("git").args(["show", &format!("HEAD:./{FILE}")]).output();
        if let Ok(shown) = shown
            && shown.status.success()
        {
            return Self::read(&String::from_utf8(shown.stdout)?);
        }
        Self::of_file()
    }

    /// Those of the file; none where there is none.
    pub fn of_file() -> Result<Self, Box<dyn Error>> {
        if Path::new(FILE).exists() { Self::read(&fs::read_to_string(FILE)?) } else { Ok(Self::default()) }
    }

    /// Takes over what `new` holds.
    pub fn merge(&mut self, new: Self) {
        for (key, model) in new.device {
            let cores = model.cores.clone();
            let old = self.device.insert(key.clone(), model).unwrap_or_default();
            if let Some(merged) = self.device.get_mut(&key) {
                merged.cores = old.cores;
                merged.cores.extend(cores);
            }
        }
        self.host.extend(new.host);
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let part = format!("{path}.part");
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).map_err(|error| format!("{path}: {error}").into())
}
