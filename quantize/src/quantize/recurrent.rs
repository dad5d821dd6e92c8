//! Recurrent layers: int8 weights, symmetric, one scale for each unit of each gate.

use super::{Form, QuantizeError, Quantizer};
use crate::qgraph::Constants;
use residua::operators::RecurrentRows;
use residua::operators::recurrent::{Cell, Form as LayerForm};
use residua_models::recurrence::{self, Gives, Recurrence};

/// Bits of the fraction of pre-activations and of cell states.
const FRACTION: f64 = 65536.0;
/// One in a hidden state.
const HIDDEN: f64 = 32768.0;
/// Largest cell state.
const MAX_MEMORY: f32 = 16384.0;
/// Limits of multipliers and shifts.
const MAX_MULTIPLIER: f64 = ((1 << 26) - 1) as f64;
const MAX_ELEMENT_MULTIPLIER: i32 = 1 << 30;
const MAX_SHIFT: u8 = 46;
const MAX_OUTPUT_SHIFT: u8 = 62;

impl Quantizer<'_> {
    /// A recurrent layer whose state is carried from row to row, or that has all steps in its window.
    pub(super) fn recurrence(&self, recurrence: &Recurrence, carried: bool) -> Result<Form, QuantizeError> {
        let (input, output, units) = (self.input(), self.output(), recurrence.units());
        if recurrence.hidden.iter().any(|h| h.abs() > 1.0) {
            return Err(self.scale_error("its initial hidden state does not lie between −1 and 1"));
        }
        if recurrence.memory.iter().any(|c| c.abs() > MAX_MEMORY) {
            return Err(self.scale_error(format!("its initial cell state does not lie between ±{MAX_MEMORY}")));
        }
        let starts = recurrence.hidden.iter().chain(&recurrence.memory).any(|&s| s != 0.0);
        let gives_memory = recurrence.gives == Gives::Memory;
        let form = LayerForm { cell: cell(recurrence.cell), reverse: recurrence.reverse, gives_memory, starts };
        let rows = recurrence.weight.data.chunks_exact(units);
        let scales: Vec<f64> =
            rows.clone().map(|row| f64::from(row.iter().fold(0f32, |m, w| m.max(w.abs()))) / 127.0).collect();
        let weights = rows.zip(&scales).flat_map(|(row, &scale)| {
            let scale = if scale > 0.0 { scale } else { 1.0 };
            row.iter().map(move |&w| (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i8 as u8)
        });
        let weights = weights.collect();
        let factors: Vec<f64> = scales.iter().map(|scale| scale / HIDDEN * FRACTION).collect();
        let own = f64::from(input.scale) * FRACTION;
        let largest = factors.iter().copied().fold(0.0, f64::max);
        let fits = |s: u8| {
            let unit = f64::from(s).exp2();
            largest * unit <= MAX_MULTIPLIER && own * unit <= f64::from(MAX_ELEMENT_MULTIPLIER)
        };
        let Some(shift) = (1..=MAX_SHIFT).rev().find(|&s| fits(s)) else {
            return Err(self.scale_error("the scale of its pre-activations or weights is too large"));
        };
        let unit = f64::from(shift).exp2();
        let one = if gives_memory { FRACTION } else { HIDDEN };
        let out = 1.0 / one / f64::from(output.scale);
        let (out, output_shift) = self.multipliers(&[out], MAX_ELEMENT_MULTIPLIER, MAX_OUTPUT_SHIFT)?;
        let fixed = |list: &[f32], one: f64| list.iter().map(move |&x| (f64::from(x) * one).round() as i32).collect();
        let start: [Vec<i32>; 2] = match starts {
            true => [fixed(&recurrence.hidden, HIDDEN), fixed(&recurrence.memory, FRACTION)],
            false => Default::default(),
        };
        let channel_parameters = [
            vec![(own * unit).round() as i32, out[0]],
            factors.iter().map(|f| (f * unit).round() as i32).collect(),
            fixed(&recurrence.bias, FRACTION),
            start.concat(),
        ];
        let constants = Constants { weights, channel_parameters: channel_parameters.concat(), padding: vec![] };
        let sums = if carried { RecurrentRows::sums_of_column(form.cell, units) * input.shape[1] } else { 0 };
        let turned = !carried && self.node.window.kernel[0] > 1;
        Ok(Form {
            upsampling: if turned { output.shape[1] } else { 1 },
            shift: output_shift,
            parameters: [form.code(), shift.into()],
            sums,
            ..self.bare(if carried { "RecurrentRows" } else { "RecurrentColumns" }, constants)
        })
    }
}

/// Words of scratch of a layer of this form that has all steps in its window.
pub(super) fn scratch_words(form: i32, units: usize) -> usize {
    LayerForm::of(form).map_or(0, |form| form.cell.state_words(units))
}

fn cell(cell: recurrence::Cell) -> Cell {
    match cell {
        recurrence::Cell::Lstm => Cell::Lstm,
        recurrence::Cell::Gru { reset_product: false } => Cell::Gru,
        recurrence::Cell::Gru { reset_product: true } => Cell::GruResetsProduct,
    }
}
