//! `residua listen`.

use crate::common::failure::{Failure, Kind};
use crate::common::models::{load_plan, read_plan};
use crate::common::output::report;
use crate::common::target::{Target, set_up};
use clap::Args;
use residua::plan::Plan;
use residua_harness::OutputRow;
use residua_models::audio::{self, Recording};
use residua_models::data::{samples_of_frames, to_length};
use residua_quantize::ports::Port;
use residua_quantize::stream::Timing;
use serde::Serialize;
use std::path::PathBuf;

/// Classes that are no detections.
const NOTHING: [&str; 2] = ["silence", "unknown"];

/// Spots keywords in a recording and tells when
///
/// The recording is heard window after window, each as long as the model's; the last is filled up with silence. With a plan
/// made by `compile --stream` it is one stream, and a keyword is told once for as long as it is the most likely.
///
/// Example: residua listen res8_narrow.plan --audio yes.wav --target cortex-m4
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// A plan with an audio front end and labels
    plan: PathBuf,
    /// Recording (.wav, .flac or .ogg), or `microphone`
    #[arg(long, value_name = "FILE|microphone")]
    audio: PathBuf,
    /// Where it runs: host, or a board of `residua boards`
    #[arg(long, value_name = "TARGET", default_value = "host")]
    target: Target,
    /// Lowest score of a detection
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    threshold: f32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    target: String,
    seconds: f64,
    /// Keywords heard.
    detections: Vec<Heard>,
    /// What each window gave, or each output row of a stream, keyword or not.
    windows: Vec<Heard>,
    #[serde(flatten)]
    device: Option<Device>,
}

/// The most likely class.
#[derive(Clone, Serialize)]
struct Heard {
    label: String,
    /// End of the window; in a stream, when the output row came.
    seconds: f64,
    score: f32,
}

/// How the recording is cut.
struct Cut {
    samples: Vec<i16>,
    /// Seconds of an input row.
    hop: f64,
    /// Input rows of a window.
    window: u32,
    /// Times of the stream, where the recording is one.
    stream: Option<Timing>,
}

impl Cut {
    /// Seconds until an output row, counted from 0, has come; `rows` of them come with a window.
    fn seconds(&self, index: usize, rows: usize) -> f64 {
        let input_rows = match &self.stream {
            Some(timing) => f64::from(timing.first) + (index * timing.per as usize) as f64 / f64::from(timing.rows),
            None => f64::from(self.window) * (index + 1) as f64 / rows.max(1) as f64,
        };
        input_rows * self.hop
    }
}

/// Figures of an emulated core over the whole recording.
#[derive(Serialize)]
struct Device {
    instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    arena_bytes: usize,
    stack_bytes: u32,
    code_bytes: u64,
    equals_host: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.audio.as_os_str() == "microphone" {
        return Err(Failure::not_available("--audio microphone"));
    }
    let bytes = read_plan(&arguments.plan)?;
    let plan = load_plan(&arguments.plan, &bytes)?;
    let recording = audio::decode(&arguments.audio).map_err(|error| Failure::new(Kind::Input, error.to_string()))?;
    let cut = cut(arguments, &plan, recording)?;
    let host = residua_harness::audio_on_host(&bytes, &cut.samples)?;
    let mut device = None;
    if let Target::Core(core) = arguments.target {
        set_up()?;
        let run = residua_harness::audio(core, &bytes, &cut.samples)?;
        device = Some(Device {
            instructions: run.counts.instructions,
            cycles: core.has_cycle_model().then_some(run.counts.cycles),
            arena_bytes: run.arena_bytes,
            stack_bytes: run.stack_bytes,
            code_bytes: run.code_bytes,
            equals_host: run.rows == host,
        });
    }
    let windows = heard(&plan, &host, &cut);
    let nothing = |label: &str| NOTHING.contains(&label.trim_matches('_').to_lowercase().as_str());
    let is_detection = |h: &&Heard| !nothing(&h.label) && h.score >= arguments.threshold;
    let result = Report {
        target: arguments.target.to_string(),
        seconds: cut.samples.len() as f64 / f64::from(plan.front_end().map_or(1, |f| f.record().sample_rate).max(1)),
        detections: if cut.stream.is_some() {
            merged(windows.iter().filter(is_detection), cut.seconds(1, 1) - cut.seconds(0, 1))
        } else {
            windows.iter().filter(is_detection).cloned().collect()
        },
        windows,
        device,
    };
    report(arguments.json, &result, || text(&result))?;
    match result.device {
        Some(Device { equals_host: false, .. }) => {
            Err(Failure::new(Kind::Check, format!("what {} hears differs from what the host hears", result.target)))
        }
        _ => Ok(()),
    }
}

/// The samples, filled up to whole windows, or until a stream's last output row has come.
fn cut(arguments: &Arguments, plan: &Plan<'_>, recording: Recording) -> Result<Cut, Failure> {
    let fail = |reason: String| Failure::new(Kind::Input, reason);
    let no_front_end = || fail(format!("{}: the plan has no audio front end", arguments.plan.display()));
    let front_end = plan.front_end().ok_or_else(no_front_end)?;
    let record = front_end.record();
    if recording.sample_rate != record.sample_rate {
        return Err(fail(format!(
            "{} has {} samples a second, the plan's front end takes {}",
            arguments.audio.display(),
            recording.sample_rate,
            record.sample_rate
        )));
    }
    if recording.samples.is_empty() {
        return Err(fail(format!("{} holds no samples", arguments.audio.display())));
    }
    let stream = Timing::of_plan(plan);
    let window = stream.map_or(plan.input().rows, |timing| timing.window).max(1);
    let frames = front_end.frame_count(recording.samples.len());
    let rows = match &stream {
        Some(timing) => frames.max(window as usize) + timing.delay as usize,
        None => frames.div_ceil(window as usize).max(1) * window as usize,
    };
    let needed = samples_of_frames(rows, record.window_len.into(), record.hop.into(), record.centered == 1);
    let length = needed.max(recording.samples.len());
    let hop = f64::from(record.hop) / f64::from(record.sample_rate.max(1));
    Ok(Cut { samples: to_length(recording.samples, length), hop, window, stream })
}

/// The class with the highest score in each output row.
fn heard(plan: &Plan<'_>, rows: &[OutputRow], cut: &Cut) -> Vec<Heard> {
    let output = Port::output(plan).value;
    let labels: Vec<&str> = plan.labels().collect();
    let best = |row: &OutputRow| {
        let (class, score) = plan.output().elements(&row.values).largest()?;
        Some((labels.get(class).map_or_else(|| class.to_string(), |l| (*l).to_string()), output.dequantize(score)))
    };
    rows.iter()
        .enumerate()
        .filter_map(|(index, row)| {
            let (label, score) = best(row)?;
            Some(Heard { label, seconds: cut.seconds(index, output.shape[0]), score })
        })
        .collect()
}

/// Rows of the same class that follow one another, `apart` seconds apart, as one detection: that with the highest score.
fn merged<'h>(rows: impl Iterator<Item = &'h Heard>, apart: f64) -> Vec<Heard> {
    let mut out: Vec<Heard> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for row in rows {
        let goes_on = row.seconds - last < apart * 1.5;
        last = row.seconds;
        match out.last_mut().filter(|before| goes_on && before.label == row.label) {
            Some(before) if row.score > before.score => *before = row.clone(),
            Some(_) => {}
            None => out.push(row.clone()),
        }
    }
    out
}

fn text(result: &Report) -> String {
    let mut out = String::new();
    for heard in &result.detections {
        out += &format!("{:8.2} s  {}  {:.3}\n", heard.seconds, heard.label, heard.score);
    }
    if result.detections.is_empty() {
        out += &format!("no keyword in {:.2} s\n", result.seconds);
    }
    if let Some(device) = &result.device {
        let cycles = device.cycles.map_or(String::new(), |cycles| format!(", {cycles} modelled cycles"));
        out += &format!(
            "on {}: {} instructions{cycles}; arena {} B, stack {} B, code {} B; {}\n",
            result.target,
            device.instructions,
            device.arena_bytes,
            device.stack_bytes,
            device.code_bytes,
            if device.equals_host { "the host hears the same" } else { "the host hears something ELSE" }
        );
    }
    out
}
