//! Plans on the host beside ONNX Runtime, both on one thread.

use crate::command::report;
use crate::models::Host;
use crate::results::HostResult;
use std::error::Error;
use std::process::Command;

/// Rounds, of which the best counts: the two take turns, so that both see the same machine.
const ROUNDS: usize = 3;

/// Whether there is a Python with ONNX Runtime.
pub fn has_onnx_runtime() -> bool {
    let import = Command::new("python3").args(["-c", "import numpy, onnxruntime"]).output();
    import.is_ok_and(|output| output.status.success())
}

/// Inferences a second.
pub fn measure(host: &Host, plan: &str) -> Result<HostResult, Box<dyn Error>> {
    let mut best = HostResult { residua: 0.0, onnx_runtime: 0.0 };
    for _ in 0..ROUNDS {
        let fixed = ["eval", plan, "--data", host.data, "--threads", "1", "--limit", "100"];
        let report = report(&[&fixed[..], host.arguments].concat())?;
        best.residua = best.residua.max(report["samples_per_second"].as_f64().unwrap_or(0.0));
        best.onnx_runtime = best.onnx_runtime.max(onnx_runtime(host.quantized)?);
    }
    Ok(best)
}

fn onnx_runtime(model: &str) -> Result<f64, Box<dyn Error>> {
    let mut python = Command::new("python3");
    let output = python.args(["benches/onnxruntime_speed.py", model]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse();
    number.map_err(|_| format!("{python:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
