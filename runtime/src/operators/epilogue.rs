//! What a convolution does behind its accumulators: requantization, then bounds or the residual add; and whether it is
//! needed at all.

use super::rows::RowWindow;
#[cfg(feature = "residual")]
use super::sum::Sum as Residual;
use super::{Context, geometry::fits};
use crate::plan::PlanError;
use crate::plan::format::ValueRecord;
use crate::requantize::Requantizer;

/// The operators that have one.
pub(super) const OPERATORS: [&str; 5] = ["Convolution", "Depthwise", "Depthwise3", "Pointwise", "Winograd"];

/// Requantization, and the sum with a second input of the output's shape if the step has one.
///
/// With `r` the requantized accumulator, over the whole int8 range and with a zero point of its own, and `b` the element of
/// the second input in the same place, the output is the [`Sum`](super::Sum) of `r` and `b`: bit for bit that of a convolution and an
/// [`Add`](super::Add) behind it.
///
/// Another kind of second input is a gate, a single element: where it is zero, nothing is computed and the output is zero.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    requantizer: Requantizer,
    residual: Option<Residual>,
    gate: Option<Gate>,
}

/// No sum where none is linked.
#[cfg(not(feature = "residual"))]
#[derive(Clone, Copy, Debug)]
pub enum Residual {}

#[cfg(not(feature = "residual"))]
impl Residual {
    fn new(_zero_points: [i8; 2], _multipliers: [i32; 2], _requantizer: Requantizer) -> Option<Self> {
        None
    }

    fn add_to(&self, _row: &mut [i8], _second: &[i8]) {
        match *self {}
    }

    fn reference(&self, _a: i8, _b: i8) -> i8 {
        match *self {}
    }
}

/// What closes a gate, and what the output is then.
#[derive(Clone, Copy, Debug)]
struct Gate {
    closed: i8,
    zero: i8,
}

impl From<Requantizer> for Epilogue {
    fn from(requantizer: Requantizer) -> Self {
        Self { requantizer, residual: None, gate: None }
    }
}

impl Epilogue {
    /// An epilogue that adds a second input; `None` where the requantizer has bounds.
    pub fn with_residual(requantizer: Requantizer, sum: Residual) -> Option<Self> {
        (!requantizer.restricts()).then_some(Self { requantizer, residual: Some(sum), gate: None })
    }

    #[inline(never)]
    pub(super) fn decode(context: &Context<'_>) -> Result<Self, PlanError> {
        let Some(second) = context.second else { return Ok(context.requantizer()?.into()) };
        let (step, out, wrong) = (context.step, context.output, PlanError::Requantization(context.index));
        let is_gate = step.residual_shift == 0;
        if !(is_gate && cfg!(feature = "gate") || !is_gate && cfg!(feature = "residual")) {
            return Err(PlanError::UnknownOperator(context.index, step.operator));
        }
        let shape = |v: &ValueRecord| (v.rows, v.columns, v.channels);
        fits(shape(second) == if is_gate { (1, 1, 1) } else { shape(out) }, context.index)?;
        if is_gate {
            let gate = Gate { closed: second.zero_point as i8, zero: out.zero_point as i8 };
            return Ok(Self { gate: Some(gate), ..context.requantizer()?.into() });
        }
        let middle = step.residual_zero_point;
        let requantizer = Requantizer::new(step.shift, middle.into(), i8::MIN.into(), i8::MAX.into()).ok_or(wrong)?;
        let last = Requantizer::new(step.residual_shift, out.zero_point.into(), step.min.into(), step.max.into());
        let multipliers = [step.first_parameter, step.second_parameter];
        let sum = last.and_then(|last| Residual::new([middle, second.zero_point as i8], multipliers, last));
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

    /// Whether the row of a second input closes the convolution's gate; the output, any number of elements, is zero then.
    #[inline(always)]
    pub(super) fn is_closed(&self, second: &[i8], out: &mut [i8]) -> bool {
        let gate = self.gate.filter(|gate| cfg!(feature = "gate") && second.first() == Some(&gate.closed));
        if let Some(gate) = gate {
            out.fill(gate.zero);
        }
        gate.is_some()
    }

    /// Turns a row of requantized accumulators into the output row.
    #[inline(never)]
    pub(super) fn finish(&self, window: &RowWindow<'_>, out: &mut [i8]) {
        match &self.residual {
            Some(sum) => sum.add_to(out, window.second()),
            None => self.requantizer.restrict(out),
        }
    }

    /// The output element of an accumulator; `second` is the whole second input, `index` the element's place in the output.
    pub(super) fn reference(&self, acc: i64, multiplier: i32, second: &[i8], index: usize) -> i8 {
        let own = self.requantizer.apply(acc as i32, multiplier);
        let b = second.get(index).copied().unwrap_or(0);
        self.residual.map_or(own, |sum| sum.reference(own, b))
    }
}
