//! A plan as a Rust crate computes what the simulator computes.

use residua::plan::Plan;
use residua_quantize::budget::Budget;
use residua_quantize::calibrate::Method;
use residua_quantize::compile::Model;
use residua_quantize::emit::emit;
use residua_quantize::quantize::Statistics;
use residua_quantize::simulate;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Takes rows on standard input, and gives those of the output.
const ROWS: &str = "
use model_own::*;
use std::io::{Read, Write, stdin, stdout};
fn main() {
    let mut arena = Arena::new();
    let mut model = Model::new(&mut arena).unwrap();
    let mut row = [0; INPUT_ROW_LEN];
    while stdin().read_exact(&mut row).is_ok() {
        let mut emit = |_, row: &[i8; OUTPUT_ROW_LEN]| stdout().write_all(&row.map(|x| x as u8)).unwrap();
        model.push_row(&row.map(|x| x as i8), &mut emit).unwrap();
    }
}";

/// Takes whole inputs, and gives the outputs.
const WINDOWS: &str = "
use model_own::*;
use std::io::{Read, Write, stdin, stdout};
fn main() {
    let mut arena = Arena::new();
    let mut model = Model::new(&mut arena).unwrap();
    let mut input = [0; INPUT_LEN];
    while stdin().read_exact(&mut input).is_ok() {
        let output: [i8; OUTPUT_LEN] = model.infer(&input.map(|x| x as i8));
        stdout().write_all(&output.map(|x| x as u8)).unwrap();
    }
}";

/// Emits a plan, builds a program around it, and runs it on `input`; its output and the crate's manifest.
fn run(plan: &Plan<'_>, program: &str, input: &[i8]) -> (Vec<i8>, String) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for file in emit(plan, plan.bytes(), "own", Some(&home.join("runtime"))) {
        let path = folder.path().join(file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.bytes).unwrap();
    }
    fs::create_dir(folder.path().join("examples")).unwrap();
    fs::write(folder.path().join("examples/run.rs"), program).unwrap();
    // The versions that are there already.
    fs::copy(home.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--example", "run"]).current_dir(folder.path());
    // Dependencies are compiled once for all runs of this test.
    cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("emitted"));
    let mut child = cargo.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> = input.iter().map(|&x| x as u8).collect();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
    (output.stdout.into_iter().map(|x| x as i8).collect(), manifest)
}

#[test]
fn an_emitted_crate_equals_the_simulator() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/res8_narrow/res8_narrow.onnx");
    let model = Model::import(&fs::read(path).unwrap()).unwrap();
    let statistics: Vec<Statistics> = model.rows.values.iter().map(|_| [-2.0, 2.0].into()).collect();
    let budget = Budget::default();

    let compiled = model.compile(&statistics, Method::default(), &budget).unwrap();
    let plan = Plan::load(&compiled.bytes).unwrap();
    let input: Vec<i8> = (0..2 * plan.input().len()).map(|i| (i * 37 % 251) as u8 as i8).collect();
    let (output, manifest) = run(&plan, WINDOWS, &input);
    let expected: Vec<i8> =
        input.chunks(plan.input().len()).flat_map(|input| simulate::run(&plan, input).unwrap()).collect();
    assert_eq!(output, expected);
    assert!(manifest.contains("\"convolution\"") && !manifest.contains("\"depthwise"), "{manifest}");

    let compiled = model.compile_stream(&statistics, Method::default(), &budget).unwrap();
    let stream = Plan::load(&compiled.bytes).unwrap();
    let (output, _) = run(&stream, ROWS, &input);
    assert!(!output.is_empty());
    assert_eq!(output, simulate::run_stream(&stream, &input).unwrap());
}
