//! Hostile and random ONNX files, in this process: importing, rewriting and lowering end with a model or an error, never with a
//! panic, and take bounded time and memory.
//!
//! Seeds are fixed. `RESIDUA_FUZZ_SECONDS` lets each test run longer than its share of the suite, `RESIDUA_FUZZ_SEED` gives other
//! files.

use crate::common::onnx::{Onnx, network, value};
use crate::common::random::Random;
use residua_models::onnx::{import, survey};
use residua_models::{rewrite, shape};
use residua_quantize::lower::lower;
use std::path::Path;
use std::time::{Duration, Instant};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// Longest time that one small file may take.
const SLOWEST: Duration = Duration::from_secs(10);

/// A clock of this thread: the time that it has computed, where the system tells it, so that a busy machine does not count; else
/// the time that has passed.
struct Clock {
    start: Instant,
    computed: Option<Duration>,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), computed: Self::computed() }
    }

    fn computed() -> Option<Duration> {
        let state = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(state.split(' ').next()?.parse().ok()?))
    }

    fn elapsed(&self) -> Duration {
        let computed = self.computed.zip(Self::computed()).map(|(start, end)| end.saturating_sub(start));
        // A clock that stands still is none.
        computed.filter(|time| !time.is_zero()).unwrap_or_else(|| self.start.elapsed())
    }
}

fn survives(bytes: &[u8]) {
    let start = Clock::start();
    let _ = survey(bytes);
    if let Ok(mut graph) = import(bytes) {
        shape::check(&graph).unwrap();
        rewrite::to_fixed_point(&mut graph);
        shape::check(&graph).unwrap();
        let _ = lower(&graph);
    }
    assert!(start.elapsed() < SLOWEST, "{:?}", start.elapsed());
}

/// Calls a function with fresh random numbers until its time is over, `least` times at least.
fn repeatedly(seed: u64, least: usize, run: impl Fn(&mut Random)) {
    let seconds = std::env::var("RESIDUA_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let other = std::env::var("RESIDUA_FUZZ_SEED").ok().and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
    let seed = seed ^ other.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (start, mut random, mut count) = (Instant::now(), Random::new(seed), 0);
    while count < least || start.elapsed().as_secs() < seconds {
        run(&mut random);
        count += 1;
    }
    println!("{count} files");
}

#[test]
fn bytes_changed() {
    let bytes = network().encode();
    repeatedly(11, 2000, |random| survives(&changed(&bytes, random)));
}

/// Some bytes are others, missing or more; the end may be cut off.
fn changed(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0..=2 => bytes[at] = random.next() as u8,
            3..=4 => bytes[at] ^= 1 << random.below(8),
            5 => bytes.truncate(at.max(1)),
            6 => drop(bytes.drain(at..(at + 1 + random.below(4)).min(bytes.len()))),
            _ => bytes.insert(at, random.next() as u8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Files as PyTorch's and TensorFlow's exporters write them, whole and damaged.
#[test]
fn exported_files_changed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/exported");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (path, bytes) in paths.iter().zip(&files) {
        let mut graph = import(bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        rewrite::to_fixed_point(&mut graph);
        lower(&graph).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    }
    repeatedly(13, 2000, |random| {
        let file = &files[random.below(files.len())];
        survives(&changed(file, random));
    });
}

/// Nodes of all operators in a row, each with attributes and constants of its own kind or any other.
#[test]
fn random_graphs_of_all_operators() {
    let operators: Vec<&str> = residua_models::onnx::supported().collect();
    repeatedly(12, 3000, |random| survives(&random_graph(&operators, random)));
}

/// Shortcuts behind one another, and nothing that says which axis is which: each doubles the ways through the graph.
#[test]
fn many_shortcuts() {
    let mut onnx = Onnx::new();
    onnx.input("v0", &[1, 4, 6, 6]);
    let blocks = 200;
    for index in 0..blocks {
        let [input, middle, output] = [format!("v{index}"), format!("m{index}"), format!("v{}", index + 1)];
        onnx.node("Sigmoid", &[&input], &middle, &[]).node("Add", &[&input, &middle], &output, &[]);
    }
    onnx.output(&format!("v{blocks}"), &[1, 4, 6, 6]);
    let start = Clock::start();
    lower(&import(&onnx.encode()).unwrap()).unwrap();
    assert!(start.elapsed() < SLOWEST, "{:?}", start.elapsed());
}

fn size(random: &mut Random) -> i64 {
    const HOSTILE: [i64; 12] = [0, -1, 7, 64, 1 << 16, 1 << 31, 1 << 40, i64::MAX, i64::MIN, -3, 1000, 1 << 20];
    match random.below(8) {
        0 => HOSTILE[random.below(HOSTILE.len())],
        n => (n % 4) as i64,
    }
}

fn random_graph(operators: &[&str], random: &mut Random) -> Vec<u8> {
    let mut onnx = Onnx::new();
    let shape: Vec<i64> = [1, 4, 6, 6, 2][..2 + random.below(4)].to_vec();
    onnx.input("v0", &shape);
    let shapes: [&[i64]; 8] =
        [&[], &[4], &[4, 4], &[4, 4, 3, 3], &[4, 1, 3, 3], &[1, 4, 1, 1], &[4, 4, 2, 1, 3], &[6, 4]];
    for (index, shape) in shapes.iter().enumerate() {
        let count = shape.iter().product::<i64>() as usize;
        onnx.constant(&format!("c{index}"), shape, (0..count).map(|i| (i as f32 * 0.37).sin()).collect());
    }
    let mut lists = 0;
    let nodes = 1 + random.below(6);
    for index in 0..nodes {
        let mut inputs = vec![format!("v{}", index - random.below(2).min(index))];
        for _ in 0..random.below(5) {
            inputs.push(match random.below(6) {
                0 => format!("v{}", random.below(index + 1)),
                1 => String::new(),
                2 => {
                    lists += 1;
                    let data = (0..random.below(5)).map(|_| size(random)).collect();
                    onnx.integers(&format!("l{lists}"), data);
                    format!("l{lists}")
                }
                _ => format!("c{}", random.below(shapes.len())),
            });
        }
        if random.below(12) == 0 {
            let other = random.below(inputs.len());
            inputs.swap(0, other);
        }
        let operator = operators[random.below(operators.len())];
        let (domain, op_type) = operator.rsplit_once('.').unwrap_or(("", operator));
        onnx.graph().node.push(NodeProto {
            name: format!("n{index}"),
            op_type: op_type.into(),
            domain: domain.into(),
            input: inputs,
            output: vec![format!("v{}", index + 1)],
            attribute: (0..random.below(5)).map(|_| attribute(random)).collect(),
            ..NodeProto::default()
        });
    }
    onnx.graph().output.push(value(&format!("v{nodes}"), &[]));
    onnx.encode()
}

fn attribute(random: &mut Random) -> AttributeProto {
    const LISTS: [&str; 12] = [
        "kernel_shape",
        "pads",
        "strides",
        "dilations",
        "output_padding",
        "output_shape",
        "axes",
        "perm",
        "starts",
        "ends",
        "split",
        "steps",
    ];
    const NUMBERS: [&str; 10] = [
        "axis",
        "group",
        "blocksize",
        "ceil_mode",
        "count_include_pad",
        "keepdims",
        "transA",
        "transB",
        "num_groups",
        "to",
    ];
    const TEXTS: [(&str, &str); 7] = [
        ("auto_pad", "SAME_UPPER"),
        ("auto_pad", "SAME_LOWER"),
        ("auto_pad", "VALID"),
        ("mode", "linear"),
        ("mode", "CRD"),
        ("coordinate_transformation_mode", "half_pixel"),
        ("nearest_mode", "floor"),
    ];
    let mut attribute = AttributeProto::default();
    match random.below(5) {
        0 | 1 => {
            attribute.name = LISTS[random.below(LISTS.len())].into();
            attribute.r#type = AttributeType::Ints as i32;
            attribute.ints = (0..random.below(7)).map(|_| size(random)).collect();
        }
        2 | 3 => {
            attribute.name = NUMBERS[random.below(NUMBERS.len())].into();
            attribute.r#type = AttributeType::Int as i32;
            attribute.i = size(random);
        }
        _ => {
            let (name, text) = TEXTS[random.below(TEXTS.len())];
            attribute.name = name.into();
            attribute.r#type = AttributeType::String as i32;
            attribute.s = text.into();
        }
    }
    attribute
}
