//! Files as PyTorch, TensorFlow and ONNX Runtime write them, small ones of unlike structure: each compiles, and its plan gives what
//! the float model gives.

use crate::common::data::{Array, archive};
use crate::common::random::Random;
use crate::common::{Folder, residua};
use residua_models::onnx::import;
use std::path::Path;

const ITEMS: usize = 16;
/// Least ratio of signal and error: random weights, int8, and up to twenty operators behind one another.
const LEAST_DB: f64 = 20.0;

#[test]
fn plans_give_what_the_models_give() {
    let folder = Folder::new();
    let mut files: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/exported"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let graph = import(&std::fs::read(&file).unwrap()).unwrap();
        let arrays: Vec<(&str, Array<f32>)> = (1..)
            .zip(&graph.inputs)
            .map(|(seed, &input)| {
                let value = graph.value(input);
                let item = value.shape.strip_prefix(&[1]).unwrap_or(&value.shape);
                let values = Random::new(seed).reals(ITEMS * item.iter().product::<usize>());
                let shape = [&[ITEMS], item].concat().iter().map(|&size| size as u64).collect();
                (value.name.as_str(), Array { shape, values })
            })
            .collect();
        let arrays: Vec<_> = arrays.iter().map(|(name, array)| (*name, array)).collect();
        let data = folder.write("data.npz", archive(&arrays));
        let (model, plan) = (file.to_string_lossy().into_owned(), folder.path("model.plan"));
        let mut command = vec!["compile", &model, "-o", &plan];
        if !name.starts_with("quantized") {
            command.extend(["--calibration", &data]);
        }
        let compiled = residua(command);
        assert_eq!(compiled.code, Some(0), "{name}: {compiled:?}");
        let compared = residua(["compare", &model, &plan, "--data", &data, "--json"]).json();
        assert!(compared["snr_db"].as_f64().unwrap() > LEAST_DB, "{name}: {}", compared["snr_db"]);
        println!("{name}: {}", compared["snr_db"]);
    }
}
