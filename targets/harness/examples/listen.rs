//! Keyword spotting on an emulated Cortex-M4, and the same on the host for comparison.
//!
//! ```text
//! cargo run --release -p residua-harness --example listen -- MODEL.plan YES.wav NO.wav
//! ```

use residua_harness::{Target, audio, audio_on_host};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let plan = std::fs::read(arguments.next().ok_or("usage: listen PLAN WAV..")?)?;
    let (mut wrong, mut last) = (0, None);
    println!("{:32} {:>10} {:>6} {:>13} {:>13}  host", "recording", "heard", "score", "instructions", "cycles");
    for path in arguments.map(std::path::PathBuf::from) {
        let samples = read(&path)?;
        let run = audio(Target::CortexM4, &plan, &samples)?;
        let equal = run.rows == audio_on_host(&plan, &samples)?;
        wrong += usize::from(!equal);
        let (word, score) = run.rows.last().and_then(|row| run.best(row)).unwrap_or(("-", 0.0));
        println!(
            "{:32} {word:>10} {score:>6.3} {:>13} {:>13}  {}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            run.counts.instructions,
            run.counts.cycles,
            if equal { "equal" } else { "DIFFERS" }
        );
        last = Some(run);
    }
    if let Some(run) = last {
        println!(
            "\narena {} B, stack {} B, code {} B, plan {} B",
            run.arena_bytes,
            run.stack_bytes,
            run.code_bytes,
            plan.len()
        );
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} outputs differ from the host's").into()) }
}

/// Samples of a 16-bit mono recording at 16 kHz.
fn read(path: &Path) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut wav = hound::WavReader::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, .. } = wav.spec();
    if (channels, sample_rate, bits_per_sample) != (1, 16_000, 16) {
        return Err(format!("{}: not 16-bit mono at 16 kHz", path.display()).into());
    }
    Ok(wav.samples().collect::<Result<_, _>>()?)
}
