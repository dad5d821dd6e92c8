//! Operators whose inputs and output are int8 or int16, each by itself: for layers to which 8 bits are too few.
//!
//! They are the escape from int8, so that they are general rather than fast: elements are read and written one at a time
//! as 32-bit numbers, whatever their type, and accumulators have 64 bits. int8 values are asymmetric, int16 values
//! symmetric; each formula below has both zero points, that of int16 being 0.

mod add;
mod average_pool;
mod bilinear;
mod concat;
mod convolution;
mod log_softmax;
mod max_pool;
mod mean;
mod mean_pool;
mod multiply;
mod pair;
mod requantizer;
mod softmax;
mod table;

pub use add::WideAdd;
pub use average_pool::WideAveragePool;
pub use bilinear::WideBilinear;
pub use concat::WideConcat;
pub use convolution::WideConvolution;
pub use log_softmax::WideLogSoftmax;
pub use max_pool::WideMaxPool;
pub use mean::WideMean;
pub use mean_pool::WideMeanPool;
pub use multiply::WideMultiply;
pub use pair::WidePair;
pub use requantizer::WideRequantizer;
pub use softmax::{Exponentials, WideSoftmax};
pub use table::WideTable;

use super::Context;
use crate::plan::format::ValueRecord;
use crate::plan::{Element, PlanError};

/// Type and zero point of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input {
    /// Type of its elements.
    pub element: Element,
    /// Zero point.
    pub zero_point: i32,
}

impl From<&ValueRecord> for Input {
    fn from(value: &ValueRecord) -> Self {
        Self { element: value.element_type(), zero_point: value.zero_point.into() }
    }
}

impl Context<'_> {
    /// Both inputs of a step that has two.
    fn wide_pair(&self) -> Result<[Input; 2], PlanError> {
        let second = self.second.ok_or(PlanError::Geometry(self.index))?;
        Ok([self.input.into(), second.into()])
    }

    /// The step's requantization to its output.
    pub(super) fn wide_requantizer(&self) -> Result<WideRequantizer, PlanError> {
        let (step, output) = (self.step, self.output);
        let bounds = [step.min.into(), step.max.into()];
        WideRequantizer::new(output.element_type(), step.shift, output.zero_point.into(), bounds)
            .ok_or(PlanError::Requantization(self.index))
    }
}

#[cfg(test)]
mod testing;
