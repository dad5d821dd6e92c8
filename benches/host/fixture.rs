//! The committed model, compiled.

use residua::plan::Plan;
use residua_models::data::{Dataset, Options};
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::budget::Budget;
use residua_quantize::calibrate::Method;
use residua_quantize::compile::{CompileError, Compiled, Model};
use residua_quantize::precision::Activations;
use residua_quantize::quantize::Statistics;
use std::path::Path;

/// The keyword model's plans: of a window, and of a stream.
pub struct Fixture {
    pub window: AlignedBytes,
    pub stream: AlignedBytes,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/res8_narrow");
        let onnx = std::fs::read(folder.join("res8_narrow.onnx")).expect("the committed model");
        let mut model = Model::import(&onnx).expect("a model that is supported");
        let data = Dataset::open(&folder.join("calibration.npz"), Options::default()).expect("its calibration data");
        let input = model.input();
        let inputs: Vec<Vec<f32>> =
            (0..data.len()).map(|index| input.values(data.item(index).unwrap()).unwrap()).collect();
        let statistics = model.calibrate(&inputs, Method::default(), Activations::Int8).expect("calibration");
        let bytes = |compile: Compile| {
            let compiled = compile(&model, &statistics, Method::default(), &Budget::default());
            compiled.expect("a plan").bytes
        };
        Self { window: bytes(Model::compile), stream: bytes(Model::compile_stream) }
    }
}

type Compile = fn(&Model, &[Statistics], Method, &Budget) -> Result<Compiled, CompileError>;

/// A plan of the fixture.
pub fn load(bytes: &AlignedBytes) -> Plan<'_> {
    Plan::load(bytes).expect("a sound plan")
}

/// Random numbers.
pub fn int8s(len: usize) -> Vec<i8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i8
    };
    std::iter::repeat_with(next).take(len).collect()
}
