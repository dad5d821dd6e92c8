//! The models that are measured.

use std::path::PathBuf;

/// A model, what it is compiled with, and what is measured of it. Paths begin in the source tree; those under `../shared` are
/// beside it, where there are any.
pub struct Model {
    /// Key in the results and among the peers.
    pub key: &'static str,
    pub title: &'static str,
    pub onnx: &'static str,
    /// Calibration data and their arguments; none for a model that is quantized already.
    pub calibration: Option<(&'static str, &'static [&'static str])>,
    /// More arguments of `residua compile`.
    pub compile: &'static [&'static str],
    /// Scale and offset that make an input of random int8 numbers.
    pub input: [&'static str; 2],
    /// The only core that it is measured on, if not on all.
    pub core: Option<&'static str>,
    pub host: Option<Host>,
}

/// What is measured on the host: the plan on labelled data, and ONNX Runtime with the model's quantized form.
pub struct Host {
    pub data: &'static str,
    pub arguments: &'static [&'static str],
    pub quantized: &'static str,
}

impl Model {
    /// The first of its files that is not there.
    pub fn missing(&self) -> Option<&'static str> {
        let files = [Some(self.onnx), self.calibration.map(|(data, _)| data)];
        files.into_iter().flatten().find(|file| !PathBuf::from(file).exists())
    }
}

const ALL: Model =
    Model { key: "", title: "", onnx: "", calibration: None, compile: &[], input: ["1", "0"], core: None, host: None };

/// All of them, in the order of the tables.
pub const MODELS: &[Model] = &[
    Model {
        key: "kws_dscnn",
        title: "DS-CNN (MLPerf Tiny KWS)",
        onnx: "../shared/onnx/mlperf_tiny/kws_dscnn.onnx",
        calibration: Some((
            "../shared/data/mlperf_tiny/kws01_mfcc_int8.npz",
            &["--range", "0:100", "--input-scale", "0.5847029", "--input-offset", "-48.5303407"],
        )),
        input: ["0.5847029", "-48.5303407"],
        host: Some(Host {
            data: "../shared/data/mlperf_tiny/kws01_mfcc_int8.npz",
            arguments: &["--input-scale", "0.5847029", "--input-offset", "-48.5303407"],
            quantized: "../shared/onnx/mlperf_tiny/kws_dscnn_qdq.onnx",
        }),
        ..ALL
    },
    Model {
        key: "ic_resnet8",
        title: "ResNet-8 (MLPerf Tiny IC)",
        onnx: "../shared/onnx/mlperf_tiny/ic_resnet8.onnx",
        calibration: Some(("../shared/data/mlperf_tiny/ic_cifar10_uint8.npz", &["--range", "0:60"])),
        input: ["1", "128"],
        host: Some(Host {
            data: "../shared/data/mlperf_tiny/ic_cifar10_uint8.npz",
            arguments: &[],
            quantized: "../shared/onnx/mlperf_tiny/ic_resnet8_qdq.onnx",
        }),
        ..ALL
    },
    Model {
        key: "vww_mobilenetv1",
        title: "MobileNetV1-0.25 (MLPerf Tiny VWW)",
        onnx: "../shared/onnx/mlperf_tiny/vww_mobilenetv1.onnx",
        calibration: Some((
            "../shared/data/mlperf_tiny/vww01_uint8.npz",
            &["--range", "0:100", "--input-scale", "1/255"],
        )),
        input: ["1/255", "0.5"],
        host: Some(Host {
            data: "../shared/data/mlperf_tiny/vww01_uint8.npz",
            arguments: &["--input-scale", "1/255"],
            quantized: "../shared/onnx/mlperf_tiny/vww_mobilenetv1_qdq.onnx",
        }),
        ..ALL
    },
    Model {
        key: "ad_autoencoder",
        title: "autoencoder (MLPerf Tiny AD)",
        onnx: "../shared/onnx/mlperf_tiny/ad_autoencoder_qdq.onnx",
        input: ["1/16", "0"],
        ..ALL
    },
    Model {
        key: "mobilenetv2",
        title: "MobileNetV2-1.0, 224×224",
        onnx: "../shared/onnx/mobilenetv2/mobilenetv2_1.0_224.onnx",
        calibration: Some((
            "../shared/data/imagenet_sample",
            &["--range", "0:60", "--input-scale", "1/127.5", "--input-offset", "-1"],
        )),
        compile: &["--ram", "524288"],
        input: ["1/127.5", "0"],
        core: Some("cortex-m7"),
        host: Some(Host {
            data: "../shared/data/imagenet_sample",
            arguments: &["--input-scale", "1/127.5", "--input-offset", "-1", "--labels-offset", "1"],
            quantized: "../shared/onnx/mobilenetv2/mobilenetv2_1.0_224_qdq_int8.onnx",
        }),
    },
    Model {
        key: "res8",
        title: "res8 (published weights)",
        onnx: "../shared/onnx/kws/res8.onnx",
        calibration: Some(("../shared/data/kws_honk_mfcc_test.npz", &["--range", "0:100"])),
        input: ["1/4", "0"],
        ..ALL
    },
    Model {
        key: "res8_narrow",
        title: "res8_narrow (published weights)",
        onnx: "../shared/onnx/kws/res8_narrow.onnx",
        calibration: Some(("../shared/data/kws_honk_mfcc_test.npz", &["--range", "0:100"])),
        input: ["1/4", "0"],
        ..ALL
    },
    Model {
        key: "quartznet",
        title: "QuartzNet",
        onnx: "../shared/onnx/seeds/quartznet/model.onnx",
        calibration: Some(("../shared/onnx/seeds/quartznet/calibration.npz", &[])),
        input: ["1/50", "0"],
        ..ALL
    },
    Model {
        key: "own",
        title: "res8_narrow (trained here)",
        onnx: "models/res8_narrow/res8_narrow.onnx",
        calibration: Some(("models/res8_narrow/calibration.npz", &[])),
        input: ["1/16", "0"],
        ..ALL
    },
];
