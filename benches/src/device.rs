//! Plans on emulated cores.

use crate::command::{Outcome, number, report, residua};
use crate::models::Model;
use crate::results::{CoreResult, Figures, ModelResult};
use serde_json::Value;
use std::error::Error;
use std::fs;

/// Compiles a model to `plan`, and runs an input on each of the cores that it is measured on.
pub fn measure(model: &Model, plan: &str, cores: &[&str]) -> Result<ModelResult, Box<dyn Error>> {
    let compiled = compile(model, plan)?;
    let input = format!("{plan}.npy");
    fs::write(&input, random_input(&report(&["inspect", plan])?)?)?;
    let mut result = ModelResult {
        macs: number(&compiled, "macs")?,
        plan_bytes: number(&compiled, "plan_bytes")?,
        arena_bytes: number(&compiled, "arena_bytes")?,
        ..ModelResult::default()
    };
    for &core in cores.iter().filter(|&&core| model.core.is_none_or(|only| only == core)) {
        let [scale, offset] = model.input;
        let scaling = ["--input-scale", scale, "--input-offset", offset];
        let run = [&["run", plan, "--input", &input, "--target", core], &scaling[..]].concat();
        let measured = match residua(&run)? {
            Outcome::Report(report) => CoreResult::Figures(Figures {
                instructions: number(&report, "instructions")?,
                cycles: report["cycles"].as_u64(),
                load_instructions: number(&report, "load_instructions")?,
                stack_bytes: number(&report, "stack_bytes")?,
                code_bytes: number(&report, "code_bytes")?,
                equals_host: report["equals_host"] == true,
            }),
            Outcome::DoesNotFit(reason) => CoreResult::DoesNotFit(reason),
        };
        eprintln!("{} on {core}: {}", model.title, in_short(&measured));
        result.cores.insert(core.to_owned(), measured);
    }
    Ok(result)
}

/// Compiles a model.
fn compile(model: &Model, plan: &str) -> Result<Value, Box<dyn Error>> {
    let (data, more) = model.calibration.map_or((vec![], &[][..]), |(data, more)| (vec!["--calibration", data], more));
    report(&[&["compile", model.onnx, "--output", plan], &data[..], more, model.compile].concat())
}

fn in_short(measured: &CoreResult) -> String {
    match measured {
        CoreResult::Figures(figures) => format!("{} instructions", figures.instructions),
        CoreResult::DoesNotFit(reason) => format!("does not fit: {reason}"),
    }
}

/// An input of random int8 numbers as a `.npy` file, for a plan that `inspect` describes.
fn random_input(inspected: &Value) -> Result<Vec<u8>, Box<dyn Error>> {
    let shape: Vec<u64> = serde_json::from_value(inspected["input"]["shape"].clone())?;
    let list: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({list}), }}");
    // The numbers begin at a multiple of 64.
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len())?.to_le_bytes());
    file.extend(header.bytes());
    let mut state = 0x9e37_79b9_u32;
    file.extend((0..shape.iter().product()).map(|_: u64| {
        // Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    Ok(file)
}
