//! Measures plans on emulated cores beside the figures of others, and on the host beside ONNX Runtime; run by
//! `cargo xtask bench` in the root of the source tree.

mod command;
mod compare;
mod device;
mod host;
mod models;
mod page;
mod peers;
mod results;

use clap::Parser;
use models::{MODELS, Model};
use peers::Peers;
use residua_harness::Target;
use results::{CoreResult, FILE, Results};
use std::error::Error;
use std::process::ExitCode;

const PAGE: &str = "benches/RESULTS.md";
/// Exit code where a figure is worse than the committed one.
const CHECK_FAILED: u8 = 6;

/// Measures every model on every emulated core, compares with the last commit, and writes benches/RESULTS.md and
/// benches/results.json
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", version)]
struct Arguments {
    /// Only these models
    #[arg(long, value_delimiter = ',', value_parser = MODELS.iter().map(|model| model.key).collect::<Vec<_>>())]
    models: Vec<String>,
    /// Only these cores
    #[arg(long, value_delimiter = ',', value_parser = Target::ALL.iter().map(|core| core.name()).collect::<Vec<_>>())]
    cores: Vec<String>,
    /// Measure nothing on the host
    #[arg(long)]
    no_host: bool,
    /// Write nothing; exit code 6 where a figure of a device is more than 1 % worse than the committed one
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let committed = Results::committed()?;
    let measured = measure(arguments)?;
    let mut results = Results::of_file()?;
    results.merge(measured.clone());
    let page = page::page(&results, &Peers::read()?);
    println!("{page}");

    let changes = compare::changes(&committed, &measured);
    println!("Changes of more than 1 % since the last commit: {}", changes.len());
    changes.iter().for_each(|change| println!("- {change}"));
    let cores = measured.device.iter().flat_map(|(key, model)| model.cores.iter().map(move |core| (key, core)));
    let wrong: Vec<_> =
        cores.filter(|(_, (_, core))| matches!(core, CoreResult::Figures(figures) if !figures.equals_host)).collect();
    wrong.iter().for_each(|(key, (core, _))| println!("- {key} on {core}: outputs DIFFER from the host's"));
    if !arguments.check {
        results::write(FILE, &(serde_json::to_string_pretty(&results)? + "\n"))?;
        results::write(PAGE, &page)?;
    }
    let worse = arguments.check && changes.iter().any(compare::Change::is_worse);
    Ok(if worse || !wrong.is_empty() { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

/// Measures what is asked for and can be measured; says what is left out.
fn measure(arguments: &Arguments) -> Result<Results, Box<dyn Error>> {
    let asked = |list: &[String], name: &str| list.is_empty() || list.iter().any(|asked| asked == name);
    let cores: Vec<&str> =
        Target::ALL.iter().map(|core| core.name()).filter(|core| asked(&arguments.cores, core)).collect();
    let with_host = !arguments.no_host && host::has_onnx_runtime();
    if !arguments.no_host && !with_host {
        eprintln!("skipped on the host: there is no python3 with onnxruntime and numpy");
    }
    let folder = tempfile::tempdir()?;
    let mut results = Results::default();
    for model in MODELS.iter().filter(|model| asked(&arguments.models, model.key)) {
        if let Some(missing) = model.missing() {
            eprintln!("skipped {}: there is no {missing}", model.title);
            continue;
        }
        let plan = folder.path().join(format!("{}.plan", model.key)).display().to_string();
        results.device.insert(model.key.into(), device::measure(model, &plan, &cores)?);
        if let Model { host: Some(host), .. } = model
            && with_host
        {
            let measured = host::measure(host, &plan)?;
            eprintln!(
                "{} on the host: {:.0} a second, ONNX Runtime {:.0}",
                model.title, measured.residua, measured.onnx_runtime
            );
            results.host.insert(model.key.into(), measured);
        }
    }
    Ok(results)
}
