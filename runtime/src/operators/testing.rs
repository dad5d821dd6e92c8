//! Random shapes and numbers for the operators' property tests.

use super::RowOperator;
use super::geometry::Geometry;
use super::rows::{Around, RowWindow, Rows};
use crate::kernels::packed::{PackedMatrix, pack};
use crate::plan::Element;
use crate::plan::format::{NONE, ValueRecord};
use crate::requantize::{HIGH_WORD_SHIFT, Requantizer};
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::vec::Vec;

/// A generator of runs of int8 values.
pub fn int8s(seed: u64) -> impl FnMut(usize) -> Vec<i8> {
    let mut state = seed | 1;
    move |len| {
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as i8
        };
        core::iter::repeat_with(next).take(len).collect()
    }
}

prop_compose! {
    /// Windows of any kernel, stride, dilation and (asymmetric) padding, and a number of groups.
    pub fn geometries(channels: RangeInclusive<usize>, grouped: bool)(
        size in (1u32..9, 1u32..9), kernel in (1usize..5, 1usize..5), stride in (1u32..4, 1u32..4),
        dilation in (1u32..4, 1u32..4), pad in (0u32..6, 0u32..6), behind in (0u32..6, 0u32..6),
        groups in 1usize..4, inputs in channels.clone(), outputs in channels,
    ) -> (Geometry, usize) {
        let groups = if grouped { groups } else { 1 };
        let axis = |size: u32, kernel: usize, stride: u32, dilation: u32, pad: u32, behind: u32| {
            let extent = (kernel as u32 - 1) * dilation + 1;
            let pad = pad.min(extent - 1);
            // Padding behind the input is what makes the last window fit.
            let behind = behind.min(extent - 1).max(extent.saturating_sub(size + pad));
            let out = (size + pad + behind - extent) / stride + 1;
            // No window may lie behind the input altogether.
            (pad, out.min((size + pad - 1) / stride + 1))
        };
        let (top, rows_out) = axis(size.0, kernel.0, stride.0, dilation.0, pad.0, behind.0);
        let (left, columns_out) = axis(size.1, kernel.1, stride.1, dilation.1, pad.1, behind.1);
        let geometry = Geometry {
            rows_in: size.0, columns_in: size.1, channels_in: inputs * groups,
            rows_out, columns_out, channels_out: outputs * groups,
            kernel: [kernel.0, kernel.1], stride: [stride.0, stride.1], upsampling: 1, dilation: [dilation.0, dilation.1],
            pad: [top, left],
        };
        (geometry, groups)
    }
}

prop_compose! {
    /// Shapes of elementwise operators.
    pub fn elementwise()(rows in 1u32..5, columns in 1u32..7, channels in 1usize..40) -> Geometry {
        Geometry {
            rows_in: rows, columns_in: columns, channels_in: channels,
            rows_out: rows, columns_out: columns, channels_out: channels,
            kernel: [1, 1], stride: [1, 1], upsampling: 1, dilation: [1, 1], pad: [0, 0],
        }
    }
}

/// The geometry with a 1×1 kernel and no padding.
pub fn unpadded_1x1(g: Geometry) -> Geometry {
    Geometry {
        kernel: [1, 1],
        dilation: [1, 1],
        pad: [0, 0],
        rows_out: (g.rows_in - 1) / g.stride[0] + 1,
        columns_out: (g.columns_in - 1) / g.stride[1] + 1,
        ..g
    }
}

/// Biases, multipliers and a requantizer that spread outputs over the int8 range.
pub fn channel_numbers(seed: u64, channels: usize, fan_in: usize) -> (Vec<i32>, Vec<i32>, Requantizer) {
    let mut bytes = int8s(seed ^ 0x5555);
    let bias = bytes(channels).iter().map(|&b| i32::from(b) * 64).collect();
    let spread = 1.0 / (60.0 * (fan_in as f64).sqrt());
    let multiplier = bytes(channels)
        .iter()
        .map(|&b| (spread * (1.0 + f64::from(b) / 200.0) * (1u64 << 36) as f64).max(1.0) as i32)
        .collect();
    let zero_point = bytes(1)[0].into();
    (bias, multiplier, Requantizer::new(36, zero_point, -120, 127).unwrap())
}

/// Runs of weights: int8 without −128.
pub fn weights(seed: u64, len: usize) -> Vec<i8> {
    int8s(seed)(len).into_iter().map(|w| w.max(-127)).collect()
}

/// A packed matrix of random numbers that spread outputs over the int8 range.
pub fn packed(seed: u64, channels: usize, fan_in: usize) -> (Vec<u32>, Requantizer) {
    let (bias, multiplier, _) = channel_numbers(seed, channels, fan_in);
    let multiplier: Vec<i32> = multiplier.iter().map(|m| (m >> 12).max(1)).collect();
    let mut words = std::vec![0; PackedMatrix::len(fan_in, channels).unwrap()];
    pack(&weights(seed, channels * fan_in), &bias, &multiplier, &mut words).unwrap();
    let zero_point = (seed % 256) as i32 - 128;
    (words, Requantizer::new(HIGH_WORD_SHIFT, zero_point, -128, 120).unwrap())
}

/// Multipliers of a mean over `taps`: one, or one for each count.
pub fn mean_numbers(taps: usize, include_pad: bool) -> (Vec<i32>, Requantizer) {
    let counts = if include_pad { taps..=taps } else { 1..=taps };
    let multipliers = counts.map(|n| ((1u32 << 30) / n as u32) as i32).collect();
    (multipliers, Requantizer::new(30, -3, -128, 127).unwrap())
}

/// A whole tensor as the rows of a value.
pub struct Tensor<'a> {
    arena: Around<'a>,
    value: ValueRecord,
}

impl<'a> Tensor<'a> {
    /// Rows of `row_len` bytes one behind the other.
    pub fn new(bytes: &'a [i8], row_len: usize) -> Self {
        let channels = (1..).find(|c| row_len.is_multiple_of(*c) && row_len / c <= u16::MAX.into()).unwrap();
        let rows = (bytes.len() / row_len) as u32;
        let (columns, channels) = ((row_len / channels) as u16, channels as u16);
        let value = ValueRecord { rows, ring: rows, columns, channels, ..Default::default() };
        let arena = Around { low: &[], low_start: 0, high: bytemuck::must_cast_slice(bytes), high_start: 0 };
        Self { arena, value }
    }

    /// The window of output row `y`, and of a second input.
    pub fn window<'w>(&'w self, g: &Geometry, second: Option<&'w Tensor<'w>>, y: u32) -> RowWindow<'w> {
        let rows = |tensor: &'w Tensor<'w>| Rows::new(&tensor.arena, &tensor.value, NONE);
        let first = g.first_row(y) as i32;
        RowWindow { input: rows(self), second: second.map(rows), row: y, first, dilation: g.dilation[0] }
    }
}

/// Runs an operator row by row, as the engine drives it, and compares with its reference.
pub fn rows_equal_reference(
    operator: &impl RowOperator,
    bytes: &mut impl FnMut(usize) -> Vec<i8>,
    second: Option<&[i8]>,
) -> Result<(), TestCaseError> {
    pairs_equal_reference(operator, bytes, second.map(|s| (s, operator.geometry().row_out())))
}

/// The same for a second input with rows of another length.
pub fn pairs_equal_reference(
    operator: &impl RowOperator,
    bytes: &mut impl FnMut(usize) -> Vec<i8>,
    second: Option<(&[i8], usize)>,
) -> Result<(), TestCaseError> {
    typed_rows_equal_reference(operator, [Element::Int8; 2], bytes, second)
}

/// The same for an input and an output of these types; the second input's rows are so many bytes long.
pub fn typed_rows_equal_reference(
    operator: &impl RowOperator,
    [from, to]: [Element; 2],
    bytes: &mut impl FnMut(usize) -> Vec<i8>,
    second: Option<(&[i8], usize)>,
) -> Result<(), TestCaseError> {
    let g = operator.geometry();
    let [row_in, row_out] = [g.row_in() * from.size(), g.row_out() * to.size()];
    let input = bytes(g.rows_in as usize * row_in);
    let mut expected = std::vec![0i8; g.rows_out as usize * row_out];
    let mut out = expected.clone();
    operator.reference(&input, second.map_or(&[], |(s, _)| s), &mut expected);
    let input = Tensor::new(&input, row_in);
    let second = second.map(|(s, len)| Tensor::new(s, len));
    let window = |y| input.window(g, second.as_ref(), y);
    // Of any content: a kernel that relies on zeros fails.
    let mut scratch: Vec<u32> = (0..operator.scratch_words() as u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
    let mut sums = std::vec![0i32; operator.sums()];
    for (y, row) in out.chunks_exact_mut(row_out).enumerate() {
        let y = y as u32;
        if operator.sums() == 0 {
            operator.row(&window(y), &mut scratch, row);
        } else {
            if !operator.carries() {
                sums.fill(0);
            }
            for tap in 0..g.kernel[0] {
                if let Some(row) = window(y).tap(tap) {
                    operator.accumulate(tap, row, &mut sums);
                }
            }
            operator.finish(y, &sums, row);
        }
    }
    prop_assert_eq!(out, expected);
    Ok(())
}
