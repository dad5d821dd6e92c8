//! One boot of the firmware in QEMU: mailbox in; report, counts and log out.

use crate::build::Built;
use crate::toolchain::find_program;
use crate::{HarnessError, Target};
use defmt_decoder::{DecodeError, Table};
use residua_mailbox::{ALIGNMENT, Mode, REPORT_FILE, Record, Request, Status};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the counter plugin counted between two markers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions executed, exact.
    pub instructions: u64,
    /// Modelled cycles; they mean something where [`Target::has_cycle_model`].
    pub cycles: u64,
    /// Taken changes of flow.
    pub taken: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.cycles += other.cycles;
        self.taken += other.taken;
    }
}

/// A line of the counter's file.
#[derive(Debug, Deserialize)]
struct CounterLine {
    kind: String,
    #[serde(flatten)]
    counts: Counts,
}

/// A request's contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    pub mode: Mode,
    pub plan: &'a [u8],
    /// All inputs, one behind the other.
    pub input: &'a [u8],
    pub input_count: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The report, without its closing record.
    pub report: Vec<u8>,
    /// Regions between start and stop markers; the first is the loading of the plan.
    pub regions: Vec<Counts>,
    /// Laps of all regions.
    pub laps: Vec<Counts>,
    /// The firmware's log.
    pub log: Vec<String>,
}

impl Answer {
    /// The report's records.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = &self.report[..];
        std::iter::from_fn(move || Record::read(&mut rest))
    }
}

/// Boots the firmware on the work.
pub(crate) fn boot(target: Target, built: &Built, work: &Work<'_>, limit: Duration) -> Result<Answer, HarnessError> {
    let description = target.description();
    let (emulator, package) = description.emulator;
    let emulator = find_program(emulator).ok_or_else(|| HarnessError::MissingTool {
        tool: emulator.to_owned(),
        remedy: format!("on Debian `apt-get install {package}` installs it"),
    })?;
    let folder = tempfile::tempdir().map_err(HarnessError::io("temporary folder"))?;
    let path = |name: &str| folder.path().join(name);
    let mailbox = &built.firmware.mailbox;
    let image = image(work, mailbox.end.saturating_sub(mailbox.start) as usize)?;
    fs::write(path("mailbox.bin"), image).map_err(HarnessError::io("mailbox"))?;
    let create = |name: &str| File::create(path(name)).map_err(HarnessError::io(name));
    let child = Command::new(emulator)
        .current_dir(folder.path())
        .args(["-M", description.machine.0, "-cpu", description.machine.1])
        .args(["-display", "none", "-serial", "null", "-monitor", "none", "-bios", "none"])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-plugin")
        .arg(option_path(&built.plugin, ",out=counts.jsonl"))
        .arg("-device")
        .arg(format!("loader,file=mailbox.bin,addr={:#x},force-raw=on", mailbox.start))
        .arg("-kernel")
        .arg(&built.firmware.elf)
        .stdin(Stdio::null())
        .stdout(create("log.defmt")?)
        .stderr(create("errors.txt")?)
        .spawn()
        .map_err(HarnessError::io("emulator"))?;
    let status = wait(child, limit)?;
    let read = |name: &str| fs::read(path(name)).map_err(HarnessError::io(name));
    let log = decode_log(&built.firmware.elf, &read("log.defmt")?)?;
    let report = fs::read(path(&REPORT_FILE.to_string_lossy())).unwrap_or_default();
    let errors = || String::from_utf8_lossy(&fs::read(path("errors.txt")).unwrap_or_default()).into_owned();
    let crashed = |log| HarnessError::Crashed { code: status.code(), log, errors: errors() };
    let Some(report) = closed(&report) else { return Err(crashed(log)) };
    match report.status {
        Status::Done => {}
        Status::NoMemory => {
            let (needed, available) = report.memory;
            return Err(HarnessError::NoMemory { needed, available });
        }
        Status::Crashed => return Err(crashed(log)),
        status => return Err(HarnessError::Refused { status, log }),
    }
    let (regions, laps) = counts(&read("counts.jsonl")?)?;
    Ok(Answer { report: report.bytes, regions, laps, log })
}

/// QEMU's option syntax takes a doubled comma for one in a value.
fn option_path(path: &Path, rest: &str) -> String {
    path.to_string_lossy().replace(',', ",,") + rest
}

fn image(work: &Work<'_>, available: usize) -> Result<Vec<u8>, HarnessError> {
    let plan_offset = Request::LEN.next_multiple_of(ALIGNMENT);
    let input_offset = (plan_offset + work.plan.len()).next_multiple_of(ALIGNMENT);
    let needed = input_offset + work.input.len();
    let too_large = HarnessError::TooLarge { needed, available };
    let (true, Ok(_)) = (needed <= available, u32::try_from(needed)) else { return Err(too_large) };
    // All of these are at most `needed`, or count inputs of at least a byte.
    let request = Request {
        mode: work.mode,
        plan_offset: plan_offset as u32,
        plan_len: work.plan.len() as u32,
        input_offset: input_offset as u32,
        input_len: work.input.len() as u32,
        input_count: work.input_count as u32,
    };
    let mut image = vec![0; needed];
    image[..Request::LEN].copy_from_slice(&request.to_bytes());
    image[plan_offset..plan_offset + work.plan.len()].copy_from_slice(work.plan);
    image[input_offset..].copy_from_slice(work.input);
    Ok(image)
}

fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus, HarnessError> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait().map_err(HarnessError::io("emulator"))? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            // It may have ended by itself in the meantime: then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            return Err(HarnessError::Timeout(limit));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn decode_log(elf: &Path, frames: &[u8]) -> Result<Vec<String>, HarnessError> {
    let image = fs::read(elf).map_err(HarnessError::io("firmware"))?;
    let table = Table::parse(&image).map_err(|error| HarnessError::Image(error.to_string()))?;
    let Some(table) = table else { return Ok(Vec::new()) };
    let mut decoder = table.new_stream_decoder();
    decoder.received(frames);
    let mut lines = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("", |level| level.as_str());
                lines.push(format!("{level}: {}", frame.display_message()));
            }
            Err(DecodeError::UnexpectedEof) => return Ok(lines),
            Err(DecodeError::Malformed) if table.encoding().can_recover() => {}
            Err(DecodeError::Malformed) => return Ok(lines),
        }
    }
}

/// A report that has its closing record.
struct Closed {
    bytes: Vec<u8>,
    status: Status,
    memory: (u32, u32),
}

fn closed(report: &[u8]) -> Option<Closed> {
    let mut rest = report;
    let mut memory = (0, 0);
    loop {
        let before = report.len() - rest.len();
        match Record::read(&mut rest)? {
            Record::End(status) => return Some(Closed { bytes: report[..before].to_vec(), status, memory }),
            Record::Memory { needed, available } => memory = (needed, available),
            _ => {}
        }
    }
}

fn counts(lines: &[u8]) -> Result<(Vec<Counts>, Vec<Counts>), HarnessError> {
    let (mut regions, mut laps) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(lines).lines() {
        let line: CounterLine = serde_json::from_str(line)
            .map_err(|error| HarnessError::Report(format!("counter line `{line}`: {error}")))?;
        match line.kind.as_str() {
            "region" => regions.push(line.counts),
            "lap" => laps.push(line.counts),
            kind => return Err(HarnessError::Report(format!("counter line of kind `{kind}`: a region has no end"))),
        }
    }
    Ok((regions, laps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_holds_plan_and_input_aligned() {
        let work = Work { mode: Mode::Infer, plan: &[1; 21], input: &[2; 6], input_count: 3 };
        let image = image(&work, 1024).unwrap();
        let request = Request::from_bytes(&image).unwrap();
        assert_eq!((request.plan_offset % 16, request.input_offset % 16), (0, 0));
        assert_eq!(image[request.plan_offset as usize..][..request.plan_len as usize], [1; 21]);
        assert_eq!(image[request.input_offset as usize..], [2; 6]);
        assert_eq!(request.input_count, 3);
    }

    #[test]
    fn an_image_too_large_is_refused() {
        let work = Work { mode: Mode::Infer, plan: &[1; 21], input: &[2; 6], input_count: 3 };
        let error = image(&work, 69).unwrap_err();
        assert!(matches!(error, HarnessError::TooLarge { needed: 70, available: 69 }), "{error}");
    }

    #[test]
    fn counter_lines_are_read() {
        let text = br#"{"kind":"region","index":0,"instructions":18446744073709551615,"cycles":6,"taken":1}
{"kind":"lap","index":0,"instructions":2,"cycles":3,"taken":0}
"#;
        let (regions, laps) = counts(text).unwrap();
        assert_eq!(regions, [Counts { instructions: u64::MAX, cycles: 6, taken: 1 }]);
        assert_eq!(laps, [Counts { instructions: 2, cycles: 3, taken: 0 }]);
        assert!(counts(br#"{"kind":"open","index":0,"instructions":2,"cycles":3,"taken":0}"#).is_err());
        assert!(counts(b"nonsense").is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_stopped() {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let start = Instant::now();
        assert!(matches!(wait(child, Duration::from_millis(20)), Err(HarnessError::Timeout(_))));
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
