//! A plan as one HTML page that needs nothing else: no script, no other file, no network. The same plan gives the same
//! bytes.

mod markup;
mod memory;

use crate::evaluate::Accuracy;
use crate::inspect::{BufferReport, PlanReport, PortReport, RegionReport};
use crate::stream::Timing;
use markup::{count, escape, span, table};

const STYLE: &str = include_str!("style.css");
/// Width of the longest bar of a table, in pixels.
const BAR: f64 = 130.0;

/// The page. `accuracy` is shown where it was measured.
pub fn page(plan: &PlanReport, accuracy: Option<&Accuracy>) -> String {
    let name = escape(&plan.name);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{name} — residua plan</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}</h1>\n{}</header>\n<main>\n\
         <section>\n<h2>Memory over time</h2>\n{}</section>\n\
         <section>\n<h2>Peak</h2>\n{}</section>\n\
         <section>\n<h2>Cost and precision of each step</h2>\n{}</section>\n\
         <section>\n<h2>Buffers and rows</h2>\n{}</section>\n\
         <section>\n<h2>Origin</h2>\n{}</section>\n</main>\n</body>\n</html>\n",
        facts(plan, accuracy),
        memory_section(plan),
        peak(plan),
        steps(plan),
        buffers(&plan.memory),
        list(plan.provenance.iter().map(|(key, value)| (key.as_str(), escape(value)))),
    )
}

fn facts(plan: &PlanReport, accuracy: Option<&Accuracy>) -> String {
    let bytes = |bytes: usize| format!("{} bytes", count(bytes));
    let operators = plan.operators.iter().map(|(name, number)| format!("{number} {}", escape(name)));
    let mut facts = vec![
        ("Arena", bytes(plan.arena_bytes)),
        ("Arena, lower bound", bytes(plan.arena_lower_bound)),
        ("Plan", bytes(plan.plan_bytes)),
        ("Constants", bytes(plan.constants_bytes)),
        ("Segments", plan.segments.to_string()),
        ("MACs", count(plan.macs)),
        ("Parameters", count(plan.parameters)),
        ("Steps", format!("{}: {}", plan.steps.len(), operators.collect::<Vec<_>>().join(", "))),
        ("Input", port(&plan.input) + if plan.front_end { ", from audio" } else { "" }),
        ("Output", port(&plan.output)),
    ];
    if let Some(Timing { window, delay, rows, per, .. }) = &plan.stream {
        facts.push(("Stream", format!("{rows} output rows for {per} input rows; window {window}, delay {delay}")));
    }
    if let Some(RegionReport { bytes: size, traffic_share }) = &plan.fast_region {
        facts.push(("Fast region", format!("{}, {:.1} % of the traffic", bytes(*size), traffic_share * 100.0)));
    }
    if !plan.labels.is_empty() {
        facts.push(("Labels", escape(&plan.labels.join(", "))));
    }
    let Accuracy { samples, top1, top5 } = accuracy.copied().unwrap_or_default();
    facts.extend(
        accuracy.map(|_| ("Accuracy", format!("top-1 {top1:.4}, top-5 {top5:.4}, of {} samples", count(samples)))),
    );
    list(facts)
}

fn port(port: &PortReport) -> String {
    format!("{:?}, scale {}, zero point {}", port.shape, port.scale, port.zero_point)
}

fn memory_section(plan: &PlanReport) -> String {
    format!(
        "<p>Addresses run upwards, steps in their order to the right; the table below names them. Steps of a segment take \
         turns row by row, so that rings, tensors and sums keep their bytes for whole segments; the line at the lower edge of \
         a bar goes from the step that writes to the last that reads. Heads and scratch keep their bytes for their steps \
         alone.</p>\n{}{}",
        memory::legend(plan),
        memory::picture(plan)
    )
}

fn peak(plan: &PlanReport) -> String {
    let peak = &plan.peak;
    format!(
        "<p>Most bytes, <strong>{}</strong>, are live while step {} runs: <strong>{}</strong> ({}, segment {}). The rest of \
         the arena is alignment, and gaps that no other placement was found to fill.</p>\n{}",
        count(peak.bytes),
        peak.index,
        escape(&peak.step),
        escape(&peak.operator),
        peak.segment,
        buffers(&peak.buffers)
    )
}

fn steps(plan: &PlanReport) -> String {
    let most_macs = plan.steps.iter().map(|s| s.macs).max().unwrap_or(0);
    let most_constants = plan.steps.iter().map(|s| s.constants_bytes as u64).max().unwrap_or(0);
    let bits = |bits: u8| if bits == 0 { "–".to_string() } else { bits.to_string() };
    let rows = plan.steps.iter().enumerate().map(|(index, s)| {
        let [rows, columns, channels] = s.shape;
        [
            index.to_string(),
            escape(&s.name),
            escape(&s.operator),
            s.segment.to_string(),
            format!("{rows}×{columns}×{channels}"),
            count(s.macs),
            bar(s.macs, most_macs, "c-macs"),
            count(s.constants_bytes),
            bar(s.constants_bytes as u64, most_constants, "c-constants"),
            bits(s.weight_bits),
            bits(s.activation_bits),
        ]
    });
    let head = [
        "Step #",
        "Name",
        "Operator",
        "Segment #",
        "Output",
        "MACs #",
        "",
        "Constants, bytes #",
        "",
        "Weight bits #",
        "Activation bits #",
    ];
    table(head, rows)
}

fn bar(part: u64, most: u64, class: &str) -> String {
    let width = BAR * part as f64 / most.max(1) as f64;
    format!(
        "<svg width=\"{BAR:.0}\" height=\"12\" aria-hidden=\"true\">\
         <rect y=\"1\" width=\"{width:.1}\" height=\"10\" class=\"{class}\"/></svg>"
    )
}

fn buffers(buffers: &[BufferReport]) -> String {
    let rows = buffers.iter().map(|b| {
        [
            b.kind.to_string(),
            escape(&b.writer),
            count(b.offset),
            count(b.bytes),
            b.rows.map_or("–".into(), |[held, all]| if all == 0 { count(held) } else { format!("{held} of {all}") }),
            b.traffic_bytes.map_or("–".into(), count),
            span(b.steps),
            span(b.live),
        ]
    });
    table(["Kind", "Of", "Address #", "Bytes #", "Rows held #", "Traffic, bytes #", "Steps #", "Segments #"], rows)
}

/// Names with what stands behind them, as markup.
fn list<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let entry = |(name, markup)| format!("<div><dt>{}</dt><dd>{markup}</dd></div>\n", escape(name));
    format!("<dl>\n{}</dl>\n", entries.into_iter().map(entry).collect::<String>())
}
