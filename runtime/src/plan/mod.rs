//! The plan: a model compiled to steps over rows, as one byte string that is checked once and read in place.

mod checksum;
mod constants;
mod element;
mod error;
pub mod format;
mod golden;
mod load;
#[cfg(feature = "text")]
mod text;

pub use checksum::Checksum;
pub(crate) use constants::Constants;
pub use element::{Element, Elements, ElementsMut};
pub use error::PlanError;
pub use golden::GoldenInput;

#[cfg(feature = "front-end")]
use crate::frontend::FrontEnd;
use crate::operators::Operator;
use format::{GoldenRecord, HeaderRecord, MapRecord, NONE_16, StepRecord, ValueRecord};

/// Description of a tensor of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Rows along the stream axis.
    pub rows: u32,
    /// Width.
    pub columns: u32,
    /// Channels, innermost in memory.
    pub channels: u32,
    /// Type of the elements.
    pub element: Element,
    /// Zero point.
    pub zero_point: i32,
    /// Scale as the bits of an f32: real = scale · (q − zero point).
    pub scale_bits: u32,
}

impl Tensor {
    /// Bytes of a row: those of columns · channels elements.
    pub fn row_len(&self) -> usize {
        (self.columns as usize).wrapping_mul(self.channels as usize).wrapping_mul(self.element.size())
    }

    /// Bytes of the whole tensor.
    pub fn len(&self) -> usize {
        self.row_len().saturating_mul(self.rows as usize)
    }

    /// The elements in a row's bytes.
    pub fn elements<'r>(&self, row: &'r [i8]) -> Elements<'r> {
        Elements::new(row, self.element)
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ValueRecord> for Tensor {
    fn from(v: ValueRecord) -> Self {
        Self {
            rows: v.rows,
            columns: v.columns.into(),
            channels: v.channels.into(),
            element: v.element_type(),
            zero_point: v.zero_point.into(),
            scale_bits: v.scale,
        }
    }
}

/// A checked plan. Copies share the bytes.
///
/// No method of it panics, and nothing that an [`Engine`](crate::engine::Engine) does with it can index out of bounds,
/// divide by zero, overflow an accumulator or loop without end.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'p> {
    bytes: &'p [u8],
    header: &'p HeaderRecord,
    values: &'p [ValueRecord],
    steps: &'p [StepRecord],
    constants: Constants<'p>,
    input: u16,
    output: u16,
}

impl<'p> Plan<'p> {
    /// Checks a plan and returns a view of it.
    ///
    /// Everything but the constants' own checksum is checked (see [`Plan::verify_constants`]): sections, shapes, order,
    /// windows, buffers and their overlap, ranges of constants, accumulator bounds. Takes time in proportion to the
    /// structure and needs no memory.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn load(bytes: &'p [u8]) -> Result<Self, PlanError> {
        load::load(bytes)
    }

    /// Compares the checksum of the constants; reads the whole plan.
    ///
    /// # Errors
    /// [`PlanError::Checksum`] where weights are damaged. A plan with damaged weights is safe to run, but wrong.
    pub fn verify_constants(&self) -> Result<(), PlanError> {
        if Checksum::of(self.constants.0) == self.header().constants_checksum {
            Ok(())
        } else {
            Err(PlanError::Checksum)
        }
    }

    /// The plan's bytes.
    pub fn bytes(&self) -> &'p [u8] {
        self.bytes
    }

    /// Arena size in bytes; the arena must start at a multiple of 16.
    pub fn arena_len(&self) -> usize {
        self.header().arena_len as usize
    }

    /// The input.
    pub fn input(&self) -> Tensor {
        self.value(self.input).unwrap_or_default().into()
    }

    /// The (first) output.
    pub fn output(&self) -> Tensor {
        self.value(self.output).unwrap_or_default().into()
    }

    /// Bytes of the whole input, and of the whole (first) output.
    #[inline(never)]
    pub fn lens(&self) -> [usize; 2] {
        [self.input, self.output].map(|value| {
            self.value_in_place(value).map_or(0, |value| value.row_len().saturating_mul(value.rows as usize))
        })
    }

    /// Index of the input value.
    pub fn input_value(&self) -> u16 {
        self.input
    }

    /// Index of the (first) output value.
    pub fn output_value(&self) -> u16 {
        self.output
    }

    /// Number of values.
    pub fn value_count(&self) -> u16 {
        self.values.len() as u16
    }

    /// Number of steps.
    pub fn step_count(&self) -> u16 {
        self.steps.len() as u16
    }

    /// A value, or `None` past the last.
    #[inline]
    pub fn value(&self, index: u16) -> Option<ValueRecord> {
        self.value_in_place(index).copied()
    }

    /// Rings and sums that are live in a segment, in order of address, as the [memory map](format::MapRecord) names them,
    /// and the segment's transient bytes; `None` past the last segment.
    pub fn segment_buffers(&self, segment: u16) -> Option<(u32, impl Iterator<Item = u16> + use<'p>)> {
        let header = self.header();
        let mut map = self.section(header.map, header.map_len)?;
        for _ in 0..segment {
            (_, _, map) = map_record(map)?;
        }
        let (record, entries, _) = map_record(map)?;
        Some((record.transient_len, entries))
    }

    /// A step, or `None` past the last.
    #[inline]
    pub fn step(&self, index: u16) -> Option<StepRecord> {
        self.step_in_place(index).copied()
    }

    /// The operator of a step, ready to run, or `None` past the last step.
    pub fn operator(&self, index: u16) -> Option<Operator<'p>> {
        Operator::decode(self, index).ok()
    }

    /// The name of a step; empty where names were left out.
    #[cfg(feature = "text")]
    pub fn step_name(&self, index: u16) -> &'p str {
        let header = self.header();
        self.text(header.names, header.names_len).lines().nth(index.into()).unwrap_or("")
    }

    /// Class names in the order of the output's channels; none where the model has no labels.
    #[cfg(feature = "text")]
    pub fn labels(&self) -> impl Iterator<Item = &'p str> + use<'p> {
        let header = self.header();
        self.text(header.labels, header.labels_len).lines()
    }

    /// `key: value` lines that tell where the plan comes from.
    #[cfg(feature = "text")]
    pub fn provenance(&self) -> &'p str {
        let header = self.header();
        self.text(header.provenance, header.provenance_len)
    }

    /// The audio front end, where the input is audio.
    #[cfg(feature = "front-end")]
    pub fn front_end(&self) -> Option<FrontEnd<'p>> {
        let header = self.header();
        let section = self.section(header.front_end, header.front_end_len)?;
        if section.is_empty() { None } else { FrontEnd::load(section).ok() }
    }

    /// The golden input's seed and the checksum of the output rows.
    pub fn golden(&self) -> GoldenRecord {
        self.bytes.get(self.header().golden as usize..).and_then(GoldenRecord::read).unwrap_or_default()
    }

    /// Checksum of all rows that a step emits on the golden input.
    pub fn golden_checksum(&self, step: u16) -> Option<u32> {
        let start = (self.header().golden as usize)
            .checked_add(GoldenRecord::LEN)?
            .checked_add(usize::from(step).checked_mul(4)?)?;
        self.bytes.get(start..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// Size of the constants section in bytes.
    pub fn constants_len(&self) -> usize {
        self.constants.0.len()
    }

    /// Bytes at the arena's start that hold the engine's row counters.
    #[inline(never)]
    pub fn state_len(&self) -> usize {
        state_len(self.values.len(), self.steps.len())
    }

    /// The constants.
    pub(crate) fn constants(&self) -> Constants<'p> {
        self.constants
    }

    /// A value where it stands.
    #[inline]
    pub(crate) fn value_in_place(&self, index: u16) -> Option<&'p ValueRecord> {
        self.values.get(usize::from(index))
    }

    /// A step where it stands.
    #[inline]
    pub(crate) fn step_in_place(&self, index: u16) -> Option<&'p StepRecord> {
        self.steps.get(usize::from(index))
    }

    fn header(&self) -> &'p HeaderRecord {
        self.header
    }

    #[inline(never)]
    fn section(&self, offset: u32, len: u32) -> Option<&'p [u8]> {
        let start = offset as usize;
        self.bytes.get(start..start.checked_add(len as usize)?)
    }

    #[cfg(feature = "text")]
    fn text(&self, offset: u32, len: u32) -> &'p str {
        self.section(offset, len).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or("")
    }
}

/// Size in bytes of the engine's counters for a plan with these many values and steps: one u32 each, rounded up to 16.
pub const fn state_len(values: usize, steps: usize) -> usize {
    (values.saturating_add(steps)).saturating_mul(4).saturating_add(15) & !15
}

/// The first record of a memory map, its entries, and the rest of the map.
pub(crate) fn map_record(map: &[u8]) -> Option<(MapRecord, impl Iterator<Item = u16> + use<'_>, &[u8])> {
    let record = MapRecord::read(map)?;
    let (entries, rest) = map.get(MapRecord::LEN..)?.split_at_checked(usize::from(record.count).checked_mul(2)?)?;
    let entries = entries.chunks_exact(2).filter_map(|e| e.first_chunk().map(|e| u16::from_le_bytes(*e)));
    Some((record, entries, rest))
}

/// The value that a 16-bit field names, `None` for [`NONE_16`].
pub(crate) fn optional(index: u16) -> Option<u16> {
    (index != NONE_16).then_some(index)
}
