//! Models of several inputs: data by the inputs' names, however they are ordered.

use crate::common::data::{Array, archive, read_npy};
use crate::common::onnx::Onnx;
use crate::common::random::Random;
use crate::common::{Folder, residua};

const ITEMS: usize = 24;

/// `relu(conv(image) + bias(numbers))` by channel.
fn model() -> Vec<u8> {
    let mut onnx = Onnx::new();
    let mut random = Random::new(5);
    onnx.input("image", &[1, 2, 6, 5]).input("numbers", &[1, 3]).output("y", &[1, 4, 6, 5]);
    onnx.constant("w", &[4, 2, 3, 3], random.reals(72))
        .constant("m", &[3, 4], random.reals(12))
        .integers("s", vec![1, 4, 1, 1]);
    onnx.node("Conv", &["image", "w"], "c", &[("pads", &[1, 1, 1, 1])])
        .node("MatMul", &["numbers", "m"], "p", &[])
        .node("Reshape", &["p", "s"], "r", &[])
        .node("Add", &["c", "r"], "a", &[])
        .node("Relu", &["a"], "y", &[]);
    onnx.encode()
}

fn stack(seed: u64, scale: f32, item: &[usize]) -> Array<f32> {
    let mut random = Random::new(seed);
    let count = ITEMS * item.iter().product::<usize>();
    let values = (0..count).map(|_| random.real() * scale).collect();
    Array { shape: [&[ITEMS], item].concat().iter().map(|&size| size as u64).collect(), values }
}

#[test]
fn arrays_find_their_inputs() {
    let folder = Folder::new();
    let model = folder.write("model.onnx", model());
    // Inputs of unlike sizes keep scales of their own.
    let (image, numbers) = (stack(1, 100.0, &[2, 6, 5]), stack(2, 0.5, &[3]));
    let data = folder.write("data.npz", archive(&[("numbers", &numbers), ("image", &image)]));
    let other = folder.write("other.npz", archive(&[("image", &image), ("numbers", &numbers)]));
    let plan = folder.path("model.plan");
    assert_eq!(residua(["compile", &model, "--calibration", &data, "-o", &plan]).code, Some(0));
    let compared = residua(["compare", &model, &plan, "--data", &other, "--json"]).json();
    assert!(compared["snr_db"].as_f64().unwrap() > 30.0, "{compared}");
    let outputs = [&data, &other].map(|input| {
        let output = folder.path("y.npy");
        assert_eq!(residua(["run", &plan, "--input", input, "--output", &output]).code, Some(0));
        read_npy(&output)
    });
    assert_eq!(outputs[0].shape, [ITEMS as u64, 4, 6, 5]);
    assert_eq!(outputs[0], outputs[1]);
    assert_eq!(residua(["self-test", &plan]).code, Some(0));
    let three = folder.write("three.npz", archive(&[("image", &image), ("numbers", &numbers), ("more", &numbers)]));
    residua(["run", &plan, "--input", &three, "--output", &folder.path("z.npy")]).fails(3, &["image, numbers", "more"]);
}
