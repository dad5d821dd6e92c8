//! What a convolution does behind its accumulators: requantization, then bounds or the residual add.

use super::rows::RowWindow;
use super::sum::Sum;
use super::{Context, geometry::fits};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Requantization, and the sum with a second input of the output's shape if the step has one.
///
/// With `r` the requantized accumulator, over the whole int8 range and with a zero point of its own, and `b` the element of
/// the second input in the same place, the output is the [`Sum`] of `r` and `b`: bit for bit that of a convolution and an
/// [`Add`](super::Add) behind it.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    requantizer: Requantizer,
    residual: Option<Sum>,
}

impl From<Requantizer> for Epilogue {
    fn from(requantizer: Requantizer) -> Self {
        Self { requantizer, residual: None }
    }
}

impl Epilogue {
    /// An epilogue that adds a second input; `None` where the requantizer has bounds.
    pub fn with_residual(requantizer: Requantizer, sum: Sum) -> Option<Self> {
        (!requantizer.restricts()).then_some(Self { requantizer, residual: Some(sum) })
    }

    #[inline(never)]
    pub(super) fn decode(context: &Context<'_, '_>) -> Result<Self, PlanError> {
        let Some(second) = context.second else { return Ok(context.requantizer()?.into()) };
        if !cfg!(feature = "residual") {
            return Err(PlanError::UnknownOperator(context.index, context.step.operator));
        }
        let (step, out, wrong) = (context.step, context.output, PlanError::Requantization(context.index));
        let shape = |v: &crate::plan::format::ValueRecord| (v.rows, v.columns, v.channels);
        fits(shape(second) == shape(out), context.index)?;
        let middle = step.residual_zero_point;
        let requantizer = Requantizer::new(step.shift, middle.into(), i8::MIN.into(), i8::MAX.into()).ok_or(wrong)?;
        let last = Requantizer::new(step.residual_shift, out.zero_point.into(), step.min.into(), step.max.into());
        let multipliers = [step.first_parameter, step.second_parameter];
        let sum = last.and_then(|last| Sum::new([middle, second.zero_point as i8], multipliers, last));
        Self::with_residual(requantizer, sum.ok_or(wrong)?).ok_or(wrong)
    }

    /// Whether [`crate::requantize::high_word`] requantizes the accumulators.
    pub(super) fn is_high_word(&self) -> bool {
        self.requantizer.is_high_word()
    }

    /// The zero point of the requantized accumulators.
    pub(super) fn zero_point(&self) -> i32 {
        self.requantizer.zero_point()
    }

    /// Turns a row of requantized accumulators into the output row.
    #[inline(never)]
    pub(super) fn finish(&self, window: &RowWindow<'_>, out: &mut [i8]) {
        let Some(sum) = self.residual.filter(|_| cfg!(feature = "residual")) else {
            return self.requantizer.restrict(out);
        };
        sum.add_to(out, window.second());
    }

    /// The output element of an accumulator; `second` is the whole second input, `index` the element's place in the output.
    pub(super) fn reference(&self, acc: i64, multiplier: i32, second: &[i8], index: usize) -> i8 {
        let own = self.requantizer.apply(acc as i32, multiplier);
        let b = second.get(index).copied().unwrap_or(0);
        self.residual.map_or(own, |sum| sum.reference(own, b))
    }
}
