//! The picture of the arena: address upwards, steps to the right.

use super::markup::{count, escape, shortened, span};
use crate::inspect::{BufferKind, BufferReport, PlanReport};

/// Place of the plot in the picture, in its units.
const LEFT: f64 = 84.0;
const TOP: f64 = 46.0;
const HEIGHT: f64 = 460.0;
const BOTTOM: f64 = 44.0;
/// Width of the plot where steps are few, and of a step where they are many.
const WIDTH: f64 = 980.0;
const NARROWEST: f64 = 18.0;
/// Width of a character of a label.
const CHARACTER: f64 = 6.3;

/// Kinds with the name of their pattern; patterns tell them apart without colour.
const KINDS: [(BufferKind, &str); 6] = [
    (BufferKind::Ring, "p-ring"),
    (BufferKind::Tensor, "p-tensor"),
    (BufferKind::Head, "p-head"),
    (BufferKind::Scratch, "p-scratch"),
    (BufferKind::Sums, "p-sums"),
    (BufferKind::Counters, "p-counters"),
];

const PATTERNS: &str = include_str!("patterns.svg");

/// Where steps and addresses lie in the picture.
struct Scale {
    step: f64,
    steps: usize,
    bytes: f64,
}

impl Scale {
    fn x(&self, step: usize) -> f64 {
        LEFT + self.step * step as f64
    }

    fn y(&self, address: usize) -> f64 {
        TOP + HEIGHT - HEIGHT * address as f64 / self.bytes
    }

    fn right(&self) -> f64 {
        self.x(self.steps)
    }
}

/// The picture, with the legend of its patterns above.
pub fn picture(plan: &PlanReport) -> String {
    let steps = plan.steps.len().max(1);
    let scale = Scale { step: (WIDTH / steps as f64).max(NARROWEST), steps, bytes: plan.arena_bytes.max(1) as f64 };
    let (width, height) = (scale.right() + 16.0, TOP + HEIGHT + BOTTOM);
    let mut svg = format!(
        "<div class=\"wide\"><svg width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-label=\"Buffers in the arena over the steps\">\n{PATTERNS}"
    );
    plan.memory.iter().for_each(|buffer| svg += &bar(plan, &scale, buffer));
    svg += &segments(plan, &scale);
    svg += &axes(plan, &scale);
    svg += &fast_region(plan, &scale);
    svg += &peak(plan, &scale);
    svg + "</svg></div>\n"
}

/// Each pattern with what it stands for.
pub fn legend(plan: &PlanReport) -> String {
    let used = KINDS.iter().filter(|(kind, _)| plan.memory.iter().any(|b| b.kind == *kind));
    let entry = |(kind, pattern): &(BufferKind, &str)| {
        format!(
            "<li><svg width=\"26\" height=\"14\"><rect x=\"0.5\" y=\"0.5\" width=\"25\" height=\"13\" class=\"bar\" \
             fill=\"url(#{pattern})\"/></svg> {kind}</li>\n"
        )
    };
    format!("<ul class=\"legend\">\n{}</ul>\n", used.map(entry).collect::<String>())
}

/// Steps during which a buffer's bytes are its own.
fn held(plan: &PlanReport, buffer: &BufferReport) -> [usize; 2] {
    if buffer.kind.is_transient() {
        return buffer.steps.map(usize::from);
    }
    let [first, last] = buffer.live;
    let inside = |segment: u16| (first..=last).contains(&segment);
    let start = plan.steps.iter().position(|s| inside(s.segment));
    let end = plan.steps.iter().rposition(|s| inside(s.segment));
    [start.unwrap_or(0), end.unwrap_or(0)]
}

fn bar(plan: &PlanReport, scale: &Scale, buffer: &BufferReport) -> String {
    let [first, last] = held(plan, buffer);
    let (x, end) = (scale.x(first), scale.x(last + 1));
    let (y, bottom) = (scale.y(buffer.offset as usize + buffer.bytes), scale.y(buffer.offset as usize));
    let (width, height) = (end - x, bottom - y);
    let pattern = KINDS.iter().find(|(kind, _)| *kind == buffer.kind).map_or("p-ring", |(_, pattern)| pattern);
    let mut out = format!(
        "<g><title>{}, at {}, used by steps {}</title>\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         class=\"bar\" fill=\"url(#{pattern})\"/>",
        escape(&buffer.to_string()),
        count(buffer.offset),
        span(buffer.steps)
    );
    if !buffer.kind.is_transient() && buffer.kind != BufferKind::Counters {
        let [from, to] = buffer.steps.map(usize::from);
        let (from, to, y) = (scale.x(from) + 1.0, scale.x(to + 1) - 1.0, bottom - 1.5);
        out += &format!("<path d=\"M{from:.1} {y:.1}H{to:.1}\" class=\"use\"/>");
    }
    let room = ((width - 8.0) / CHARACTER) as usize;
    if height >= 11.0 && room >= 3 {
        let (x, y) = (x + 4.0, y + height / 2.0 + 3.5);
        out += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"inside\">{}</text>", shortened(&buffer.writer, room));
    }
    out + "</g>\n"
}

fn segments(plan: &PlanReport, scale: &Scale) -> String {
    let mut out = String::new();
    for (segment, steps) in plan.steps.chunk_by(|a, b| a.segment == b.segment).scan(0, |start, chunk| {
        *start += chunk.len();
        Some((chunk[0].segment, *start - chunk.len()..*start))
    }) {
        let (x, end) = (scale.x(steps.start), scale.x(steps.end));
        let (middle, bottom) = ((x + end) / 2.0, TOP + HEIGHT + 34.0);
        out += &format!("<text x=\"{middle:.1}\" y=\"{bottom:.1}\" class=\"axis middle\">segment {segment}</text>\n");
        if steps.start > 0 {
            out += &format!("<path d=\"M{x:.1} {TOP:.1}V{bottom:.1}\" class=\"cut\"/>\n");
        }
    }
    out
}

fn axes(plan: &PlanReport, scale: &Scale) -> String {
    let (right, bottom) = (scale.right(), TOP + HEIGHT);
    let mut out = format!("<path d=\"M{LEFT:.1} {TOP:.1}V{bottom:.1}H{right:.1}\" class=\"line\"/>\n");
    for step in 0..plan.steps.len() {
        let (x, y) = (scale.x(step) + scale.step / 2.0, bottom + 16.0);
        out += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"axis middle\">{step}</text>\n");
    }
    for quarter in 0..=4 {
        let address = plan.arena_bytes * quarter / 4;
        let (x, y) = (LEFT - 6.0, scale.y(address));
        let text = y + 3.5;
        out += &format!("<path d=\"M{x:.1} {y:.1}H{LEFT:.1}\" class=\"line\"/>");
        out += &format!("<text x=\"{:.1}\" y=\"{text:.1}\" class=\"axis end\">{}</text>\n", x - 3.0, count(address));
    }
    out
}

fn fast_region(plan: &PlanReport, scale: &Scale) -> String {
    let Some(region) = plan.fast_region.as_ref().filter(|r| r.bytes < plan.arena_bytes) else { return String::new() };
    let (y, right) = (scale.y(region.bytes), scale.right());
    format!(
        "<path d=\"M{LEFT:.1} {y:.1}H{right:.1}\" class=\"cut\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" class=\"inside end\">fast region below {}</text>\n",
        right - 4.0,
        y + 11.0,
        count(region.bytes)
    )
}

fn peak(plan: &PlanReport, scale: &Scale) -> String {
    let step = usize::from(plan.peak.index);
    let (x, width, y) = (scale.x(step), scale.step, scale.y(plan.arena_lower_bound));
    let right = scale.right();
    let middle = (x + width / 2.0).clamp(LEFT + 120.0, (right - 120.0).max(LEFT + 120.0));
    let mut out = format!(
        "<rect x=\"{x:.1}\" y=\"{TOP:.1}\" width=\"{width:.1}\" height=\"{HEIGHT:.1}\" class=\"peak\"/>\n\
         <text x=\"{middle:.1}\" y=\"16\" class=\"strong middle\">▼ peak: {} bytes live at step {step}</text>\n",
        count(plan.peak.bytes)
    );
    out += &format!("<path d=\"M{LEFT:.1} {y:.1}H{right:.1}\" class=\"bound\"/>\n");
    out += &format!(
        "<text x=\"{right:.1}\" y=\"34\" class=\"axis end\">dashed: lower bound {}; top: arena {} bytes</text>\n",
        count(plan.arena_lower_bound),
        count(plan.arena_bytes)
    );
    out
}
