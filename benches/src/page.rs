//! `benches/RESULTS.md`.

use crate::models::MODELS;
use crate::peers::{Peer, Peers};
use crate::results::{CoreResult, Figures, Results};
use residua_harness::Target;
use std::fmt::Write;

/// The page, in the file's order of models and cores.
pub fn page(results: &Results, peers: &Peers) -> String {
    let mut out = format!(
        "# Results\n\n\
         Written by `cargo xtask bench`, which measures again; `--models A,B`, `--cores A,B` and `--no-host` measure a part, and \
         `--check`\nwrites nothing and ends with exit code 6 where a figure is more than 1 % worse than the committed one. The same \
         in machine-readable\nform: `results.json`. Kernels, models, loading and the front end on the host, by criterion: \
         `cargo bench -p residua-benches`.\n\n\
         One inference of a seeded random input, with a firmware that holds the plan's operators; instructions are exact, cycles \
         modelled\n(zero-wait memory, Cortex-M3 and M4 only). Code is all that is flashed beside the plan. Behind each figure, \
         where there is one, that of\n{}, and ours as a share of it.\n\nPeer: {}.\n",
        peers.engine, peers.source
    );
    for model in MODELS {
        let Some(measured) = results.device.get(model.key) else { continue };
        let peer = peers.models.get(model.key);
        let arena = beside(measured.arena_bytes, peer.map(|peer| peer.arena_bytes));
        let _ = writeln!(
            out,
            "\n## {}\n\n{} MACs, plan {} bytes, arena {arena} bytes.\n\n\
             | core | instructions | modelled cycles | loading, instructions | stack, bytes | code, bytes | equals host |\n\
             |---|---|---|---|---|---|---|",
            model.title,
            grouped(measured.macs),
            grouped(measured.plan_bytes)
        );
        for core in Target::ALL.iter().map(|target| target.name()) {
            match measured.cores.get(core) {
                Some(CoreResult::Figures(figures)) => out += &row(core, figures, peer),
                Some(CoreResult::DoesNotFit(reason)) => {
                    let _ = writeln!(out, "| {core} | does not fit: {} | | | | | |", reason.replace('|', "/"));
                }
                None => {}
            }
        }
    }
    let _ = writeln!(
        out,
        "\n## Published, on silicon\n\nMillions of cycles. {}.\n\n| core | {} | engine |\n|---|{}---|",
        peers.published_source,
        peers.models.keys().map(|key| title(key)).collect::<Vec<_>>().join(" | "),
        "---|".repeat(peers.models.len())
    );
    for entry in &peers.published {
        let cycles = peers.models.keys().map(|key| entry.megacycles.get(key).map_or(String::new(), f64::to_string));
        let _ = writeln!(out, "| {} | {} | {} |", entry.core, cycles.collect::<Vec<_>>().join(" | "), entry.engine);
    }
    if !results.host.is_empty() {
        out += "\n## Host\n\nInferences a second on one thread, the decoding of data included for residua, beside ONNX Runtime with \
                the model's quantized form\n(the best of three runs each, taken in turns).\n\n\
                | model | residua | ONNX Runtime | ratio |\n|---|---|---|---|\n";
        for model in MODELS {
            let Some(host) = results.host.get(model.key) else { continue };
            let ratio = host.residua / host.onnx_runtime;
            let _ = writeln!(out, "| {} | {:.0} | {:.0} | {ratio:.2} |", model.title, host.residua, host.onnx_runtime);
        }
    }
    out
}

fn title(key: &str) -> &str {
    MODELS.iter().find(|model| model.key == key).map_or(key, |model| model.title)
}

fn row(core: &str, figures: &Figures, peer: Option<&Peer>) -> String {
    let here = peer.and_then(|peer| peer.cores.get(core)).copied().unwrap_or_default();
    let cells = [
        core.to_owned(),
        beside(figures.instructions, here.instructions),
        figures.cycles.map_or(String::new(), |cycles| beside(cycles, here.cycles)),
        beside(figures.load_instructions, peer.map(|peer| peer.load_instructions)),
        beside(figures.stack_bytes, peer.map(|peer| peer.stack_bytes)),
        beside(figures.code_bytes, here.code_bytes),
        if figures.equals_host { "yes".into() } else { "**no**".into() },
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// A figure, with that of a peer and the share of it.
fn beside(own: u64, peer: Option<u64>) -> String {
    match peer {
        Some(peer) => format!("{} ({}: {:.2})", grouped(own), grouped(peer), own as f64 / peer as f64),
        None => grouped(own),
    }
}

/// A number with its digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 123, 1234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn the_committed_page_is_that_of_the_committed_figures() {
        let results = Results::read(include_str!("../results.json")).unwrap();
        assert_eq!(page(&results, &Peers::read().unwrap()), include_str!("../RESULTS.md"));
    }
}
