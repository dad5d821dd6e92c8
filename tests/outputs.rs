//! Models of several outputs: the one that the model names first is handed out, whichever is computed first.

use crate::common::data::{Array, archive, read_npy};
use crate::common::onnx::Onnx;
use crate::common::random::Random;
use crate::common::{Folder, residua};

/// `relu(conv(x))` and what a layer makes of it, in either order.
fn model(order: [&str; 2]) -> Vec<u8> {
    let mut onnx = Onnx::new();
    let mut random = Random::new(7);
    onnx.input("x", &[1, 2, 6, 6]);
    onnx.constant("w", &[3, 2, 3, 3], random.reals(54)).constant("v", &[5, 3, 1, 1], random.reals(15));
    onnx.node("Conv", &["x", "w"], "c", &[]).node("Relu", &["c"], "early", &[]);
    onnx.node("Conv", &["early", "v"], "late", &[]);
    for name in order {
        onnx.output(name, &[1, if name == "early" { 3 } else { 5 }, 4, 4]);
    }
    onnx.encode()
}

#[test]
fn the_first_one_is_handed_out() {
    let folder = Folder::new();
    let values = Random::new(3).reals(8 * 72);
    let data = folder.write("x.npz", archive(&[("x", &Array { shape: vec![8, 2, 6, 6], values })]));
    for (order, channels) in [(["early", "late"], 3), (["late", "early"], 5)] {
        let model = folder.write("model.onnx", model(order));
        let (plan, output) = (folder.path("model.plan"), folder.path("y.npy"));
        assert_eq!(residua(["compile", &model, "--calibration", &data, "-o", &plan]).code, Some(0));
        let compared = residua(["compare", &model, &plan, "--data", &data, "--json"]).json();
        assert!(compared["snr_db"].as_f64().unwrap() > 30.0, "{compared}");
        assert_eq!(residua(["run", &plan, "--input", &data, "--output", &output]).code, Some(0));
        assert_eq!(read_npy(&output).shape, [8, channels, 4, 4]);
    }
}
