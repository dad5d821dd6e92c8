//! Accuracy of int8 plans of real models on real data, against the float models on the same data. Calibration inputs are
//! not evaluated.

use crate::common::{Folder, residua, shared};

struct Case {
    model: &'static str,
    /// Data and arguments for calibration.
    calibration: (&'static str, &'static [&'static str]),
    /// Data and arguments for evaluation.
    data: (&'static str, &'static [&'static str]),
    /// How numbers become real input, for both.
    scaling: &'static [&'static str],
    /// Most that the plan's accuracy may be below the float model's.
    loss: f64,
}

impl Case {
    fn check(&self) {
        let paths = [self.model, self.calibration.0, self.data.0].map(shared);
        let [Some(model), Some(calibration), Some(data)] = &paths else { return };
        let [model, calibration, data] = [model, calibration, data].map(|path| path.to_str().unwrap());
        let folder = Folder::new();
        let plan = folder.path("out.plan");
        let compile = [
            &["compile", model, "--calibration", calibration, "-o", &plan, "--json"],
            self.scaling,
            self.calibration.1,
        ];
        residua(compile.concat()).json();
        let top1 = |file: &str, labels: &str| {
            let eval =
                [&["eval", file, "--data", data, "--labels-offset", labels, "--json"], self.scaling, self.data.1];
            residua(eval.concat()).json()["top1"].as_f64().unwrap()
        };
        let offset = if self.model.contains("mobilenetv2") { "1" } else { "0" };
        let (float, int8) = (top1(model, offset), top1(&plan, offset));
        println!("{}: float {float:.4}, int8 {int8:.4}", self.model);
        assert!(float > 0.7, "{}: the float model itself has {float}: the data are fed wrongly", self.model);
        assert!(int8 >= float - self.loss, "{}: float {float}, int8 {int8}", self.model);
    }
}

#[test]
fn kws_dscnn() {
    let data = "data/mlperf_tiny/kws01_mfcc_int8.npz";
    let scaling = &["--input-scale", "0.5847029", "--input-offset", "-48.5303407"];
    Case {
        model: "onnx/mlperf_tiny/kws_dscnn.onnx",
        calibration: (data, &["--range", "0:100"]),
        data: (data, &["--range", "100:488"]),
        scaling,
        loss: 0.015,
    }
    .check();
}

#[test]
fn ic_resnet8() {
    Case {
        model: "onnx/mlperf_tiny/ic_resnet8.onnx",
        calibration: ("data/cifar10_jpeg/train", &["--limit", "100"]),
        data: ("data/mlperf_tiny/ic_cifar10_uint8.npz", &[]),
        scaling: &[],
        loss: 0.008,
    }
    .check();
}

#[test]
fn vww_mobilenetv1() {
    let data = "data/mlperf_tiny/vww01_uint8.npz";
    Case {
        model: "onnx/mlperf_tiny/vww_mobilenetv1.onnx",
        calibration: (data, &["--range", "0:100"]),
        data: (data, &["--range", "100:479"]),
        scaling: &["--input-scale", "1/255"],
        loss: 0.006,
    }
    .check();
}

#[test]
fn mobilenetv2() {
    let data = "data/imagenet_sample";
    Case {
        model: "onnx/mobilenetv2/mobilenetv2_1.0_224.onnx",
        calibration: (data, &["--range", "200:260"]),
        data: (data, &["--range", "260:500", "--limit", "80"]),
        scaling: &["--input-scale", "1/127.5", "--input-offset", "-1"],
        loss: 0.03,
    }
    .check();
}

#[test]
fn res8() {
    honk("onnx/kws/res8.onnx");
}

#[test]
fn res8_narrow() {
    honk("onnx/kws/res8_narrow.onnx");
}

fn honk(model: &'static str) {
    let data = "data/kws_honk_mfcc_test.npz";
    Case {
        model,
        calibration: (data, &["--range", "0:100"]),
        data: (data, &["--range", "100:590"]),
        scaling: &[],
        loss: 0.009,
    }
    .check();
}
