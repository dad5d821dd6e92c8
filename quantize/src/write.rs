//! Writes a scheduled graph as plan bytes.

use crate::aligned::AlignedBytes;
use crate::qgraph::QGraph;
use crate::schedule::Schedule;
use crate::simulate;
use residua::plan::format::{
    ALIGNMENT, GoldenRecord, HeaderRecord, MAGIC, MapRecord, NONE, NONE_16, STRUCTURE_START, StepRecord, VERSION,
    ValueRecord,
};
use residua::plan::{Checksum, Plan, PlanError};

/// Seed of the golden input.
const GOLDEN_SEED: u32 = 1;

/// What a plan carries beside the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// Front end section; empty for none.
    pub front_end: Vec<u8>,
    /// Class names.
    pub labels: Vec<String>,
    /// `key: value` lines.
    pub provenance: Vec<(String, String)>,
}

/// Writes a plan: the structure, then the constants; runs the golden input on it to record its checksums.
///
/// # Errors
/// The runtime refuses the plan: a shape or constant is out of the format's range.
pub fn write(graph: &QGraph, schedule: &Schedule, extras: &Extras) -> Result<AlignedBytes, PlanError> {
    let steps = graph.steps.len();
    let silent = vec![0; steps];
    let mut bytes = layout(graph, schedule, extras, 0, &silent);
    let plan = Plan::load(&bytes)?;
    let (output, sums) = simulate::golden_checksums(&plan, GOLDEN_SEED, golden_rows(graph));
    bytes = layout(graph, schedule, extras, output, &sums);
    Plan::load(&bytes)?.verify_constants()?;
    Ok(bytes)
}

fn layout(graph: &QGraph, schedule: &Schedule, extras: &Extras, output: u32, sums: &[u32]) -> AlignedBytes {
    let mut constants = Constants::default();
    let mut steps = Vec::new();
    for (index, step) in graph.steps.iter().enumerate() {
        let mut record = step.record;
        record.segment = schedule.segments[index];
        record.input = step.inputs[0] as u16;
        record.second = step.inputs.get(1).map_or(NONE_16, |&v| v as u16);
        record.output = step.output as u16;
        let numbers: Vec<u8> = step.constants.channel_parameters.iter().flat_map(|n| n.to_le_bytes()).collect();
        let padding: Vec<u8> = step.constants.padding.iter().map(|&p| p as u8).collect();
        for (field, bytes) in [
            (&mut record.channel_parameters, &numbers),
            (&mut record.weights, &step.constants.weights),
            (&mut record.padding, &padding),
        ] {
            *field = constants.add(bytes).unwrap_or(*field);
        }
        record.scratch = schedule.sums[index].unwrap_or(record.scratch);
        push(&mut steps, StepRecord::LEN, |b| record.write(b));
    }
    let mut values = Vec::new();
    for (index, value) in graph.values.iter().enumerate() {
        let role = match index {
            _ if index == graph.input => 1,
            _ if index == graph.first_output() => 2,
            _ if graph.outputs.contains(&index) => 3,
            _ => 0,
        };
        let [first_segment, last_segment] = schedule.lifetimes[index];
        let record = ValueRecord {
            rows: value.shape[0] as u32,
            columns: value.shape[1] as u16,
            channels: value.shape[2] as u16,
            offset: schedule.offsets[index],
            ring: schedule.rings[index],
            scale: value.scale.to_bits(),
            zero_point: value.zero_point.into(),
            element: value.element.code(),
            role,
            first_segment,
            last_segment,
            head: schedule.heads[index].unwrap_or(NONE),
            wake: schedule.wakes[index].unwrap_or(NONE_16),
            reserved: 0,
        };
        push(&mut values, ValueRecord::LEN, |b| record.write(b));
    }
    let mut golden = Vec::new();
    let rows = golden_rows(graph);
    let record = GoldenRecord { seed: GOLDEN_SEED, output_checksum: output, rows };
    push(&mut golden, GoldenRecord::LEN, |b| record.write(b));
    golden.extend(sums.iter().flat_map(|s| s.to_le_bytes()));

    let one_line = |s: &str| s.replace(['\n', '\r'], " ");
    let lines =
        |all: &mut dyn Iterator<Item = String>| all.map(|l| one_line(&l) + "\n").collect::<String>().into_bytes();
    let labels = lines(&mut extras.labels.iter().cloned());
    let names = lines(&mut graph.steps.iter().map(|s| short(&s.name)));
    let provenance = lines(&mut extras.provenance.iter().map(|(k, v)| format!("{k}: {v}")));

    let map = map(graph, schedule);
    let mut body = Body { bytes: vec![0; HeaderRecord::LEN] };
    let mut header = HeaderRecord {
        magic: MAGIC,
        version: VERSION,
        header_len: HeaderRecord::LEN as u16,
        arena_len: schedule.arena_len,
        value_count: graph.values.len() as u16,
        step_count: graph.steps.len() as u16,
        values: body.section(&values),
        steps: body.section(&steps),
        map: body.section(&map),
        map_len: map.len() as u32,
        golden: body.section(&golden),
        front_end: body.section(&extras.front_end),
        front_end_len: extras.front_end.len() as u32,
        labels: body.section(&labels),
        labels_len: labels.len() as u32,
        names: body.section(&names),
        names_len: names.len() as u32,
        provenance: body.section(&provenance),
        provenance_len: provenance.len() as u32,
        signature: body.section(&[]),
        constants: body.section(&constants.bytes),
        constants_checksum: Checksum::of(&constants.bytes),
        ..HeaderRecord::default()
    };
    header.total_len = body.bytes.len() as u32;
    let mut bytes = AlignedBytes::from(body.bytes);
    // The header is inside the bytes and the structure lies before the constants: neither write nor slice can fail.
    let _ = header.write(&mut bytes);
    header.structure_checksum = Checksum::of(bytes.get(STRUCTURE_START..header.constants as usize).unwrap_or_default());
    let _ = header.write(&mut bytes);
    bytes
}

/// Input rows of the self-test.
fn golden_rows(graph: &QGraph) -> u32 {
    graph.replay_rows()
}

/// The memory map: for each segment, its live rings and sums by address.
fn map(graph: &QGraph, schedule: &Schedule) -> Vec<u8> {
    let values = graph.values.len();
    let mut out = Vec::new();
    for (segment, &transient_len) in schedule.transient.iter().enumerate() {
        let segment = segment as u16;
        let live = |v: &usize| (schedule.lifetimes[*v][0]..=schedule.lifetimes[*v][1]).contains(&segment);
        let rings = (0..values).filter(|&v| schedule.rings[v] > 0).filter(live).map(|v| (schedule.offsets[v], v));
        let steps = (0..graph.steps.len()).filter(|&s| schedule.segments[s] == segment);
        let sums = steps.filter_map(|s| Some((schedule.sums[s]?, values + s)));
        let mut buffers: Vec<(u32, usize)> = rings.chain(sums).collect();
        buffers.sort_unstable();
        let record = MapRecord { transient_len, count: buffers.len() as u16 };
        push(&mut out, MapRecord::LEN, |b| record.write(b));
        out.extend(buffers.iter().flat_map(|&(_, index)| (index as u16).to_le_bytes()));
    }
    out
}

/// Exporters make names of hundreds of characters; the last part tells most.
pub(crate) fn short(name: &str) -> String {
    const LONGEST: usize = 40;
    let last = name.rsplit(';').next().unwrap_or(name);
    let skip = last.chars().count().saturating_sub(LONGEST);
    last.chars().skip(skip).collect()
}

fn push(out: &mut Vec<u8>, len: usize, write: impl FnOnce(&mut [u8]) -> Option<()>) {
    let start = out.len();
    out.resize(start + len, 0);
    // The space was made for it.
    let _ = write(&mut out[start..]);
}

#[derive(Default)]
struct Constants {
    bytes: Vec<u8>,
}

impl Constants {
    /// Appends constants at a multiple of 4; their offset, or `None` if there are none.
    fn add(&mut self, bytes: &[u8]) -> Option<u32> {
        if bytes.is_empty() {
            return None;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Some(offset)
    }
}

struct Body {
    bytes: Vec<u8>,
}

impl Body {
    /// Appends a section at an aligned place; its offset.
    fn section(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        offset
    }
}
