//! Data that do not fit: exit code 3, and a message that names file, shape or class.

use crate::common::data::{Array, images, npy, npz};
use crate::common::{Folder, Outcome, residua};

/// Runs `eval` of the small network on data in a file or folder.
fn eval(folder: &Folder, data: &str, more: &[&str]) -> Outcome {
    let plan = folder.path("model.plan");
    residua([&["eval", &plan, "--data", data, "--json"], more].concat())
}

#[test]
fn wrong_shapes_are_told_with_both() {
    let folder = Folder::new();
    let [model, _, plan] = folder.compiled();
    let wrong = folder.write("wrong.npz", npz(&images(4, [3, 8, 9]), Some(&[0; 4])));
    let out = folder.path("out.plan");
    for arguments in [
        &["compile", &model, "--calibration", &wrong, "-o", &out][..],
        &["eval", &plan, "--data", &wrong],
        &["eval", &model, "--data", &wrong],
        &["compare", &model, &plan, "--data", &wrong],
    ] {
        residua(arguments).fails(3, &["[3, 8, 9]", "[1, 3, 8, 8]"]);
    }
    let x = folder.write("x.npy", npy(&images(2, [3, 4, 4])));
    residua(["run", &plan, "--input", &x, "--output", &out]).fails(3, &["[3, 4, 4]", "[1, 3, 8, 8]"]);
    let x = folder.write("x.npy", npy(&Array { shape: vec![], values: vec![1.0f32] }));
    residua(["run", &plan, "--input", &x]).fails(3, &["x.npy"]);
    assert!(!folder.entries().contains(&"out.plan".to_string()));
}

#[test]
fn wrong_types() {
    let folder = Folder::new();
    let [model, _, _] = folder.compiled();
    let out = folder.path("out.plan");
    let calibrate = |bytes: Vec<u8>| {
        let data = folder.write("typed.npz", bytes);
        residua(["compile", &model, "--calibration", &data, "-o", &out])
    };
    calibrate(npz(&Array { shape: vec![1, 3, 8, 8], values: vec![1.0f64; 192] }, None))
        .fails(3, &["typed.npz", "<f8", "f32"]);
    calibrate(npz(&Array { shape: vec![1, 3, 8, 8], values: vec![1i64; 192] }, None)).fails(3, &["typed.npz", "<i8"]);
    calibrate(npz(&Array { shape: vec![1, 3, 8, 8], values: vec![1u16; 192] }, None)).fails(3, &["typed.npz", "<u2"]);
    for fits in [
        npz(&Array { shape: vec![1, 3, 8, 8], values: vec![1u8; 192] }, None),
        npz(&Array { shape: vec![1, 3, 8, 8], values: vec![1i8; 192] }, None),
        npz(&Array { shape: vec![1, 3, 8, 8], values: vec![half::f16::ONE; 192] }, None),
    ] {
        let outcome = calibrate(fits);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}

#[test]
fn labels_that_are_missing_or_none_of_the_classes() {
    let folder = Folder::new();
    folder.compiled();
    let with = |labels: Option<&[i64]>| folder.write("labelled.npz", npz(&images(3, [3, 8, 8]), labels));
    eval(&folder, &with(None), &[]).fails(3, &["labelled.npz", "y"]);
    eval(&folder, &with(Some(&[0, 1])), &[]).fails(3, &["labelled.npz", "[2]", "3 items"]);
    eval(&folder, &with(Some(&[0, 1, 5])), &[]).fails(3, &["label 5", "5 classes"]);
    eval(&folder, &with(Some(&[0, 1, -1])), &[]).fails(3, &["-1"]);
    eval(&folder, &with(Some(&[0, 1, i64::MAX])), &["--labels-offset", "1"]).fails(3, &["below zero"]);
    let json = eval(&folder, &with(Some(&[0, 1, -1])), &["--labels-offset", "1"]).json();
    assert_eq!(json["samples"], 3);
}

#[test]
fn archives_that_are_none() {
    let folder = Folder::new();
    folder.compiled();
    let sound = npz(&images(3, [3, 8, 8]), Some(&[0, 1, 2]));
    for (name, bytes) in [
        ("empty.npz", vec![]),
        ("noise.npz", b"not a zip file at all".to_vec()),
        ("cut.npz", sound[..sound.len() / 2].to_vec()),
        ("array.npz", npy(&images(3, [3, 8, 8]))),
    ] {
        eval(&folder, &folder.write(name, bytes), &[]).fails(3, &[name]);
    }
    for at in (30..sound.len()).step_by(97) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x55;
        let outcome = eval(&folder, &folder.write("damaged.npz", damaged), &[]);
        assert!(matches!(outcome.code, Some(0 | 3)) && !outcome.stderr.contains("panicked"), "byte {at}: {outcome:?}");
    }
    eval(&folder, &folder.path("absent.npz"), &[]).fails(3, &["absent.npz"]);
}

#[test]
fn an_array_that_promises_more_than_there_is() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let bytes = npy(&images(1, [3, 8, 8]));
    // Magic and version, the header's length, the header: a Python dictionary, padded with spaces.
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let dictionary = std::str::from_utf8(&bytes[10..end]).unwrap();
    let (before, rest) = dictionary.split_once("(1").unwrap();
    let behind = rest.split_once(')').unwrap().1.trim_end();
    for promise in ["(9, 3, 8, 8)", "(99999999999999, 3, 8, 8)", "(4294967296, 4294967296)", "(0, 3, 8, 8)"] {
        let dictionary = format!("{:1$}\n", format!("{before}{promise}{behind}"), end - 11);
        let spoilt = [&bytes[..10], dictionary.as_bytes(), &bytes[end..]].concat();
        let x = folder.write("x.npy", &spoilt);
        let outcome = residua(["run", &plan, "--input", &x, "--json"]);
        if promise.starts_with("(0") {
            assert_eq!(outcome.json()["inferences"], 0);
        } else {
            outcome.fails(3, &["x.npy"]);
        }
    }
}

#[test]
fn folders_without_items() {
    let folder = Folder::new();
    folder.compiled();
    let empty = folder.path("data");
    std::fs::create_dir_all(format!("{empty}/yes")).unwrap();
    std::fs::write(format!("{empty}/yes/notes.txt"), "no recording").unwrap();
    eval(&folder, &empty, &[]).fails(3, &["data", "wav", "jpg"]);
    std::fs::remove_dir_all(format!("{empty}/yes")).unwrap();
    eval(&folder, &empty, &[]).fails(3, &["data", "wav", "jpg"]);
}

#[test]
fn ranges_and_limits_that_take_nothing() {
    let folder = Folder::new();
    folder.compiled();
    let data = folder.write("labelled.npz", npz(&images(3, [3, 8, 8]), Some(&[0, 1, 2])));
    eval(&folder, &data, &["--range", "3:9"]).fails(3, &["labelled.npz", "3 items"]);
    eval(&folder, &data, &["--range", "2:2"]).fails(2, &["--range"]);
    eval(&folder, &data, &["--limit", "0"]).fails(2, &["--limit"]);
    for (more, samples) in [(&["--range", "1:9"][..], 2), (&["--limit", "2"], 2), (&["--limit", "9"], 3)] {
        assert_eq!(eval(&folder, &data, more).json()["samples"], samples);
    }
    let empty = folder.write("empty.npz", npz(&images(0, [3, 8, 8]), Some(&[])));
    eval(&folder, &empty, &[]).fails(3, &["empty.npz", "0 items"]);
}

#[test]
fn recordings_for_a_model_without_front_end() {
    let folder = Folder::new();
    folder.compiled();
    let data = folder.path("words");
    std::fs::create_dir_all(format!("{data}/yes")).unwrap();
    wav(&format!("{data}/yes/a.wav"), 16_000, &[0; 100]);
    eval(&folder, &data, &[]).fails(3, &["front end", "[1, 3, 8, 8]"]);
    let plan = folder.path("model.plan");
    residua(["listen", &plan, "--audio", &format!("{data}/yes/a.wav")]).fails(3, &["front end"]);
    std::fs::write(format!("{data}/yes/a.wav"), "RIFF of nothing").unwrap();
    eval(&folder, &data, &[]).fails(3, &["a.wav"]);
}

#[test]
fn images_that_are_none() {
    let folder = Folder::new();
    folder.compiled();
    let data = folder.path("pictures");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(format!("{data}/0001_a.png"), "not a picture").unwrap();
    eval(&folder, &data, &[]).fails(3, &["0001_a.png"]);
    image::RgbImage::new(8, 8).save(format!("{data}/0001_a.png")).unwrap();
    assert_eq!(eval(&folder, &data, &[]).json()["samples"], 1);
    std::fs::rename(format!("{data}/0001_a.png"), format!("{data}/unnumbered.png")).unwrap();
    eval(&folder, &data, &[]).fails(3, &["pictures", "NNNN_name"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::new();
    let [model, data, plan] = folder.compiled();
    let x = folder.write("x.npy", npy(&images(1, [3, 8, 8])));
    let before = folder.entries();
    for out in [folder.path("absent/out"), folder.path("model.onnx/out"), folder.path(".")] {
        residua(["compile", &model, "--calibration", &data, "-o", &out]).fails(3, &["cannot write", &out]);
        residua(["run", &plan, "--input", &x, "--output", &out]).fails(3, &["cannot write", &out]);
    }
    assert_eq!(folder.entries(), before);
    // A device stays one.
    let outcome = residua(["run", &plan, "--input", &x, "--output", "/dev/null"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!std::path::Path::new("/dev/null").is_file());
}

/// Writes a recording of 16-bit mono samples.
pub fn wav(path: &str, sample_rate: u32, samples: &[i16]) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}
