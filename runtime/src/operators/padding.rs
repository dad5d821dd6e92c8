//! What stands in the padding of convolutions.

use super::Context;
use crate::plan::PlanError;

/// What stands in padding: one pixel of `channels` elements, or the input's zero point in all of them.
#[derive(Clone, Copy, Debug)]
pub struct Padding<'p> {
    pixel: Option<&'p [i8]>,
    zero_point: i32,
}

impl<'p> Padding<'p> {
    /// The padding of a step.
    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let zero_point = context.input.zero_point.into();
        let offset = context.step.padding;
        if offset == crate::plan::format::NONE {
            return Ok(Self { pixel: None, zero_point });
        }
        let pixel = context.constants.get(offset, context.input.channels.into());
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

    /// The pixel that stands in padding, where there is one.
    #[cfg(residua_mve)]
    pub(super) fn pixel(&self) -> Option<&'p [i8]> {
        self.pixel
    }

    /// Fills a run of channels from channel `first`; elements behind the last channel are left.
    pub(super) fn fill(&self, first: usize, out: &mut [i8]) {
        match self.pixel.and_then(|pixel| pixel.get(first..)) {
            Some(pixel) => out.iter_mut().zip(pixel).for_each(|(out, &value)| *out = value),
            None => out.fill(self.zero_point as i8),
        }
    }
}
