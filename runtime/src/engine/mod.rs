//! The engine: runs a plan row by row in a caller's arena.
//!
//! A row of input is pushed; every step whose window is then filled emits its next row, the step nearest the output
//! first, until no step can go on. A step's readiness depends on row counts alone, so that the order of all row
//! computations is fixed by the plan's geometry, and with it which row lies in which slot at any time. Steps of a segment
//! run only when the whole input has been pushed and all steps of earlier segments have emitted their last row.
//!
//! A row written to the head of a value (see [`ValueRecord`]) is read by the step behind the writer before any other step
//! runs; then it moves to the value's ring.

mod memory;
mod observer;
mod self_test;
mod state;

pub use observer::Observer;
pub use self_test::SelfTestFailure;

use crate::kernels::copy;
use crate::operators::geometry::step_of;
use crate::operators::rows::{RowWindow, Rows};
use crate::operators::{Context, Operator, RowOperator};
use crate::plan::format::{NONE, ValueRecord};
use crate::plan::{Plan, optional};
use memory::Memory;
use observer::Sink;
use state::State;

/// Why the engine cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EngineError {
    /// The arena is smaller than the plan's [`Plan::arena_len`].
    ArenaTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The arena does not start at a multiple of 16; see [`crate::arena::Aligned`].
    ArenaMisaligned,
    /// A row, input or output has the wrong number of bytes.
    Length {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// All rows of the input have been pushed; call [`Engine::reset`].
    InputEnded,
}

impl core::fmt::Display for EngineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::ArenaTooSmall { needed, given } => write!(f, "the arena has {given} bytes, the plan needs {needed}"),
            Self::ArenaMisaligned => write!(f, "the arena does not start at a multiple of 16 bytes"),
            Self::Length { needed, given } => write!(f, "{given} bytes given, {needed} needed"),
            Self::InputEnded => write!(f, "all rows of the input have been pushed: reset the engine first"),
        }
    }
}

impl core::error::Error for EngineError {}

/// A plan at work in an arena.
///
/// ```
/// # use residua::{engine::{Engine, EngineError}, plan::Plan};
/// # fn f(bytes: &[u8], arena: &mut [u8], rows: &[[i8; 40]]) -> Result<(), Box<dyn std::error::Error>> {
/// let plan = Plan::load(bytes)?;
/// let mut engine = Engine::new(plan, arena)?;
/// for row in rows {
///     engine.push_row(row, |index, output| println!("output row {index}: {output:?}"))?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Engine<'p, 'a> {
    plan: Plan<'p>,
    state: State<'a>,
    memory: Memory<'a>,
    segment: u16,
    /// First step of the segment.
    first: u16,
}

impl<'p, 'a> Engine<'p, 'a> {
    /// An engine at the start of an input.
    ///
    /// # Errors
    /// The arena is too small or misaligned.
    pub fn new(plan: Plan<'p>, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        let (needed, given) = (plan.arena_len(), arena.len());
        if !arena.as_ptr().addr().is_multiple_of(crate::plan::format::ALIGNMENT) {
            return Err(EngineError::ArenaMisaligned);
        }
        let arena = arena.get_mut(..needed).ok_or(EngineError::ArenaTooSmall { needed, given })?;
        let (counters, memory) = arena.split_at_mut_checked(plan.state_len()).unwrap_or_default();
        let (state, memory) = (State::new(counters, plan.value_count()), Memory::new(memory, plan.state_len()));
        let mut engine = Self { plan, state, memory, segment: 0, first: 0 };
        engine.reset();
        Ok(engine)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan<'p> {
        &self.plan
    }

    /// Goes back to the start of an input.
    pub fn reset(&mut self) {
        self.state.clear();
        (self.segment, self.first) = (0, 0);
    }

    /// Pushes one row of input (`input().row_len()` bytes: elements column by column, channels
    /// innermost, of two bytes where they are int16, low byte first) and runs every step
    /// that can run then. `sink` gets index and bytes of each row of the (first) output.
    ///
    /// # Errors
    /// The row has the wrong length, or the input is complete already.
    pub fn push_row(&mut self, row: &[i8], sink: impl FnMut(u32, &[i8])) -> Result<(), EngineError> {
        let needed = self.plan.input().row_len();
        if row.len() != needed {
            return Err(EngineError::Length { needed, given: row.len() });
        }
        let mut sink = Sink { value: self.plan.output_value(), sink };
        self.push_with(|slot| copy(row, slot), &mut sink)
    }

    /// Like [`Engine::push_row`], but `fill` writes the row where the engine reads it, and `observer` sees the rows of
    /// every step.
    ///
    /// # Errors
    /// The input is complete already.
    pub fn push_with(&mut self, fill: impl FnOnce(&mut [i8]), observer: &mut impl Observer) -> Result<(), EngineError> {
        let index = self.plan.input_value();
        let value = self.plan.value(index).unwrap_or_default();
        let row = self.state.produced(index);
        if row >= value.rows {
            return Err(EngineError::InputEnded);
        }
        fill(self.slot(&value, row));
        self.state.count_produced(index);
        self.cascade(index, observer);
        Ok(())
    }

    /// Runs one whole input: rows one after another, `input().len()` bytes. The (first) output is written whole to
    /// `output`, `output().len()` bytes.
    ///
    /// # Errors
    /// Input or output has the wrong length.
    pub fn run(&mut self, input: &[i8], output: &mut [i8]) -> Result<(), EngineError> {
        for (needed, given) in self.plan.lens().into_iter().zip([input.len(), output.len()]) {
            if needed != given {
                return Err(EngineError::Length { needed, given });
            }
        }
        self.reset();
        for row in input.chunks_exact(self.plan.input().row_len().max(1)) {
            self.push_row(row, |index, row| {
                let start = (index as usize).wrapping_mul(row.len());
                copy(row, output.get_mut(start..start.wrapping_add(row.len())).unwrap_or_default());
            })?;
        }
        Ok(())
    }

    /// A row of `value` has been written: runs steps until none can go on.
    fn cascade(&mut self, value: u16, observer: &mut impl Observer) {
        let mut written = Some(value);
        // The last step that may be ready.
        let mut candidate: Option<u16> = None;
        loop {
            if let Some(value) = written.take() {
                candidate = self.settle(value, candidate, observer);
            }
            match candidate.filter(|&index| index >= self.first) {
                Some(index) if self.is_ready(index) => {
                    if self.run_step(index, NONE, observer) {
                        written = Some(index.saturating_add(1));
                    }
                }
                Some(index) => candidate = index.checked_sub(1),
                None if self.next_segment() => candidate = self.plan.step_count().checked_sub(1),
                None => return,
            }
        }
    }

    /// A row of `value` has been written: if it lies in a head, lets the step behind the writer read it and moves it to the
    /// ring, and so on with that step's output. Gives the last step that may be ready then.
    fn settle(&mut self, mut value: u16, mut candidate: Option<u16>, observer: &mut impl Observer) -> Option<u16> {
        loop {
            let record = self.plan.value_in_place(value);
            candidate = candidate.max(record.and_then(|record| optional(record.wake)));
            if record.is_none_or(|record| record.head == NONE) {
                return candidate;
            }
            // It has been counted.
            let newest = self.state.produced(value).wrapping_sub(1);
            let emitted = self.is_ready(value) && self.run_step(value, newest, observer);
            self.retire(value, newest);
            if !emitted {
                return candidate;
            }
            value = value.saturating_add(1);
        }
    }

    /// Moves a row from a value's head to its ring.
    #[inline(never)]
    fn retire(&mut self, value: u16, row: u32) {
        let Some(value) = self.plan.value_in_place(value) else { return };
        let Some(start) = value.place(row) else { return };
        let len = value.row_len();
        let cut = self.memory.at(start, len);
        if let Some(from) = cut.around.bytes(value.head as usize, len) {
            copy(bytemuck::must_cast_slice(from), bytemuck::must_cast_slice_mut(cut.bytes));
        }
    }

    /// Goes on to the next segment, if there is one and the whole input has been pushed.
    fn next_segment(&mut self) -> bool {
        let input = self.plan.input_value();
        let complete = self.plan.value_in_place(input).is_some_and(|v| self.state.produced(input) >= v.rows);
        let last = self.plan.step_count().checked_sub(1).and_then(|index| self.segment_of(index));
        let more = complete && last > Some(self.segment);
        if more {
            self.segment = self.segment.saturating_add(1);
            while self.segment_of(self.first) < Some(self.segment) {
                self.first = self.first.saturating_add(1);
            }
        }
        more
    }

    /// The segment of a step.
    fn segment_of(&self, index: u16) -> Option<u16> {
        self.plan.step_in_place(index).map(|step| step.segment)
    }

    /// Whether a step of the current segment has the rows that its next row needs.
    #[inline(never)]
    fn is_ready(&mut self, index: u16) -> bool {
        let Some(step) = self.plan.step_in_place(index).filter(|step| step.segment == self.segment) else {
            return false;
        };
        let rows = |value: u16| self.plan.value_in_place(value).map_or(0, |v| v.rows);
        let state = &self.state;
        let y = state.produced(step.output);
        if y >= rows(step.output) {
            return false;
        }
        let available = state.produced(step.input);
        if Operator::accumulates(step.operator) {
            return available > state.consumed(index);
        }
        // Rows that the window reaches to, counted from the first; all of them at the bottom. The geometry keeps it in 32 bits.
        let span = u32::from(step.kernel_rows).wrapping_sub(1).wrapping_mul(step.dilation_rows.into());
        let position = step_of(y, step.upsampling.into()).wrapping_mul(step.stride_rows.into());
        let end = position.wrapping_add(span).wrapping_add(1).wrapping_sub(step.pad_top.into());
        // A second input of one row serves all rows.
        let is_there = |second: u16| state.produced(second) > y.min(rows(second).saturating_sub(1));
        available >= end.min(rows(step.input)) && optional(step.second).is_none_or(is_there)
    }

    /// Computes one output row, or takes one input row into the sums; true if a row was emitted. `newest` is the row that
    /// lies in the head of the value before the step, or [`NONE`].
    #[inline(never)]
    fn run_step(&mut self, index: u16, newest: u32, observer: &mut impl Observer) -> bool {
        let Some(context) = Context::of(&self.plan, index) else { return false };
        let value = index.saturating_add(1);
        let y = self.state.produced(value);
        observer.step_begins(index);
        let mut emitted = false;
        let decoded = Operator::with(&context, &mut |operator| {
            emitted = if Operator::accumulates(context.step.operator) {
                self.accumulate(&context, y, operator, newest)
            } else {
                self.emit(&context, y, operator, newest);
                true
            };
        });
        debug_assert!(decoded.is_ok(), "checked when the plan was loaded");
        observer.step_ends(index);
        if emitted {
            self.state.count_produced(value);
            if observer.watches(value) {
                observer.row(index, value, y, self.slot(context.output, y));
            }
        }
        emitted
    }

    fn emit(&mut self, context: &Context<'_>, y: u32, operator: &dyn RowOperator, newest: u32) {
        let Context { index, step, input, second, output, .. } = context;
        let in_head = |value| if value == *index { newest } else { NONE };
        let (scratch, mut rest) = self.memory.split(operator.scratch_words().wrapping_mul(4));
        let cut = rest.at(slot_start(output, y), output.row_len());
        let geometry = operator.geometry();
        let window = RowWindow {
            input: Rows::new(&cut.around, input, in_head(step.input)),
            second: second.map(|v| Rows::new(&cut.around, v, in_head(step.second))),
            row: y,
            first: geometry.first_row(y) as i32,
            dilation: geometry.dilation[0],
        };
        let scratch = bytemuck::try_cast_slice_mut(scratch).unwrap_or(&mut []);
        operator.row(&window, scratch, bytemuck::must_cast_slice_mut(cut.bytes));
    }

    /// Takes the next input row into the sums; true if that completed output row `y`.
    #[inline(never)]
    fn accumulate(&mut self, context: &Context<'_>, y: u32, operator: &dyn RowOperator, newest: u32) -> bool {
        let Context { index, step, input, output, .. } = context;
        let geometry = operator.geometry();
        let r = self.state.consumed(*index);
        self.state.count_consumed(*index);
        let first = geometry.first_row(y) as i32;
        let Ok(tap) = usize::try_from((r as i32).wrapping_sub(first)) else { return false };
        let (start, len) = (step.scratch as usize, operator.sums().wrapping_mul(4));
        let cut = self.memory.at(start, len);
        let sums: &mut [i32] = bytemuck::try_cast_slice_mut(cut.bytes).unwrap_or(&mut []);
        if r as i32 == first.max(0) && (r == 0 || !operator.carries()) {
            sums.fill(0);
        }
        let newest = if step.input == *index { newest } else { NONE };
        if let Some(row) = Rows::new(&cut.around, input, newest).get(r as i32) {
            operator.accumulate(tap, row, sums);
        }
        if geometry.last_row(y) != Some(r) {
            return false;
        }
        let cut = self.memory.at(slot_start(output, y), output.row_len());
        let sums = cut.around.bytes(start, len).and_then(|sums| bytemuck::try_cast_slice(sums).ok());
        operator.finish(y, sums.unwrap_or(&[]), bytemuck::must_cast_slice_mut(cut.bytes));
        true
    }

    /// The place where row `r` of a value is written.
    fn slot(&mut self, value: &ValueRecord, r: u32) -> &mut [i8] {
        bytemuck::must_cast_slice_mut(self.memory.at(slot_start(value, r), value.row_len()).bytes)
    }
}

/// Arena offset at which row `r` of a value is written.
fn slot_start(value: &ValueRecord, r: u32) -> usize {
    if value.head != NONE {
        return value.head as usize;
    }
    value.place(r).unwrap_or(0)
}
