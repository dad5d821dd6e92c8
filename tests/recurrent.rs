//! A convolutional network with a recurrent layer behind it: its output is as near to the float model's as ONNX Runtime's
//! static quantization, and an emulated core's equals the host's.

use crate::common::data::{images, npy};
use crate::common::{Folder, residua, shared};

/// Bits of activations, and the ratio of signal and error that the output must reach, in dB.
const LIMITS: [(&str, f64); 2] = [("8", 27.6), ("16", 33.7)];

#[test]
fn crnn_ctc() {
    let Some(seed) = shared("onnx/seeds/crnn_ctc") else { return };
    let file = |name: &str| seed.join(name).to_str().unwrap().to_string();
    let [model, calibration, data] = ["model.onnx", "calibration.npz", "expected.npz"].map(file);
    for (activations, least) in LIMITS {
        let folder = Folder::new();
        let plan = folder.path("out.plan");
        let compile = ["compile", &model, "--calibration", &calibration, "-o", &plan, "--activations", activations];
        residua([&compile[..], &["--json"]].concat()).json();
        let snr = residua(["compare", &model, &plan, "--data", &data, "--json"]).json()["snr_db"].as_f64().unwrap();
        println!("activations of {activations} bits: {snr:.1} dB");
        assert!(snr > least, "activations of {activations} bits: {snr} dB");
        let x = folder.write("x.npy", npy(&images(2, [1, 32, 96])));
        let run = ["run", &plan, "--input", &x, "--target", "cortex-m4", "--json"];
        assert_eq!(residua(run).json()["equals_host"], true);
    }
}
