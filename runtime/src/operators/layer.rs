//! What all convolutions have: shapes, packed numbers, an epilogue, and what stands in the padding.

use super::Context;
use super::epilogue::Epilogue;
use super::geometry::{Geometry, fits};
use super::padding::Padding;
use crate::plan::PlanError;
use crate::plan::format::NONE;

/// A convolution of any kind.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'p> {
    pub(super) geometry: Geometry,
    pub(super) groups: usize,
    /// Biases, weights and multipliers, packed.
    pub(super) words: &'p [u32],
    pub(super) epilogue: Epilogue,
    pub(super) padding: Padding<'p>,
}

/// What a kind of convolution needs.
pub(super) struct Kind {
    /// Number of packed words; `None`, or none, for shapes or groups that it does not compute.
    pub words: fn(&Geometry, usize) -> Option<usize>,
    /// Whether several columns take the crate's feature for them.
    pub columns: bool,
    /// Whether a padding pixel may or has to be there.
    pub pixel: Pixel,
}

/// Whether a step has a padding pixel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixel {
    /// It has none.
    Never,
    /// It may have one.
    Any,
    /// It has one.
    Always,
}

impl<'p> Layer<'p> {
    /// The convolution of a step.
    #[inline(never)]
    pub(super) fn decode(context: &Context<'p>, kind: &Kind) -> Result<Self, PlanError> {
        let (geometry, groups) = (context.geometry(), usize::from(context.step.groups));
        if kind.columns {
            context.linked()?;
        }
        let fitting = if context.step.padding == NONE { Pixel::Never } else { Pixel::Always };
        fits(kind.pixel == Pixel::Any || kind.pixel == fitting, context.index)?;
        let len = (kind.words)(&geometry, groups).filter(|&len| len > 0);
        let words = context.packed(Some(len.ok_or(PlanError::Geometry(context.index))?))?;
        let (epilogue, padding) = (Epilogue::decode(context)?, Padding::decode(context)?);
        fits(epilogue.is_high_word(), context.index)?;
        Ok(Self { geometry, groups, words, epilogue, padding })
    }

    /// One of these parts; `None` where they do not match.
    pub(super) fn new(
        geometry: Geometry,
        groups: usize,
        words: &'p [u32],
        epilogue: Epilogue,
        padding: Padding<'p>,
        kind: &Kind,
    ) -> Option<Self> {
        let sound = (kind.words)(&geometry, groups) == Some(words.len()) && epilogue.is_high_word();
        sound.then_some(Self { geometry, groups, words, epilogue, padding })
    }
}

/// A layer, or one that is lent.
pub trait HoldsLayer {
    /// The layer.
    fn layer(&self) -> &Layer<'_>;
}

impl HoldsLayer for Layer<'_> {
    fn layer(&self) -> &Layer<'_> {
        self
    }
}

impl HoldsLayer for &Layer<'_> {
    fn layer(&self) -> &Layer<'_> {
        self
    }
}
