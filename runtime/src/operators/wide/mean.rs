//! What both average pools share: from the sum over a window to the mean in the output's scale.

use super::super::Context;
use super::super::geometry::{Geometry, fits};
use super::{Input, WideRequantizer};
use crate::plan::{Elements, PlanError};

/// Largest window: a sum of as many int16 stays within 32 bits.
const MAX_TAPS: usize = 1 << 16;

/// Multipliers of a mean, input and output.
///
/// Padding counts as real zeros where there is a single multiplier; otherwise there is a multiplier for each number of
/// taps inside the input (ONNX: `count_include_pad = 0`), that for one tap first.
#[derive(Clone, Copy, Debug)]
pub struct WideMean<'p> {
    pub(super) geometry: Geometry,
    pub(super) input: Input,
    pub(super) requantizer: WideRequantizer,
    multipliers: &'p [i32],
}

impl<'p> WideMean<'p> {
    /// A mean over windows of the geometry's kernel; `None` where channels differ, a window has more than 2^16 taps, or there
    /// is neither one multiplier nor one for each tap.
    pub fn new(geometry: Geometry, input: Input, multipliers: &'p [i32], requantizer: WideRequantizer) -> Option<Self> {
        let taps = geometry.kernel[0].checked_mul(geometry.kernel[1])?;
        let counts = multipliers.len() == 1 || multipliers.len() == taps;
        let sound = counts && taps <= MAX_TAPS && geometry.channels_in == geometry.channels_out;
        sound.then_some(Self { geometry, input, requantizer, multipliers })
    }

    /// The mean of a step; the step's first parameter is the number of multipliers.
    #[inline(never)]
    pub(super) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let geometry = context.geometry();
        fits(geometry.upsampling == 1, context.index)?;
        let constants = PlanError::Constants(context.index);
        let count = usize::try_from(context.step.first_parameter).map_err(|_| constants)?;
        let multipliers = context.constants.get(context.step.channel_parameters, count).ok_or(constants)?;
        Self::new(geometry, context.input.into(), multipliers, context.wide_requantizer()?)
            .ok_or(PlanError::Geometry(context.index))
    }

    /// The output for a sum of `count` elements; the sum without zero points has at most 31 bits and a sign.
    #[inline]
    pub(super) fn apply(&self, sum: i32, count: usize) -> i32 {
        let multiplier = match self.multipliers {
            [one] => Some(one),
            many => many.get(count.wrapping_sub(1)),
        };
        let zeros = (count as i64).wrapping_mul(self.input.zero_point.into());
        self.requantizer.apply(i64::from(sum).wrapping_sub(zeros), multiplier.copied().unwrap_or(1))
    }

    /// The definition, element by element.
    pub(super) fn reference(&self, input: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let input = Elements::new(input, self.input.element);
        let mut out = self.requantizer.output(output);
        for index in 0..out.len() {
            let (y, x, c) = g.output_place(index);
            let (mut sum, mut count) = (0i64, 0usize);
            for ky in 0..g.kernel[0] {
                for kx in 0..g.kernel[1] {
                    let place = g.place(g.row(y, ky), g.column(x, kx), c);
                    if let Some(value) = place.and_then(|place| input.get(place)) {
                        (sum, count) = (sum.wrapping_add(value.into()), count.wrapping_add(1));
                    }
                }
            }
            out.set(index, self.apply(sum as i32, count));
        }
    }
}
