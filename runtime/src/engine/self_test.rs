//! Replays the plan's golden input and compares checksums.

use super::{Engine, Observer};
use crate::plan::{Checksum, GoldenInput};

/// The first step, in execution order, whose rows differ from those recorded by the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SelfTestFailure {
    /// Index of the step.
    pub step: u16,
    /// Checksum recorded in the plan.
    pub expected: u32,
    /// Checksum of the rows computed here.
    pub found: u32,
}

impl core::fmt::Display for SelfTestFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "step {} differs: checksum {:08x}, expected {:08x}", self.step, self.found, self.expected)
    }
}

impl core::error::Error for SelfTestFailure {}

/// Checksum of the rows of one step or one value.
struct Watch {
    step: Option<u16>,
    value: u16,
    sum: Checksum,
}

impl Observer for Watch {
    fn row(&mut self, step: u16, value: u16, _row: u32, elements: &[i8]) {
        if self.step.map_or(value == self.value, |watched| watched == step) {
            self.sum.update(bytemuck::must_cast_slice(elements));
        }
    }
}

impl Engine<'_, '_> {
    /// Runs the golden input and compares the output's checksum; where it differs, looks for the first step at fault
    /// (one run a step). Leaves the engine at the start of an input.
    ///
    /// # Errors
    /// The first step that differs.
    pub fn self_test(&mut self) -> Result<(), SelfTestFailure> {
        let expected = self.plan.golden().output_checksum;
        let found = self.golden_run(None);
        let mut result = Ok(());
        if found != expected {
            let last = self.plan.step_count().saturating_sub(1);
            result = Err(SelfTestFailure { step: last, expected, found });
            for step in 0..self.plan.step_count() {
                let Some(expected) = self.plan.golden_checksum(step) else { break };
                let found = self.golden_run(Some(step));
                if found != expected {
                    result = Err(SelfTestFailure { step, expected, found });
                    break;
                }
            }
        }
        self.reset();
        result
    }

    /// Runs the golden input; the checksum of the rows of a step, or of the output.
    fn golden_run(&mut self, step: Option<u16>) -> u32 {
        self.reset();
        let mut watch = Watch { step, value: self.plan.output_value(), sum: Checksum::new() };
        let record = self.plan.golden();
        let mut golden = GoldenInput::new(record.seed);
        for _ in 0..record.rows {
            if self.push_with(|row| golden.fill(row), &mut watch).is_err() {
                break;
            }
        }
        watch.sum.value()
    }
}
