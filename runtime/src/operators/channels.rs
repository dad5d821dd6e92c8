//! Per-channel numbers of convolutions and dense layers.

use super::Context;
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Largest number of products in one accumulator: with int8 operands their sum stays below 2^30.
const MAX_FAN_IN: usize = 1 << 16;
/// Biases (zero points folded in) stay below this, so that bias and products together fit in an i32.
const MAX_BIAS: u32 = 1 << 30;

/// Bias, multiplier and requantization of each output channel.
///
/// In the constants: all biases (i32), then all multipliers (i32, positive). The input's zero point is folded into the
/// bias: `bias' = bias − zero_point · Σ weights`, padding included.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'p> {
    /// One i32 per output channel.
    pub bias: &'p [i32],
    /// One positive i32 per output channel.
    pub multiplier: &'p [i32],
    /// Shift, zero point and bounds.
    pub requantizer: Requantizer,
}

impl<'p> Channels<'p> {
    /// Reads and checks the numbers of `count` channels that each sum `fan_in` products.
    pub(crate) fn decode(context: &Context<'p>, count: usize, fan_in: usize) -> Result<Self, PlanError> {
        let constants = PlanError::Constants(context.index);
        let both = count.checked_mul(2).ok_or(constants)?;
        let numbers = context.plan.constants_i32(context.step.channel_parameters, both).ok_or(constants)?;
        let (bias, multiplier) = numbers.split_at_checked(count).ok_or(constants)?;
        if context.check {
            if fan_in > MAX_FAN_IN || bias.iter().any(|b| b.unsigned_abs() > MAX_BIAS) {
                return Err(PlanError::Accumulator(context.index));
            }
            if multiplier.iter().any(|&m| m <= 0) {
                return Err(PlanError::Requantization(context.index));
            }
        }
        Ok(Self { bias, multiplier, requantizer: context.requantizer()? })
    }

    /// Pairs of bias and multiplier, channel by channel.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        self.bias.iter().copied().zip(self.multiplier.iter().copied())
    }
}

/// What stands in padding: one pixel of `channels` elements, or the input's zero point in all of them.
#[derive(Clone, Copy, Debug)]
pub struct Padding<'p> {
    pixel: Option<&'p [i8]>,
    zero_point: i32,
}

impl<'p> Padding<'p> {
    /// The padding of a step.
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let zero_point = context.input.zero_point.into();
        let offset = context.step.padding;
        if offset == crate::plan::format::NONE {
            return Ok(Self { pixel: None, zero_point });
        }
        let pixel = context.plan.constants_i8(offset, context.input.channels.into());
        Ok(Self { pixel: Some(pixel.ok_or(PlanError::Constants(context.index))?), zero_point })
    }

    /// Uniform padding.
    pub fn uniform(zero_point: i8) -> Self {
        Self { pixel: None, zero_point: zero_point.into() }
    }

    /// Padding with a value per channel.
    pub fn per_channel(pixel: &'p [i8]) -> Self {
        Self { pixel: Some(pixel), zero_point: 0 }
    }

    /// The padding value of a channel.
    #[inline]
    pub fn value(&self, channel: usize) -> i32 {
        match self.pixel {
            Some(pixel) => pixel.get(channel).copied().unwrap_or(0).into(),
            None => self.zero_point,
        }
    }

    /// Fills a run of channels from channel `first`; elements behind the last channel are left.
    pub(super) fn fill(&self, first: usize, out: &mut [i8]) {
        match self.pixel.and_then(|pixel| pixel.get(first..)) {
            Some(pixel) => out.iter_mut().zip(pixel).for_each(|(out, &value)| *out = value),
            None => out.fill(self.zero_point as i8),
        }
    }

    /// Sum of `weights · padding` over one or more taps of `channels` weights each, from channel `first`.
    pub fn dot(&self, weights: &[i8], first: usize, channels: usize) -> i32 {
        match self.pixel.and_then(|p| p.get(first..)?.get(..channels)) {
            Some(pixel) => {
                weights.chunks_exact(channels.max(1)).fold(0, |acc, tap| acc.wrapping_add(super::dot(tap, pixel)))
            }
            None => weights.iter().fold(0i32, |acc, &w| acc.wrapping_add(i32::from(w))).wrapping_mul(self.zero_point),
        }
    }
}
