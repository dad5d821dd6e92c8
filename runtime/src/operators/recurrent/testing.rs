//! Random layers for the property tests.

use super::super::geometry::Geometry;
use super::super::testing::int8s;
use super::super::wide::{Input, WideRequantizer};
use super::layer::{Form, Layer};
use crate::plan::Element;
use proptest::prelude::*;
use std::vec::Vec;

/// Everything that a layer is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    form: Form,
    units: usize,
    input: Input,
    shift: u8,
    weights: Vec<i8>,
    numbers: Vec<i32>,
    requantizer: WideRequantizer,
}

impl Parts {
    /// The layer, in one of both directions.
    pub fn layer(&self, reverse: bool) -> Layer<'_> {
        let Self { form, input, shift, weights, numbers, requantizer, .. } = self;
        let geometry = self.geometry([1, 1], [1, 1]);
        Layer::new(&geometry, Form { reverse, ..*form }, *input, *shift, weights, numbers, *requantizer).unwrap()
    }

    /// Rows and columns of input and output.
    pub fn geometry(&self, [rows_in, columns_in]: [u32; 2], [rows_out, columns_out]: [u32; 2]) -> Geometry {
        Geometry {
            rows_in,
            columns_in,
            channels_in: self.form.cell.gates() * self.units,
            rows_out,
            columns_out,
            channels_out: self.units,
            kernel: [1, 1],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [0, 0],
        }
    }

    /// Types of input and output.
    pub fn types(&self) -> [Element; 2] {
        [self.input.element, self.requantizer.element()]
    }
}

prop_compose! {
    /// Layers whose gates are neither all open nor all closed, and those of any numbers.
    pub fn layers()(
        cell in 0i32..3, starts in any::<bool>(), gives_memory in any::<bool>(), units in 1usize..12, seed in any::<u64>(),
        wide in any::<(bool, bool)>(), zero in any::<(i8, i8)>(), any in any::<bool>(), shift in 1u8..=46,
    ) -> Parts {
        let form = Form::of(cell | i32::from(gives_memory && cell == 0) << 3 | i32::from(starts) << 4).unwrap();
        let port = |wide: bool, zero: i8| {
            if wide { (Element::Int16, 0) } else { (Element::Int8, i32::from(zero)) }
        };
        let ((element, zero_point), (to, to_zero)) = (port(wide.0, zero.0), port(wide.1, zero.1));
        let mut bytes = int8s(seed);
        let rows = form.cell.gates() * units;
        let weights = bytes(rows * units);
        let random = bytes(4 * form.numbers(units));
        let mut numbers: Vec<i32> =
            random.chunks(4).map(|b| i32::from_le_bytes([0, 1, 2, 3].map(|i| b[i] as u8))).collect();
        // Pre-activations within about ±4, of 16 bits of fraction.
        let sane = 20u8;
        if !any {
            let input_bits = if element == Element::Int16 { 15 } else { 7 };
            numbers[0] = 1 << (18 + sane - input_bits);
            numbers[1] = 1 << 14;
            for multiplier in &mut numbers[2..2 + rows] {
                *multiplier = 1 << (17 + sane - 22);
            }
            for number in &mut numbers[2 + rows..] {
                *number >>= 16;
            }
        }
        let [least, most] = to.bounds();
        let output_shift = if to == Element::Int16 { 14 } else { 22 };
        let requantizer = WideRequantizer::new(to, output_shift, to_zero, [least, most]).unwrap();
        let shift = if any { shift } else { sane };
        Parts { form, units, input: Input { element, zero_point }, shift, weights, numbers, requantizer }
    }
}
