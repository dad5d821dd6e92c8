//! The same pixels reach the model whatever form the data come in.

use crate::bad_data::wav;
use crate::common::data::{Array, images, npy, npz, read_npy};
use crate::common::onnx::{Onnx, network};
use crate::common::random::Random;
use crate::common::{Folder, residua};
use residua::plan::Plan;
use residua_models::data::{Dataset, ModelInput, Options};
use residua_models::execute::Executor;
use residua_models::frontend::FrontEndSpec;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::feed::PlanModel;
use std::path::Path;

/// `[n, c, h, w]` to `[n, h, w, c]`.
fn channels_last(x: &Array<f32>) -> Array<f32> {
    let [n, c, h, w] = x.shape[..] else { panic!("{:?}", x.shape) };
    let at = |i: u64| {
        let (k, x, y, n) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
        (((n * c + k) * h + y) * w + x) as usize
    };
    Array { shape: vec![n, h, w, c], values: (0..n * c * h * w).map(|i| x.values[at(i)]).collect() }
}

/// The small network with its input declared channels last.
fn channels_last_network() -> Onnx {
    let mut onnx = network();
    onnx.graph().input[0] = crate::common::onnx::value("image", &[1, 8, 8, 3]);
    let mut transpose = Onnx::new();
    transpose.node("Transpose", &["image"], "x", &[("perm", &[0, 3, 1, 2])]);
    let node = transpose.graph().node.remove(0);
    onnx.graph().node.insert(0, node);
    onnx
}

fn snr_db(signal: &[f32], other: &[f32]) -> f64 {
    let energy = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let signal_energy = energy(&mut signal.iter().map(|&s| s.into()));
    let error_energy = energy(&mut signal.iter().zip(other).map(|(&s, &o)| f64::from(s) - f64::from(o)));
    10.0 * (signal_energy / error_energy).log10()
}

#[test]
fn a_model_takes_both_orders_and_calibrates_the_same() {
    let first = images(20, [3, 8, 8]);
    let last = channels_last(&first);
    let outputs: Vec<_> = [network(), channels_last_network()]
        .iter()
        .flat_map(|onnx| {
            [(&first, &last), (&last, &first)].map(|(calibration, x)| {
                let folder = Folder::new();
                let model = folder.write("model.onnx", onnx.encode());
                let data = folder.write("data.npz", npz(calibration, None));
                let (plan, y) = (folder.path("a.plan"), folder.path("y.npy"));
                residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
                let x = folder.write("x.npy", npy(x));
                residua(["run", &plan, "--input", &x, "--output", &y, "--json"]).json();
                read_npy(&y).values
            })
        })
        .collect();
    assert_eq!(outputs.len(), 4);
    for output in &outputs {
        assert_eq!(output, &outputs[0]);
    }
    let float = Executor::of_onnx(&network().encode()).unwrap();
    let float: Vec<f32> = first.values.chunks(192).flat_map(|x| float.run(&[x]).unwrap().remove(0)).collect();
    assert!(snr_db(&float, &outputs[0]) > 25.0);
}

#[test]
fn outputs_come_in_the_order_that_the_model_declares() {
    for last in [false, true] {
        let mut random = Random::new(5);
        let mut onnx = Onnx::new();
        onnx.input("x", &[1, 2, 6, 9]).constant("w", &[3, 2, 3, 3], random.reals(54)).node(
            "Conv",
            &["x", "w"],
            "c",
            &[("pads", &[1, 1, 1, 1])],
        );
        if last {
            onnx.node("Transpose", &["c"], "y", &[("perm", &[0, 2, 3, 1])]).output("y", &[1, 6, 9, 3]);
        } else {
            onnx.output("c", &[1, 3, 6, 9]);
        }
        let folder = Folder::new();
        let model = folder.write("model.onnx", onnx.encode());
        let x = images(10, [2, 6, 9]);
        let data = folder.write("data.npz", npz(&x, None));
        let (plan, y) = (folder.path("a.plan"), folder.path("y.npy"));
        residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
        residua(["run", &plan, "--input", &folder.write("x.npy", npy(&x)), "--output", &y, "--json"]).json();
        let y = read_npy(&y);
        assert_eq!(y.shape, if last { [10, 6, 9, 3] } else { [10, 3, 6, 9] });
        let float = Executor::of_onnx(&onnx.encode()).unwrap();
        let float: Vec<f32> = x.values.chunks(108).flat_map(|x| float.run(&[x]).unwrap().remove(0)).collect();
        assert!(snr_db(&float, &y.values) > 30.0, "{}", snr_db(&float, &y.values));
    }
}

#[test]
fn folders_of_images_are_the_archive() {
    let folder = Folder::new();
    folder.compiled();
    let mut random = Random::new(9);
    let pixels: Vec<u8> = (0..6 * 192).map(|_| random.next() as u8).collect();
    let labels = [0, 0, 2, 2, 4, 4];
    let (numbered, classes) = (folder.path("numbered"), folder.path("classes"));
    std::fs::create_dir_all(&numbered).unwrap();
    for (index, (image, label)) in pixels.chunks(192).zip(labels).enumerate() {
        let image = image::RgbImage::from_raw(8, 8, image.to_vec()).unwrap();
        image.save(format!("{numbered}/{label:04}_image{index}.png")).unwrap();
        let class = format!("{classes}/class{}", label / 2);
        std::fs::create_dir_all(&class).unwrap();
        image.save(format!("{class}/image{index}.png")).unwrap();
    }
    std::fs::create_dir_all(format!("{classes}/an_empty_one")).unwrap();
    let x = Array { shape: vec![6, 8, 8, 3], values: pixels };
    let archive = folder.write("x.npz", npz(&x, Some(&labels.map(i64::from))));
    let open = |path: &str| {
        let options = Options { scale: 1.0 / 127.5, offset: -1.0, ..Options::default() };
        Dataset::open(Path::new(path), options).unwrap()
    };
    let input = ModelInput { shape: vec![1, 3, 8, 8], parts: vec![], front_end: None };
    let values = |data: &Dataset| -> Vec<Vec<f32>> {
        (0..data.len()).map(|i| input.values(data.item(i).unwrap()).unwrap()).collect()
    };
    let archive = open(&archive);
    assert_eq!(archive.labels(&[]).unwrap(), [0, 0, 2, 2, 4, 4]);
    for (path, labels) in [(&numbered, [0, 0, 2, 2, 4, 4]), (&classes, [0, 0, 1, 1, 2, 2])] {
        let data = open(path);
        assert_eq!(data.labels(&[]).unwrap(), labels);
        assert_eq!(values(&data), values(&archive));
    }
    let names = ["class2", "Class1", "class0"].map(str::to_owned);
    assert_eq!(open(&classes).labels(&names).unwrap(), [2, 2, 1, 1, 0, 0]);
    assert!(open(&classes).labels(&["class0".into()]).unwrap_err().to_string().contains("class1"));

    // To the plan's input they are the same bytes.
    let bytes = AlignedBytes::from(std::fs::read(folder.path("model.plan")).unwrap());
    let plan = PlanModel::new(Plan::load(&bytes).unwrap());
    let folder_data = open(&numbered);
    for index in 0..6 {
        let quantized = |data: &Dataset| plan.quantized(data.item(index).unwrap()).unwrap();
        assert_eq!(quantized(&folder_data), quantized(&archive));
    }
}

/// A model over log-mel features with labels: mean over time, then a dense layer.
fn audio_network() -> Onnx {
    let mut random = Random::new(21);
    let mut onnx = Onnx::new();
    onnx.input("x", &[1, 1, 101, 40])
        .constant("w", &[6, 1, 5, 5], random.reals(150))
        .node("Conv", &["x", "w"], "c", &[("strides", &[2, 2])])
        .node("Relu", &["c"], "r", &[])
        .node("GlobalAveragePool", &["r"], "p", &[])
        .node("Flatten", &["p"], "f", &[("axis", &[1])])
        .constant("d", &[4, 6], random.reals(24))
        .constant("b", &[4], random.reals(4))
        .node("Gemm", &["f", "d", "b"], "g", &[("transB", &[1])])
        .node("Softmax", &["g"], "y", &[("axis", &[1])])
        .output("y", &[1, 4])
        .metadata("residua.labels", "_silence_, _unknown_, yes, no")
        .metadata("residua.front_end", &FrontEndSpec::log_mel_40().to_json());
    onnx
}

/// Class folders of short and long recordings.
fn recordings(folder: &Folder) -> String {
    let data = folder.path("words");
    for (word, hz) in [("yes", 300), ("no", 900), ("bird", 2000), ("silence", 0)] {
        std::fs::create_dir_all(format!("{data}/{word}")).unwrap();
        for (name, len) in [("a", 16_000), ("b", 9000), ("c", 20_000)] {
            let sample = |i: i32| ((i * hz % 16_000 - 8000) as i16).saturating_mul(2) * i16::from(hz > 0);
            let samples: Vec<i16> = (0..len).map(sample).collect();
            wav(&format!("{data}/{word}/{name}.wav"), 16_000, &samples);
        }
    }
    std::fs::create_dir_all(format!("{data}/_background_noise_")).unwrap();
    data
}

#[test]
fn recordings_go_through_the_front_end() {
    let folder = Folder::new();
    let model = folder.write("audio.onnx", audio_network().encode());
    let words = recordings(&folder);
    let plan = folder.path("audio.plan");
    residua(["compile", &model, "--calibration", &words, "-o", &plan, "--json"]).json();

    let data = Dataset::open(Path::new(&words), Options::default()).unwrap();
    let bytes = AlignedBytes::from(std::fs::read(&plan).unwrap());
    let model_of_plan = PlanModel::new(Plan::load(&bytes).unwrap());
    let names: Vec<String> = model_of_plan.plan().labels().map(str::to_owned).collect();
    // bird, no, silence, yes, three each.
    let labels = [1, 1, 1, 3, 3, 3, 0, 0, 0, 2, 2, 2];
    assert_eq!(data.labels(&names).unwrap(), labels);

    let input = ModelInput { shape: vec![1, 1, 101, 40], parts: vec![], front_end: Some(FrontEndSpec::log_mel_40()) };
    for index in 0..data.len() {
        let float = input.values(data.item(index).unwrap()).unwrap();
        let quantized = model_of_plan.quantized(data.item(index).unwrap()).unwrap();
        assert_eq!((float.len(), quantized.len()), (4040, 4040));
        let expected = model_of_plan.input().quantize(&float);
        // The plan rounds features by its requantization formula: the last bit may differ.
        assert!(expected.iter().zip(&quantized).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    for file in [&model, &plan] {
        let json = residua(["eval", file, "--data", &words, "--json"]).json();
        assert_eq!((&json["samples"], &json["top5"]), (&12.into(), &1.0.into()));
    }
    let json = residua(["compare", &model, &plan, "--data", &words, "--json"]).json();
    assert!(json["snr_db"].as_f64().unwrap() > 20.0, "{json}");
}

#[test]
fn listen_tells_what_each_window_is() {
    let folder = Folder::new();
    let model = folder.write("audio.onnx", audio_network().encode());
    let words = recordings(&folder);
    let plan = folder.path("audio.plan");
    residua(["compile", &model, "--calibration", &words, "-o", &plan, "--json"]).json();
    for (name, len, windows) in [("short", 4000, 1), ("window", 16_000, 1), ("long", 40_000, 3)] {
        let samples: Vec<i16> = (0..len).map(|i: i32| (i * 37 % 9001 - 4500) as i16).collect();
        let path = folder.path(name);
        wav(&path, 16_000, &samples);
        let json = residua(["listen", &plan, "--audio", &path, "--threshold", "0", "--json"]).json();
        let heard = json["windows"].as_array().unwrap();
        assert_eq!(heard.len(), windows, "{json}");
        for (index, window) in heard.iter().enumerate() {
            let label = window["label"].as_str().unwrap();
            assert!(["_silence_", "_unknown_", "yes", "no"].contains(&label), "{json}");
            let end = 1.01 * (index + 1) as f64;
            assert!((window["seconds"].as_f64().unwrap() - end).abs() < 1e-6, "{json}");
            assert!((0.0..=1.0).contains(&window["score"].as_f64().unwrap()), "{json}");
        }
        let words = heard.iter().filter(|w| ["yes", "no"].contains(&w["label"].as_str().unwrap())).count();
        assert_eq!(json["detections"].as_array().unwrap().len(), words, "{json}");
    }
    let other = folder.path("rate.wav");
    wav(&other, 8000, &[0; 8000]);
    residua(["listen", &plan, "--audio", &other]).fails(3, &["8000", "16000"]);
    residua(["listen", &plan, "--audio", &folder.path("absent.wav")]).fails(3, &["absent.wav"]);
}
