//! A plan of one step: the maximum over 2 × 2 windows of a one-channel image.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use residua::frontend::{BandRecord, FrontEndRecord};
use residua::plan::format::{
    ALIGNMENT, GoldenRecord, HeaderRecord, MAGIC, MapRecord, NONE, NONE_16, STRUCTURE_START, StepRecord, VERSION,
    ValueRecord,
};
use residua::plan::{Checksum, GoldenInput};

pub const ROWS: usize = 8;
pub const COLUMNS: usize = 6;

/// The plan's result, by its definition.
pub fn pool(input: &[i8]) -> Vec<i8> {
    let at = |y: usize, x: usize| input[y * COLUMNS + x];
    let window = |y: usize, x: usize| at(y, x).max(at(y, x + 1)).max(at(y + 1, x)).max(at(y + 1, x + 1));
    (0..ROWS / 2).flat_map(|y| (0..COLUMNS / 2).map(move |x| window(2 * y, 2 * x))).collect()
}

const LABELS: &str = "_silence_\nlow\nhigh\n";

/// A front end of [`COLUMNS`] bands of one bin each: windows of 16 samples, half overlapping, without taper.
fn front_end() -> Vec<u8> {
    let record = FrontEndRecord {
        version: 1,
        window_len: 16,
        hop: 8,
        fft_len: 16,
        mel_count: COLUMNS as u16,
        weight_count: COLUMNS as u16,
        sample_rate: 16_000,
        floor: i32::MIN,
        // int8 = natural logarithm · 8.
        multiplier: 1 << 30,
        shift: 43,
        ..FrontEndRecord::default()
    };
    let mut section = vec![0; FrontEndRecord::LEN];
    record.write(&mut section).unwrap();
    section.extend([32768u16; 16].iter().flat_map(|weight| weight.to_le_bytes()));
    let cosine = |k: i32| ((f64::from(k) * std::f64::consts::TAU / 16.0).cos() * f64::from(1 << 30)).round() as i32;
    section.extend((0..=4).flat_map(|k| cosine(k).to_le_bytes()));
    for band in 0..COLUMNS as u16 {
        let mut bytes = [0; BandRecord::LEN];
        BandRecord { first: band + 1, count: 1, offset: 0 }.write(&mut bytes).unwrap();
        section.extend(bytes);
    }
    section.extend([0xffffu16; COLUMNS].iter().flat_map(|weight| weight.to_le_bytes()));
    section
}

/// What can be varied of the plan.
#[derive(Clone, Copy, Debug)]
pub struct Pooling {
    pub arena_len: u32,
    /// Added to the golden checksums.
    pub golden_error: u32,
    /// Whether the input comes from an audio front end.
    pub audio: bool,
}

impl Default for Pooling {
    fn default() -> Self {
        Self { arena_len: 96, golden_error: 0, audio: false }
    }
}

impl Pooling {
    pub fn plan(&self) -> Vec<u8> {
        // The golden checksum is of the output rows in order, and the step's is the same.
        let mut golden = GoldenInput::new(1);
        let mut input = [0i8; ROWS * COLUMNS];
        input.chunks_exact_mut(COLUMNS).for_each(|row| golden.fill(row));
        let output: Vec<u8> = pool(&input).iter().map(|&value| value as u8).collect();
        let checksum = Checksum::of(&output).wrapping_add(self.golden_error);

        let shape = |rows, columns| ValueRecord {
            rows,
            columns,
            channels: 1,
            ring: 2,
            scale: 1f32.to_bits(),
            head: NONE,
            wake: NONE_16,
            ..ValueRecord::default()
        };
        let input = ValueRecord { offset: 16, role: 1, wake: 0, ..shape(ROWS as u32, COLUMNS as u16) };
        let output = ValueRecord { offset: 32, role: 2, ring: 1, ..shape(ROWS as u32 / 2, COLUMNS as u16 / 2) };
        let step = StepRecord {
            operator: 6,
            second: NONE_16,
            output: 1,
            groups: 1,
            kernel_rows: 2,
            kernel_columns: 2,
            stride_rows: 2,
            stride_columns: 2,
            upsampling: 1,
            dilation_rows: 1,
            dilation_columns: 1,
            min: -128,
            max: 127,
            weights: NONE,
            channel_parameters: NONE,
            padding: NONE,
            scratch: NONE,
            ..StepRecord::default()
        };
        let mut bytes = vec![0; HeaderRecord::LEN];
        let mut section = |records: &[u8]| {
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
            bytes.extend_from_slice(records);
            (bytes.len() - records.len()) as u32
        };
        let mut values = [0; 2 * ValueRecord::LEN];
        input.write(&mut values).unwrap();
        output.write(&mut values[ValueRecord::LEN..]).unwrap();
        let mut steps = [0; StepRecord::LEN];
        step.write(&mut steps).unwrap();
        let mut golden = [0; GoldenRecord::LEN];
        GoldenRecord { seed: 1, output_checksum: checksum, rows: ROWS as u32 }.write(&mut golden).unwrap();
        // One segment without transient bytes, whose buffers are the rings of both values.
        let mut map = [0; MapRecord::LEN];
        MapRecord { transient_len: 0, count: 2 }.write(&mut map).unwrap();
        let map = [&map[..], &[0, 0, 1, 0]].concat();
        let (values, steps, map_at) = (section(&values), section(&steps), section(&map));
        let golden = section(&[&golden[..], &checksum.to_le_bytes()].concat());
        let front_end = if self.audio { front_end() } else { Vec::new() };
        let (front_end_at, labels) = (section(&front_end), section(LABELS.as_bytes()));
        let (names, empty, constants) = (section(b"pool"), section(&[]), section(&[0; ALIGNMENT]));
        let mut header = HeaderRecord {
            magic: MAGIC,
            version: VERSION,
            header_len: HeaderRecord::LEN as u16,
            total_len: bytes.len() as u32,
            constants_checksum: Checksum::of(&[0; ALIGNMENT]),
            arena_len: self.arena_len,
            value_count: 2,
            step_count: 1,
            values,
            steps,
            map: map_at,
            map_len: map.len() as u32,
            golden,
            front_end: front_end_at,
            front_end_len: front_end.len() as u32,
            labels,
            labels_len: LABELS.len() as u32,
            names,
            names_len: 4,
            provenance: empty,
            signature: empty,
            constants,
            ..HeaderRecord::default()
        };
        header.write(&mut bytes).unwrap();
        header.structure_checksum = Checksum::of(&bytes[STRUCTURE_START..constants as usize]);
        header.write(&mut bytes).unwrap();
        bytes
    }
}
