//! Runs the built command and makes its inputs.

pub mod data;
pub mod onnx;
pub mod random;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a run of the command left.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The JSON object on standard output; nothing else may stand there.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.any_json()
    }

    /// The JSON object of a run that may have failed.
    pub fn any_json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }

    /// Fails the test unless the run ended with this code and one message that names these things.
    #[track_caller]
    pub fn fails(&self, code: i32, names: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{self:?}");
        for name in names {
            assert!(self.stderr.contains(name), "{name} is not in: {self:?}");
        }
        if code != 6 {
            assert_eq!(self.stdout, "", "{self:?}");
        }
    }
}

/// Runs `residua`.
pub fn residua<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_residua")).args(arguments).output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `residua` with a command line that is split at spaces.
pub fn command(line: &str) -> Outcome {
    residua(line.split_whitespace())
}

/// A folder for one test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::with_prefix("residua-test-").unwrap())
    }

    /// A path in it, as text.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    /// Writes a file; its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Names of what is in it, hidden files too.
    pub fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The small network of [`onnx::network`], its calibration data and its plan, compiled: paths of model, data, plan.
    pub fn compiled(&self) -> [String; 3] {
        let model = self.write("model.onnx", onnx::network().encode());
        let data = self.write("data.npz", data::npz(&data::images(24, [3, 8, 8]), None));
        let plan = self.path("model.plan");
        residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
        [model, data, plan]
    }
}

/// A path in `shared/` beside the checkout; prints that the test is skipped where there is none.
pub fn shared(path: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let found = shared.join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: no ../shared/{path}");
    None
}
