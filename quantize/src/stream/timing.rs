//! When a stream's outputs come, and what they depend on.

use super::Sliding;
use crate::ports::provenance;
use crate::qgraph::QGraph;
use crate::quantize::code;
use crate::schedule::geometry;
use residua::operators::geometry::Geometry;
use residua::plan::Plan;
use serde::Serialize;

/// Provenance key of a stream plan's timing.
pub const STREAM_KEY: &str = "stream";

/// Times of a stream, in rows.
///
/// A stream begins with the model's own padding above the first row: that is its warm-up. It has no last row: where the
/// model pads below the last row of a window, the stream has the rows that come next. An output row therefore equals that
/// of the whole-frame run bit for bit if it depends on no padding below. A stream that ends is ended by pushing
/// [`Timing::delay`] rows of the input's zero point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// Input rows of the model, which are a window of the stream.
    pub window: u32,
    /// Output rows of the model for one window.
    pub outputs: u32,
    /// The first of these that need no row behind the window: they are bit for bit those of the whole-frame run.
    pub exact: u32,
    /// Input rows that must follow a window until the last of its output rows comes.
    pub delay: u32,
    /// Input rows until the first output row.
    pub first: u32,
    /// Input rows until output rows depend on no padding above the stream's first row, but for what recurrent layers remember.
    pub warm_up: u32,
    /// Output rows that come with
    pub rows: u32,
    /// these many input rows, after which everything repeats.
    pub per: u32,
}

impl Timing {
    /// The timing of a graph's stream.
    pub fn of(sliding: &Sliding) -> Self {
        let graph = sliding.endless();
        let reach = Reach::new(&graph);
        let rows = |value: usize| sliding.window().values[value].shape[0] as u32;
        let (window, outputs) = (rows(graph.input), rows(sliding.window().first_output()));
        let needed = |row: u32| reach.of(row).needed;
        let [per, rows] = sliding.period().map(|n| n as u32);
        let unpadded = (0..).map(|row| reach.of(row)).find(|reach| !reach.padded);
        Self {
            window,
            outputs,
            exact: (0..outputs).take_while(|&row| needed(row) <= window).count() as u32,
            delay: needed(outputs - 1).saturating_sub(window),
            first: needed(0),
            warm_up: unpadded.map_or(0, |reach| reach.needed),
            rows,
            per,
        }
    }

    /// The timing that the compiler has noted in a plan; `None` where the plan is none of a stream.
    pub fn of_plan(plan: &Plan<'_>) -> Option<Self> {
        let note = provenance(plan, STREAM_KEY)?;
        let number = |key: &str| {
            let mut words = note.split(' ').skip_while(|word| *word != key);
            words.nth(1)?.parse::<u32>().ok()
        };
        let timing = Self {
            window: number("window")?,
            outputs: number("outputs")?,
            exact: number("exact")?,
            delay: number("delay")?,
            first: number("first")?,
            warm_up: number("warm-up")?,
            rows: number("rows")?,
            per: number("per")?,
        };
        let rows = [(timing.window, plan.input().rows), (timing.outputs, plan.output().rows)];
        let sound = rows.iter().all(|&(window, all)| (1..=all).contains(&window)) && timing.rows > 0 && timing.per > 0;
        let times = [timing.delay, timing.first, timing.warm_up, timing.per];
        (sound && times.iter().all(|&time| time <= plan.input().rows - timing.window)).then_some(timing)
    }

    /// The note that the compiler leaves, to be read by [`Timing::of_plan`].
    pub fn note(&self) -> String {
        let Self { window, outputs, exact, delay, first, warm_up, rows, per } = self;
        format!(
            "window {window} outputs {outputs} exact {exact} delay {delay} first {first} warm-up {warm_up} rows {rows} per {per}"
        )
    }
}

/// What an output row depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// Input rows, counted from the stream's first, that must have been pushed.
    pub needed: u32,
    /// Whether there is padding above the first row of a value among it.
    pub padded: bool,
    /// Whether there is a state among it that is carried from the stream's first row.
    pub carried: bool,
}

/// Dependences of the rows of a graph's values.
pub struct Reach<'g> {
    graph: &'g QGraph,
    geometries: Vec<Geometry>,
}

impl<'g> Reach<'g> {
    /// Dependences within a graph.
    pub fn new(graph: &'g QGraph) -> Self {
        Self { graph, geometries: graph.steps.iter().map(|step| geometry(step, &graph.values)).collect() }
    }

    /// What a row of the first output depends on where nothing is known of the input's last row.
    pub fn of(&self, row: u32) -> Dependence {
        self.of_value(self.graph.first_output(), row)
    }

    /// The same for a row of any value.
    pub fn of_value(&self, value: usize, row: u32) -> Dependence {
        let mut spans: Vec<Option<[u32; 2]>> = vec![None; self.graph.values.len()];
        spans[value] = Some([row; 2]);
        let (mut padded, mut carried) = (false, false);
        for (step, geometry) in self.graph.steps.iter().zip(&self.geometries).rev() {
            let Some([first, last]) = spans[step.output] else { continue };
            let top = geometry.first_row(first);
            let bottom = geometry.first_row(last) + geometry.span() as i64 - 1;
            padded |= top < 0;
            carried |= step.record.operator == code("RecurrentRows");
            if let Ok(bottom) = u32::try_from(bottom) {
                join(&mut spans[step.inputs[0]], [top.max(0) as u32, bottom]);
            }
            step.inputs[1..].iter().for_each(|&second| join(&mut spans[second], [first, last]));
        }
        Dependence { needed: spans[self.graph.input].map_or(0, |[_, last]| last + 1), padded, carried }
    }
}

fn join(span: &mut Option<[u32; 2]>, [first, last]: [u32; 2]) {
    let [low, high] = span.unwrap_or([first, last]);
    *span = Some([low.min(first), high.max(last)]);
}
