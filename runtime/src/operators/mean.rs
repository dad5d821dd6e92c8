//! What both average pools share: from the sum over a window to the mean in the output's scale.

use super::Context;
use super::geometry::{Geometry, fits};
use crate::plan::PlanError;
use crate::requantize::Requantizer;

/// Largest window, so that a sum of int8 stays far below 2^31.
const MAX_TAPS: usize = 1 << 16;

/// Multipliers and zero points of a mean.
///
/// Padding counts as real zeros where there is a single multiplier; otherwise there is a multiplier for each number of
/// taps inside the input (ONNX: `count_include_pad = 0`), that for one tap first.
#[derive(Clone, Copy, Debug)]
pub struct Mean<'p> {
    multipliers: &'p [i32],
    zero_point: i32,
    requantizer: Requantizer,
}

impl<'p> Mean<'p> {
    /// A mean; `None` unless all multipliers are positive and there is one, or one for each of `taps`.
    #[inline(always)]
    pub fn new(multipliers: &'p [i32], taps: usize, zero_point: i32, requantizer: Requantizer) -> Option<Self> {
        let count = multipliers.len();
        let sound = (count == 1 || count == taps) && taps <= MAX_TAPS && multipliers.iter().all(|&m| m > 0);
        sound.then_some(Self { multipliers, zero_point, requantizer })
    }

    /// The mean of a step over windows of the geometry's kernel; the step's first parameter is the number of multipliers.
    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>, geometry: &Geometry) -> Result<Self, PlanError> {
        fits(geometry.channels_in == geometry.channels_out, context.index)?;
        context.single()?;
        let constants = PlanError::Constants(context.index);
        let count = usize::try_from(context.step.first_parameter).map_err(|_| constants)?;
        let multipliers = context.constants.get(context.step.channel_parameters, count).ok_or(constants)?;
        let taps = geometry.kernel[0].saturating_mul(geometry.kernel[1]);
        Self::new(multipliers, taps, context.input.zero_point.into(), context.requantizer()?)
            .ok_or(PlanError::Requantization(context.index))
    }

    /// The output for a sum of `count` elements.
    #[inline(never)]
    pub fn apply(&self, sum: i32, count: usize) -> i8 {
        let multiplier = match self.multipliers {
            [one] => Some(one),
            many => many.get(count.wrapping_sub(1)),
        };
        let acc = sum.wrapping_sub((count as i32).wrapping_mul(self.zero_point));
        self.requantizer.apply(acc, multiplier.copied().unwrap_or(1))
    }

    /// The definition, element by element.
    pub fn reference(&self, g: &Geometry, input: &[i8], output: &mut [i8]) {
        let mut outputs = output.iter_mut();
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for c in 0..g.channels_out {
                    let (mut sum, mut count) = (0i64, 0usize);
                    for ky in 0..g.kernel[0] {
                        for kx in 0..g.kernel[1] {
                            if let Some(value) = g.element(input, g.row(y, ky), g.column(x, kx), c) {
                                sum = sum.wrapping_add(value.into());
                                count = count.wrapping_add(1);
                            }
                        }
                    }
                    if let Some(out) = outputs.next() {
                        *out = self.apply(sum as i32, count);
                    }
                }
            }
        }
    }
}

/// Input columns under the taps of an output column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// The first.
    pub first: usize,
    step: usize,
    /// How many there are.
    pub count: usize,
}

impl Columns {
    /// The columns, from left to right.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.count).scan(self.first, move |next, _| {
            let column = *next;
            *next = column.wrapping_add(self.step);
            Some(column)
        })
    }
}

/// Columns under the taps of output column `x` that lie inside the input.
#[inline(never)]
pub(super) fn columns_inside(g: &Geometry, x: usize) -> Columns {
    let width = g.columns_in as i32;
    let taps = g.kernel[1];
    let (mut first, mut count) = (g.column(x, 0), taps);
    if first < 0 || g.column(x, taps.wrapping_sub(1)) >= width {
        let mut inside = (0..taps).map(|k| g.column(x, k)).filter(|c| (0..width).contains(c));
        first = inside.next().unwrap_or(width);
        count = if first < width { inside.count().wrapping_add(1) } else { 0 };
    }
    Columns { first: first as usize, step: g.dilation[1] as usize, count }
}

/// Number of rows of the window of output row `y` that lie inside the input.
#[inline(never)]
pub(super) fn rows_inside(g: &Geometry, y: u32) -> usize {
    (0..g.kernel[0]).filter(|&k| (0..i64::from(g.rows_in)).contains(&g.row(y, k))).count()
}
