//! The engine: runs a plan row by row in a caller's arena.
//!
//! A row of input is pushed; every step whose window is then filled emits its next row, the step nearest the output
//! first, until no step can go on. A step's readiness depends on row counts alone, so that the order of all row
//! computations is fixed by the plan's geometry, and with it which row lies in which slot at any time. Steps of a segment
//! run only when all steps of earlier segments have emitted their last row.

mod observer;
mod self_test;
mod state;

pub use observer::Observer;
pub use self_test::SelfTestFailure;

use crate::operators::geometry::Geometry;
use crate::operators::rows::{RowWindow, Rows};
use crate::operators::{Operator, RowOperator};
use crate::plan::format::{StepRecord, ValueRecord};
use crate::plan::{Plan, optional};
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
    /// A row, input or output has the wrong number of elements.
    Length {
        /// Elements needed.
        needed: usize,
        /// Elements given.
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
            Self::Length { needed, given } => write!(f, "{given} elements given, {needed} needed"),
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
    arena: &'a mut [u8],
    segment: u16,
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
        let mut engine = Self { plan, arena, segment: 0 };
        engine.reset();
        Ok(engine)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan<'p> {
        &self.plan
    }

    /// Goes back to the start of an input.
    pub fn reset(&mut self) {
        self.state().clear();
        self.segment = 0;
    }

    /// Pushes one row of input (`input().row_len()` elements, column by column, channels innermost) and runs every step
    /// that can run then. `sink` gets index and elements of each row of the (first) output.
    ///
    /// # Errors
    /// The row has the wrong length, or the input is complete already.
    pub fn push_row(&mut self, row: &[i8], sink: impl FnMut(u32, &[i8])) -> Result<(), EngineError> {
        let needed = self.plan.input().row_len();
        if row.len() != needed {
            return Err(EngineError::Length { needed, given: row.len() });
        }
        let mut sink = Sink { value: self.plan.output_value(), sink };
        self.push_with(|slot| slot.copy_from_slice(row), &mut sink)
    }

    /// Like [`Engine::push_row`], but `fill` writes the row where the engine reads it, and `observer` sees the rows of
    /// every step.
    ///
    /// # Errors
    /// The input is complete already.
    pub fn push_with(&mut self, fill: impl FnOnce(&mut [i8]), observer: &mut impl Observer) -> Result<(), EngineError> {
        let index = self.plan.input_value();
        let value = self.plan.value(index).unwrap_or_default();
        let row = self.state().produced(index);
        if row >= value.rows {
            return Err(EngineError::InputEnded);
        }
        let (_, slot, _) = self.split(&value, row);
        fill(slot);
        self.state().count_produced(index);
        self.cascade(observer);
        Ok(())
    }

    /// Runs one whole input: rows one after another, `input().len()` elements. The (first) output is written whole to
    /// `output`, `output().len()` elements.
    ///
    /// # Errors
    /// Input or output has the wrong length.
    pub fn run(&mut self, input: &[i8], output: &mut [i8]) -> Result<(), EngineError> {
        let (from, to) = (self.plan.input(), self.plan.output());
        for (needed, given) in [(from.len(), input.len()), (to.len(), output.len())] {
            if needed != given {
                return Err(EngineError::Length { needed, given });
            }
        }
        self.reset();
        for row in input.chunks_exact(from.row_len().max(1)) {
            self.push_row(row, |index, row| {
                let start = (index as usize).wrapping_mul(row.len());
                if let Some(out) = output.get_mut(start..start.wrapping_add(row.len())) {
                    out.copy_from_slice(row);
                }
            })?;
        }
        Ok(())
    }

    /// Runs steps until none can go on.
    fn cascade(&mut self, observer: &mut impl Observer) {
        loop {
            match self.next_step() {
                Some((index, step)) => self.run_step(index, &step, observer),
                None if self.segment_is_complete() => self.segment = self.segment.saturating_add(1),
                None => return,
            }
        }
    }

    /// The last step of the current segment that can run.
    fn next_step(&mut self) -> Option<(u16, StepRecord)> {
        for index in (0..self.plan.step_count()).rev() {
            let step = self.plan.step(index)?;
            if step.segment > self.segment {
                continue;
            }
            if step.segment < self.segment {
                return None;
            }
            if self.is_ready(index, &step) {
                return Some((index, step));
            }
        }
        None
    }

    /// Whether all steps of the current segment are done and later ones wait.
    fn segment_is_complete(&mut self) -> bool {
        let mut later = false;
        for index in 0..self.plan.step_count() {
            let Some(step) = self.plan.step(index) else { return false };
            let rows = self.plan.value(step.output).map_or(0, |v| v.rows);
            if step.segment > self.segment {
                later = true;
            } else if self.state().produced(step.output) < rows {
                return false;
            }
        }
        later
    }

    fn is_ready(&mut self, index: u16, step: &StepRecord) -> bool {
        let (Some(input), Some(output)) = (self.plan.value(step.input), self.plan.value(step.output)) else {
            return false;
        };
        let Some(geometry) = Geometry::of(step, &input, &output) else { return false };
        let accumulates = Operator::accumulates(step.operator);
        let state = self.state();
        let y = state.produced(step.output);
        if y >= output.rows {
            return false;
        }
        let available = state.produced(step.input);
        if accumulates {
            return available > state.consumed(index);
        }
        geometry.last_row(y).is_none_or(|last| available > last)
            && optional(step.second).is_none_or(|second| state.produced(second) > y)
    }

    /// Computes one output row, or takes one input row into the sums.
    fn run_step(&mut self, index: u16, step: &StepRecord, observer: &mut impl Observer) {
        let (Some(operator), Some(output)) = (self.plan.operator(index), self.plan.value(step.output)) else { return };
        let operator = operator.as_row_operator();
        let y = self.state().produced(step.output);
        observer.step_begins(index);
        let emitted = if operator.sums() == 0 {
            self.emit(step, operator, &output, y);
            true
        } else {
            self.accumulate(index, step, operator, &output, y)
        };
        observer.step_ends(index);
        if emitted {
            self.state().count_produced(step.output);
            let (_, row, _) = self.split(&output, y);
            observer.row(index, step.output, y, row);
        }
    }

    fn emit(&mut self, step: &StepRecord, operator: &dyn RowOperator, output: &ValueRecord, y: u32) {
        let (state, reserved) = (self.plan.state_len(), self.plan.reserved_len());
        let Some(input) = self.plan.value(step.input) else { return };
        let second = optional(step.second).and_then(|v| self.plan.value(v));
        // Offsets count from where the buffers begin.
        let shifted = |v: ValueRecord| ValueRecord { offset: v.offset.wrapping_sub(reserved as u32), ..v };
        let (below, buffers) = split_at(self.arena, reserved);
        let (_, scratch) = split_at(below, state);
        let scratch = bytemuck::try_cast_slice_mut(scratch).unwrap_or(&mut []);
        let (low, out, high) = split(buffers, &shifted(*output), y);
        let high_start = low.len().wrapping_add(out.len());
        let geometry = operator.geometry();
        let window = RowWindow {
            input: Rows::new(low, high, high_start, &shifted(input)),
            second: second.map(|v| Rows::new(low, high, high_start, &shifted(v))),
            row: y,
            first: geometry.first_row(y),
            dilation: geometry.dilation[0],
        };
        operator.row(&window, scratch, out);
    }

    /// Takes the next input row into the sums; true if that completed output row `y`.
    fn accumulate(
        &mut self,
        index: u16,
        step: &StepRecord,
        operator: &dyn RowOperator,
        output: &ValueRecord,
        y: u32,
    ) -> bool {
        let Some(input) = self.plan.value(step.input) else { return false };
        let geometry = operator.geometry();
        let r = self.state().consumed(index);
        self.state().count_consumed(index);
        let tap = i64::from(r).wrapping_sub(geometry.first_row(y));
        let Ok(tap) = usize::try_from(tap) else { return false };
        let (low, sums, high, high_start) = self.sums(step.scratch, operator.sums());
        if i64::from(r) == geometry.first_row(y).max(0) {
            sums.fill(0);
        }
        if let Some(row) = Rows::new(low, high, high_start, &input).get(r.into()) {
            operator.accumulate(tap, row, sums);
        }
        if geometry.last_row(y) != Some(r) {
            return false;
        }
        let (low, out, high) = self.split(output, y);
        let high_start = low.len().wrapping_add(out.len());
        let start = step.scratch as usize;
        let end = start.wrapping_add(operator.sums().wrapping_mul(4));
        let bytes = match low.get(start..end) {
            Some(bytes) => bytes,
            None => high.get(start.wrapping_sub(high_start)..end.wrapping_sub(high_start)).unwrap_or(&[]),
        };
        operator.finish(y, bytemuck::try_cast_slice(bytes).unwrap_or(&[]), out);
        true
    }

    /// The arena below, in and above the slot of row `r` of a value.
    fn split(&mut self, value: &ValueRecord, r: u32) -> (&[u8], &mut [i8], &[u8]) {
        split(self.arena, value, r)
    }

    /// The arena below, in and above `count` sums; the last number is where the upper part starts.
    fn sums(&mut self, start: u32, count: usize) -> (&[u8], &mut [i32], &[u8], usize) {
        let len = count.wrapping_mul(4);
        let (low, rest) = split_at(self.arena, start as usize);
        let (sums, high) = split_at(rest, len);
        let high_start = low.len().wrapping_add(len);
        (low, bytemuck::try_cast_slice_mut(sums).unwrap_or(&mut []), high, high_start)
    }

    fn state(&mut self) -> State<'_> {
        let len = self.plan.state_len();
        let (state, _) = split_at(self.arena, len);
        State::new(state, self.plan.value_count())
    }
}

/// The bytes below, in and above the slot of row `r` of a value.
fn split<'b>(bytes: &'b mut [u8], value: &ValueRecord, r: u32) -> (&'b [u8], &'b mut [i8], &'b [u8]) {
    let len = usize::from(value.columns).wrapping_mul(value.channels.into());
    let slot = r.checked_rem(value.ring).unwrap_or(0) as usize;
    let start = (value.offset as usize).wrapping_add(slot.wrapping_mul(len));
    let (low, rest) = split_at(bytes, start);
    let (out, high) = split_at(rest, len);
    (low, bytemuck::must_cast_slice_mut(out), high)
}

/// `split_at_mut` that gives all that is there rather than panic.
fn split_at(bytes: &mut [u8], at: usize) -> (&mut [u8], &mut [u8]) {
    let at = at.min(bytes.len());
    bytes.split_at_mut_checked(at).unwrap_or((&mut [], &mut []))
}
