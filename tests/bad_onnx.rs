//! ONNX files that cannot be compiled: each is refused with its exit code and by name, and leaves no file.

use crate::common::onnx::{Onnx, network, value};
use crate::common::random::Random;
use crate::common::{Folder, Outcome, data, residua};
use tract_onnx::pb::{AttributeProto, TensorProto, tensor_proto::DataType};

/// Compiles bytes; checks that nothing is left behind where that fails.
fn compile(bytes: &[u8]) -> Outcome {
    let folder = Folder::new();
    let model = folder.write("bad.onnx", bytes);
    let data = folder.write("data.npz", data::npz(&data::images(4, [3, 8, 8]), None));
    let outcome = residua(["compile", &model, "--calibration", &data, "-o", &folder.path("out.plan"), "--json"]);
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    let mut expected = vec!["bad.onnx", "data.npz"];
    if outcome.code == Some(0) {
        expected.push("out.plan");
    } else {
        // The others say the same of the file.
        let inspected = residua(["inspect", &model]);
        assert!(matches!(inspected.code, Some(0 | 3)) && !inspected.stderr.contains("panicked"), "{inspected:?}");
        let evaluated = residua(["eval", &model, "--data", &data]);
        assert!(matches!(evaluated.code, Some(3 | 4)) && !evaluated.stderr.contains("panicked"), "{evaluated:?}");
    }
    assert_eq!(folder.entries(), expected);
    outcome
}

fn spoilt(spoil: impl FnOnce(&mut Onnx)) -> Outcome {
    let mut onnx = network();
    spoil(&mut onnx);
    compile(&onnx.encode())
}

#[test]
fn the_network_itself_compiles() {
    assert_eq!(compile(&network().encode()).code, Some(0));
}

#[test]
fn cut_off_files() {
    let bytes = network().encode();
    let mut random = Random::new(1);
    for len in (0..20).chain((0..25).map(|_| random.below(bytes.len()))) {
        compile(&bytes[..len]).fails(3, &["bad.onnx"]);
    }
}

#[test]
fn random_and_damaged_bytes() {
    let bytes = network().encode();
    let mut random = Random::new(2);
    for _ in 0..25 {
        let noise: Vec<u8> = (0..random.below(2000)).map(|_| random.next() as u8).collect();
        compile(&noise).fails(3, &["bad.onnx"]);
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            damaged[at] = random.next() as u8;
        }
        // Damage to a weight is a model like any other.
        let outcome = compile(&damaged);
        assert!(matches!(outcome.code, Some(0 | 3 | 4)), "{outcome:?}");
    }
    compile(b"RSDP").fails(3, &["bad.onnx"]);
}

#[test]
fn a_cycle() {
    spoilt(|onnx| onnx.graph().node[0].input[0] = "r2".into()).fails(3, &["bad.onnx", "cycle", "c1"]);
}

#[test]
fn a_value_that_nothing_writes() {
    spoilt(|onnx| onnx.graph().node[2].input[0] = "nowhere".into()).fails(3, &["nowhere", "c2"]);
    spoilt(|onnx| onnx.graph().output[0].name = "nothing".into()).fails(3, &["nothing"]);
}

#[test]
fn a_value_written_twice() {
    spoilt(|onnx| onnx.graph().node[1].output[0] = "c1".into()).fails(3, &["c1"]);
}

#[test]
fn all_unknown_operators_at_once() {
    let outcome = spoilt(|onnx| {
        onnx.graph().node[1].op_type = "Frobnicate".into();
        onnx.graph().node[4].op_type = "Quux".into();
        onnx.graph().node[4].domain = "com.example".into();
    });
    outcome.fails(4, &["bad.onnx", "Frobnicate", "r1", "com.example.Quux", "r2", "[1, 4, 8, 8]"]);
}

#[test]
fn inspect_lists_what_is_unsupported() {
    let mut onnx = network();
    onnx.graph().node[1].op_type = "Frobnicate".into();
    let folder = Folder::new();
    let model = folder.write("odd.onnx", onnx.encode());
    let json = residua(["inspect", &model, "--json"]).json();
    let unsupported = json["unsupported"].as_array().unwrap();
    assert_eq!(unsupported.len(), 1);
    assert_eq!((&unsupported[0]["node"], &unsupported[0]["operator"]), (&"r1".into(), &"Frobnicate".into()));
    assert_eq!(json["operators"]["Frobnicate"], 1);
    assert!(residua(["inspect", &model]).stdout.contains("Frobnicate"));
}

#[test]
fn dynamic_shapes_without_a_value() {
    spoilt(|onnx| onnx.graph().input[0] = value("x", &[1, 3, -8, 8])).fails(3, &["x", "s8"]);
    spoilt(|onnx| onnx.graph().input[0].r#type = None).fails(3, &["x"]);
    // A symbolic batch is 1.
    let outcome = spoilt(|onnx| onnx.graph().input[0] = value("x", &[-1, 3, 8, 8]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn weights_that_are_no_numbers() {
    for wrong in [f32::NAN, f32::INFINITY] {
        spoilt(|onnx| onnx.graph().initializer[2].float_data[5] = wrong).fails(3, &["w2", "5"]);
    }
}

#[test]
fn tensors_larger_than_memory() {
    let huge = |dims: Vec<i64>| {
        move |onnx: &mut Onnx| {
            let data_type = DataType::Float as i32;
            onnx.graph().initializer[0] = TensorProto { name: "w1".into(), dims, data_type, ..Default::default() };
        }
    };
    spoilt(huge(vec![4, 3, 1 << 40, 1 << 40])).fails(3, &["w1"]);
    spoilt(huge(vec![4, 3, 30_000, 3000])).fails(3, &["w1"]);
    spoilt(huge(vec![-4, 3, 3, 3])).fails(3, &["w1"]);
    spoilt(|onnx| onnx.graph().input[0] = value("x", &[1, 3, 1 << 40, 1 << 40])).fails(3, &["x"]);
    // Fits in memory as input, but not what is computed from it.
    let outcome = spoilt(|onnx| {
        onnx.graph().input[0] = value("x", &[1, 3, 20_000, 20_000]);
        onnx.graph().initializer[0].dims = vec![4, 3, 3, 3];
    });
    assert!(matches!(outcome.code, Some(3 | 4)), "{outcome:?}");
}

#[test]
fn shapes_that_contradict_each_other() {
    spoilt(|onnx| onnx.graph().initializer[2].dims = vec![4, 4, 3, 4]).fails(3, &["w2"]);
    let outcome = spoilt(|onnx| {
        let w = &mut onnx.graph().initializer[2];
        (w.dims, w.float_data) = (vec![4, 5, 3, 3], vec![0.0; 180]);
    });
    assert!(matches!(outcome.code, Some(3 | 4)) && outcome.stderr.contains("c2"), "{outcome:?}");
    let outcome = spoilt(|onnx| onnx.graph().node[0].attribute[0].ints = vec![1, 1]);
    assert!(matches!(outcome.code, Some(3 | 4)) && outcome.stderr.contains("c1"), "{outcome:?}");
    let outcome = spoilt(|onnx| onnx.graph().node[0].attribute[0].ints = vec![i64::MAX; 4]);
    assert!(matches!(outcome.code, Some(3 | 4)) && outcome.stderr.contains("c1"), "{outcome:?}");
    let outcome = spoilt(|onnx| {
        let strides = AttributeProto { name: "strides".into(), r#type: 7, ints: vec![0, 0], ..Default::default() };
        onnx.graph().node[0].attribute.push(strides);
    });
    assert!(matches!(outcome.code, Some(3 | 4)) && outcome.stderr.contains("c1"), "{outcome:?}");
}

#[test]
fn operator_sets_that_are_not_understood() {
    for version in [0, 3, 1000, i64::MIN] {
        spoilt(|onnx| onnx.proto.opset_import[0].version = version).fails(3, &["operator set"]);
    }
}

#[test]
fn models_without_nodes_inputs_or_outputs() {
    spoilt(|onnx| onnx.graph().input.clear()).fails(3, &["input"]);
    spoilt(|onnx| onnx.graph().output.clear()).fails(3, &["output"]);
    spoilt(|onnx| onnx.proto.graph = None).fails(3, &["graph"]);
    let outcome = spoilt(|onnx| onnx.graph().output[0] = value("x", &[1, 3, 8, 8]));
    assert!(matches!(outcome.code, Some(3 | 4)), "{outcome:?}");
}

#[test]
fn metadata_that_does_not_fit() {
    spoilt(|onnx| _ = onnx.metadata("residua.labels", "a,b,c")).fails(3, &["residua.labels", "3", "5"]);
    spoilt(|onnx| _ = onnx.metadata("residua.front_end", "{")).fails(3, &["residua.front_end"]);
}

#[test]
fn a_deep_message_does_not_exhaust_the_stack() {
    let mut bytes = vec![];
    for _ in 0..1500 {
        // A graph's node, whose attribute holds a graph; encoded by hand, since prost recurses as it encodes.
        for tag in [0x32u8, 0x2A, 0x0A] {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.extend(&bytes);
            bytes = outer;
        }
    }
    let mut model = vec![0x3A];
    prost::encoding::encode_varint(bytes.len() as u64, &mut model);
    model.extend(bytes);
    compile(&model).fails(3, &["bad.onnx"]);
}
