//! Shapes and window of a step.

use crate::plan::PlanError;
use crate::plan::format::{StepRecord, ValueRecord};
use core::ops::Range;

/// Shapes of a step's input and output and the window between them; all sizes fit in 32 bits by construction.
///
/// Output row `y` depends on input rows `⌊y / upsampling⌋ · stride − pad_top + k · dilation`, `k < kernel`; columns
/// likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Input rows.
    pub rows_in: u32,
    /// Input width.
    pub columns_in: u32,
    /// Input channels.
    pub channels_in: usize,
    /// Output rows.
    pub rows_out: u32,
    /// Output width.
    pub columns_out: u32,
    /// Output channels.
    pub channels_out: usize,
    /// Taps over rows and columns.
    pub kernel: [usize; 2],
    /// Strides over rows and columns.
    pub stride: [u32; 2],
    /// Output rows, and columns, for each step of the window.
    pub upsampling: u32,
    /// Dilations over rows and columns.
    pub dilation: [u32; 2],
    /// Padding rows before the first and columns before the first.
    pub pad: [u32; 2],
}

impl Geometry {
    /// Most rows or columns that a window spans.
    pub const MAX_SPAN: u32 = 1 << 30;

    /// The geometry of a step.
    #[inline(never)]
    pub fn of(step: &StepRecord, input: &ValueRecord, output: &ValueRecord) -> Self {
        Self {
            rows_in: input.rows,
            columns_in: input.columns.into(),
            channels_in: input.channels.into(),
            rows_out: output.rows,
            columns_out: output.columns.into(),
            channels_out: output.channels.into(),
            kernel: [step.kernel_rows.into(), step.kernel_columns.into()],
            stride: [step.stride_rows.into(), step.stride_columns.into()],
            upsampling: step.upsampling.into(),
            dilation: [step.dilation_rows.into(), step.dilation_columns.into()],
            pad: [step.pad_top.into(), step.pad_left.into()],
        }
    }

    /// Whether no size is zero, all windows touch the padded input, and none spans more than [`Geometry::MAX_SPAN`].
    pub(crate) fn is_sound(&self) -> bool {
        let [rows, columns] = [(self.rows_in, self.rows_out), (self.columns_in, self.columns_out)];
        self.upsampling > 0 && self.is_axis_sound(0, rows) && self.is_axis_sound(1, columns)
    }

    #[inline(never)]
    fn is_axis_sound(&self, axis: usize, (size_in, size_out): (u32, u32)) -> bool {
        let of = |sizes: [u32; 2]| sizes.get(axis).copied().unwrap_or(0);
        let (stride, dilation, pad) = (of(self.stride), of(self.dilation), of(self.pad));
        let kernel = of(self.kernel.map(|taps| taps as u32));
        // The last window starts inside the input (or before it), the first ends inside it or behind. Each factor has 16
        // bits, but for that of `last`.
        let last = u64::from(step_of(size_out.wrapping_sub(1), self.upsampling));
        let starts = last.wrapping_mul(stride.into()) < u64::from(size_in.saturating_add(pad));
        let span = kernel.wrapping_sub(1).wrapping_mul(dilation);
        let positive = kernel > 0 && stride > 0 && dilation > 0 && size_out > 0;
        positive && starts && (pad..Self::MAX_SPAN).contains(&span)
    }

    /// Elements of an input row.
    pub fn row_in(&self) -> usize {
        (self.columns_in as usize).wrapping_mul(self.channels_in)
    }

    /// Elements of an output row.
    pub fn row_out(&self) -> usize {
        (self.columns_out as usize).wrapping_mul(self.channels_out)
    }

    /// Whether output pixels map one to one to input pixels.
    pub fn is_elementwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.upsampling == 1
            && self.pad == [0, 0]
            && self.rows_in == self.rows_out
            && self.columns_in == self.columns_out
    }

    /// First input row of the window of output row `y`; negative in the top padding.
    pub fn first_row(&self, y: u32) -> i64 {
        let [stride, _] = self.stride;
        let [pad, _] = self.pad;
        i64::from(step_of(y, self.upsampling).wrapping_mul(stride)).wrapping_sub(pad.into())
    }

    /// Last input row that output row `y` needs, within the input; `None` if the window lies in the padding alone.
    pub fn last_row(&self, y: u32) -> Option<u32> {
        let [taps, _] = self.kernel;
        let [dilation, _] = self.dilation;
        let span = (taps as i64).wrapping_sub(1).wrapping_mul(dilation.into());
        let last = self.first_row(y).wrapping_add(span);
        let bottom = i64::from(self.rows_in).wrapping_sub(1);
        u32::try_from(last.min(bottom)).ok()
    }

    /// Rows that the window of one output row spans, padding included.
    pub fn span(&self) -> u64 {
        let [taps, _] = self.kernel;
        let [dilation, _] = self.dilation;
        (taps as u64).saturating_sub(1).saturating_mul(dilation.into()).saturating_add(1)
    }

    /// Input column under tap `k` of output column `x`; negative or past the width in the padding.
    #[inline]
    pub fn column(&self, x: usize, k: usize) -> i32 {
        let [_, stride] = self.stride;
        let [_, dilation] = self.dilation;
        let [_, pad] = self.pad;
        let start = (x as u32).wrapping_mul(stride).wrapping_sub(pad);
        start.wrapping_add((k as u32).wrapping_mul(dilation)) as i32
    }

    /// Output columns whose first `taps` taps all lie inside the row.
    #[inline(never)]
    pub fn columns_inside(&self, taps: usize) -> Range<usize> {
        let ([_, stride], [_, pad], [_, dilation]) = (self.stride, self.pad, self.dilation);
        let (stride, pad) = (stride as usize, pad as usize);
        let span = taps.saturating_sub(1).wrapping_mul(dilation as usize);
        let start = pad.wrapping_add(stride).wrapping_sub(1).checked_div(stride).unwrap_or(0);
        let last = (self.columns_in as usize).wrapping_add(pad).checked_sub(span.wrapping_add(1));
        let end = last.and_then(|last| last.checked_div(stride)).map_or(0, |last| last.wrapping_add(1));
        start..end.min(self.columns_out as usize)
    }

    /// Element `[y, x, c]` of a whole input tensor; `None` in the padding.
    pub fn element(&self, input: &[i8], y: i64, x: i32, c: usize) -> Option<i8> {
        input.get(self.place(y, x, c)?).copied()
    }

    /// Place of element `[y, x, c]` in a whole input tensor; `None` in the padding.
    pub fn place(&self, y: i64, x: i32, c: usize) -> Option<usize> {
        let y = usize::try_from(y).ok().filter(|&y| y < self.rows_in as usize)?;
        let x = usize::try_from(x).ok().filter(|&x| x < self.columns_in as usize)?;
        let row = y.checked_mul(self.row_in())?;
        row.checked_add(x.checked_mul(self.channels_in)?)?.checked_add(c)
    }

    /// Row, column and channel of an element of a whole output tensor.
    pub fn output_place(&self, index: usize) -> (u32, usize, usize) {
        let split = |index: usize, size: usize| {
            let outer = index.checked_div(size).unwrap_or(0);
            (outer, index.wrapping_sub(outer.wrapping_mul(size)))
        };
        let (pixel, c) = split(index, self.channels_out);
        let (y, x) = split(pixel, self.columns_out as usize);
        (y as u32, x, c)
    }

    /// Input row under tap `k` of output row `y`.
    pub fn row(&self, y: u32, k: usize) -> i64 {
        let [dilation, _] = self.dilation;
        self.first_row(y).wrapping_add((k as i64).wrapping_mul(dilation.into()))
    }
}

/// Step of the window that output row `y` belongs to.
#[inline]
pub(crate) fn step_of(y: u32, upsampling: u32) -> u32 {
    // Most operators do not upsample, and a core may lack a divider.
    if upsampling == 1 { y } else { y.checked_div(upsampling).unwrap_or(y) }
}

/// `Some` value or the geometry error of a step.
pub(crate) fn fits(condition: bool, index: u16) -> Result<(), PlanError> {
    if condition { Ok(()) } else { Err(PlanError::Geometry(index)) }
}
