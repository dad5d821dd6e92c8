//! One step of a recurrent layer.

use super::super::Context;
use super::super::geometry::{Geometry, fits};
use super::super::wide::{Input, WideRequantizer};
use super::sigmoid::{self, sigmoid, tanh};
use crate::plan::{Element, Elements, ElementsMut, PlanError};

/// Most units: a sum of as many products of a weight and a state has 32 bits and a sign.
pub const MAX_UNITS: usize = 1 << 10;
/// Multipliers of sums have 26 bits, so that a product with one stays far within 62 bits.
const MAX_MULTIPLIER: i32 = (1 << 26) - 1;
/// Multipliers of single numbers.
const MAX_ELEMENT_MULTIPLIER: i32 = 1 << 30;
/// Largest shift.
const MAX_SHIFT: u8 = 46;
/// Bounds of a cell state and of a product that the reset gate multiplies: 2^14 with 16 bits of fraction.
const MAX_MEMORY: i64 = 1 << 30;

/// A recurrent cell; gates follow one another in ONNX's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `i`, `o`, `f`, `g`: `c = σ(f) ⊙ c + σ(i) ⊙ tanh(g)`, `h = σ(o) ⊙ tanh(c)`.
    Lstm,
    /// `z`, `r`, `n`: `h = (1 − σ(z)) ⊙ tanh(n) + σ(z) ⊙ h`; `n` is a sum over `σ(r) ⊙ h`.
    Gru,
    /// The same, but `n` has the product of `σ(r)` and a sum over `h`.
    GruResetsProduct,
}

impl Cell {
    /// Gates and candidate.
    pub const fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru | Self::GruResetsProduct => 3,
        }
    }

    /// Words of a sequence's state: two of hidden states, and a number for each unit where the cell has one.
    pub const fn state_words(self, units: usize) -> usize {
        let numbers = if matches!(self, Self::GruResetsProduct) { 0 } else { units };
        units.div_ceil(2).wrapping_mul(2).wrapping_add(numbers)
    }
}

/// What a layer computes, apart from its numbers; in a plan the step's first parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The cell.
    pub cell: Cell,
    /// Whether steps are taken from the last to the first.
    pub reverse: bool,
    /// Whether an LSTM's cell state is handed out instead of its hidden state.
    pub gives_memory: bool,
    /// Whether the numbers say a state before the first step; otherwise it is zero.
    pub starts: bool,
}

impl Form {
    /// The form of a code: the cell in bits 0 and 1, then one bit for each of the others.
    pub const fn of(code: i32) -> Option<Self> {
        let cell = match code & 3 {
            0 => Cell::Lstm,
            1 => Cell::Gru,
            2 => Cell::GruResetsProduct,
            _ => return None,
        };
        let form = Self { cell, reverse: code & 4 != 0, gives_memory: code & 8 != 0, starts: code & 16 != 0 };
        let known = code & !31 == 0 && (!form.gives_memory || matches!(cell, Cell::Lstm));
        if known { Some(form) } else { None }
    }

    /// The code of the form.
    pub const fn code(self) -> i32 {
        self.cell as i32 | (self.reverse as i32) << 2 | (self.gives_memory as i32) << 3 | (self.starts as i32) << 4
    }

    /// Numbers (i32) in the constants of a layer of so many units.
    pub const fn numbers(self, units: usize) -> usize {
        let rows = self.cell.gates().wrapping_mul(units);
        let biases = if matches!(self.cell, Cell::GruResetsProduct) { units } else { 0 };
        let memory = if matches!(self.cell, Cell::Lstm) { units } else { 0 };
        let start = if self.starts { units.wrapping_add(memory) } else { 0 };
        2usize.wrapping_add(rows).wrapping_add(biases).wrapping_add(start)
    }
}

/// A layer's i32 constants.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'p> {
    input: i32,
    output: i32,
    rows: &'p [i32],
    biases: &'p [i32],
    hidden: &'p [i32],
    memory: &'p [i32],
}

impl<'p> Numbers<'p> {
    /// Multipliers of input and output; those of all gates' sums; the biases of a candidate whose product is reset; hidden
    /// and cell state before the first step, if the form has one.
    fn new(form: Form, units: usize, numbers: &'p [i32]) -> Option<Self> {
        if numbers.len() != form.numbers(units) {
            return None;
        }
        let (&[input, output], rest) = numbers.split_first_chunk()?;
        let (rows, rest) = rest.split_at_checked(form.cell.gates().checked_mul(units)?)?;
        let (biases, rest) = rest.split_at_checked(if form.cell == Cell::GruResetsProduct { units } else { 0 })?;
        let (hidden, memory) = rest.split_at_checked(if form.starts { units } else { 0 })?;
        Some(Self { input, output, rows, biases, hidden, memory })
    }
}

/// A recurrent layer of `units` units. With `x` the input without its zero point, of each gate `j` and unit `u`:
///
/// `p[j, u] = ⌊(x[j, u] · mi + Σ_k w[j, u, k] · h[k] · m[j, u] + 2^(s − 1)) / 2^s⌋`,
///
/// with 16 bits of fraction. σ(p) has 16 bits of fraction too, tanh(p), the hidden state and candidates 15 (int16), the cell
/// state 16 (of 31 bits); all products of these are rounded half up to the bits of what they become. The output is
/// `clamp(zero_point + round_half_up(h · mo / 2^shift))`.
///
/// Where the reset gate multiplies a product, that is `⌊(Σ + 2^(s − 1)) / 2^s⌋ + b[u]`, and `x · mi` is rounded by itself.
///
/// In the constants: int8 weights `[gate][unit][unit]`, and [`Numbers`]; multipliers outside their range (26 bits for sums,
/// 30 for `mi` and `mo`) count as the nearest bound. The step's second parameter is `s`.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'p> {
    pub(super) form: Form,
    pub(super) units: usize,
    input: Input,
    shift: u8,
    weights: &'p [i8],
    numbers: Numbers<'p>,
    requantizer: WideRequantizer,
}

/// The state of one sequence.
pub(super) struct State<'a> {
    /// Hidden state, int16.
    hidden: &'a mut [i8],
    /// What is to become of it, or its product with the reset gate.
    next: &'a mut [i8],
    /// Cell state, or the update gate of a [`Cell::Gru`].
    memory: &'a mut [i32],
}

impl<'p> Layer<'p> {
    /// A layer of as many units as there are output channels; `None` where sizes do not match or exceed their bounds.
    pub fn new(
        geometry: &Geometry,
        form: Form,
        input: Input,
        shift: u8,
        weights: &'p [i8],
        numbers: &'p [i32],
        requantizer: WideRequantizer,
    ) -> Option<Self> {
        let units = geometry.channels_out;
        let rows = form.cell.gates().checked_mul(units)?;
        let sound = units <= MAX_UNITS
            && rows == geometry.channels_in
            && weights.len() == rows.checked_mul(units)?
            && (1..=MAX_SHIFT).contains(&shift);
        let numbers = Numbers::new(form, units, numbers)?;
        sound.then_some(Self { form, units, input, shift, weights, numbers, requantizer })
    }

    /// The layer of a step.
    #[inline(never)]
    pub(super) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        context.single()?;
        let (geometry, step, index) = (context.geometry(), context.step, context.index);
        let form = Form::of(step.first_parameter).ok_or(PlanError::Geometry(index))?;
        let units = geometry.channels_out;
        fits(units <= MAX_UNITS, index)?;
        let wrong = PlanError::Constants(index);
        let numbers = context.constants.get(step.channel_parameters, form.numbers(units)).ok_or(wrong)?;
        let weights = context.weights(form.cell.gates().wrapping_mul(units).wrapping_mul(units))?;
        let shift = u8::try_from(step.second_parameter).map_err(|_| PlanError::Requantization(index))?;
        let requantizer = context.wide_requantizer()?;
        Self::new(&geometry, form, context.input.into(), shift, weights, numbers, requantizer)
            .ok_or(PlanError::Geometry(index))
    }

    /// Words of a sequence's state.
    pub(super) fn state_words(&self) -> usize {
        self.form.cell.state_words(self.units)
    }

    /// Numbers of a step.
    pub(super) fn width(&self) -> usize {
        self.form.cell.gates().wrapping_mul(self.units)
    }

    /// The state in these words.
    pub(super) fn state<'a>(&self, words: &'a mut [i32]) -> Option<State<'a>> {
        let half = self.units.div_ceil(2);
        let bytes = self.units.wrapping_mul(2);
        let (hidden, rest) = words.split_at_mut_checked(half)?;
        let (next, memory) = rest.split_at_mut_checked(half)?;
        let hidden = bytemuck::must_cast_slice_mut(hidden).get_mut(..bytes)?;
        let next = bytemuck::must_cast_slice_mut(next).get_mut(..bytes)?;
        Some(State { hidden, next, memory })
    }

    /// The state before the first step.
    pub(super) fn begin(&self, state: &mut State<'_>) {
        state.hidden.fill(0);
        state.memory.fill(0);
        let mut hidden = int16s(state.hidden);
        for (unit, &value) in self.numbers.hidden.iter().enumerate() {
            hidden.set(unit, value.clamp(i16::MIN.into(), i16::MAX.into()));
        }
        for (memory, &value) in state.memory.iter_mut().zip(self.numbers.memory) {
            *memory = i64::from(value).clamp(-MAX_MEMORY, MAX_MEMORY) as i32;
        }
    }

    /// The product of a row of weights with a hidden state, with as many bits as its multiplier makes of it.
    #[inline]
    fn product(&self, row: usize, hidden: &[i8]) -> i64 {
        let first = row.wrapping_mul(self.units);
        let weights = self.weights.get(first..first.wrapping_add(self.units)).unwrap_or(&[]);
        let multiplier = self.numbers.rows.get(row).copied().unwrap_or(0).clamp(0, MAX_MULTIPLIER);
        Elements::new(hidden, Element::Int16).dot(weights).wrapping_mul(multiplier.into())
    }

    /// What the input adds to a row.
    #[inline]
    fn own(&self, row: usize, input: Elements<'_>) -> i64 {
        let value = input.get(row).unwrap_or(self.input.zero_point).wrapping_sub(self.input.zero_point);
        i64::from(value).wrapping_mul(self.numbers.input.clamp(0, MAX_ELEMENT_MULTIPLIER).into())
    }

    /// A sum with 16 bits of fraction.
    #[inline]
    fn rounded(&self, sum: i64) -> i64 {
        let half = 1i64.wrapping_shl(self.shift.into()) >> 1;
        sum.wrapping_add(half).wrapping_shr(self.shift.into())
    }

    /// Takes a step with an input of [`Layer::width`] elements.
    #[inline(never)]
    pub(super) fn step(&self, state: &mut State<'_>, input: Elements<'_>) {
        let units = self.units;
        let row = |gate: usize, unit: usize| gate.wrapping_mul(units).wrapping_add(unit);
        let all =
            |row: usize, hidden: &[i8]| self.rounded(self.own(row, input).wrapping_add(self.product(row, hidden)));
        let State { hidden, next, memory } = state;
        match self.form.cell {
            Cell::Lstm => {
                let mut next = int16s(next);
                for (unit, c) in memory.iter_mut().enumerate() {
                    let [i, o, f, g] = [0, 1, 2, 3].map(|gate| all(row(gate, unit), hidden));
                    let kept = i64::from(sigmoid(f)).wrapping_mul((*c).into());
                    let new = i64::from(sigmoid(i)).wrapping_mul(tanh(g).into());
                    let sum = half_up(kept.wrapping_add(new.wrapping_mul(2)));
                    *c = sum.clamp(-MAX_MEMORY, MAX_MEMORY) as i32;
                    next.set(unit, int16(i64::from(sigmoid(o)).wrapping_mul(tanh((*c).into()).into())));
                }
            }
            Cell::GruResetsProduct => {
                let state = Elements::new(hidden, Element::Int16);
                let mut next = int16s(next);
                for (unit, &bias) in self.numbers.biases.iter().enumerate() {
                    let product = self.rounded(self.product(row(2, unit), hidden)).wrapping_add(bias.into());
                    let reset = i64::from(sigmoid(all(row(1, unit), hidden)));
                    let product = half_up(reset.wrapping_mul(product.clamp(-MAX_MEMORY, MAX_MEMORY)));
                    let candidate = tanh(self.rounded(self.own(row(2, unit), input)).wrapping_add(product));
                    let update = sigmoid(all(row(0, unit), hidden));
                    next.set(unit, mixed(update, candidate, state.get(unit).unwrap_or(0)));
                }
            }
            Cell::Gru => {
                for (unit, update) in memory.iter_mut().enumerate() {
                    *update = sigmoid(all(row(0, unit), hidden));
                    let reset = i64::from(sigmoid(all(row(1, unit), hidden)));
                    let own = Elements::new(hidden, Element::Int16).get(unit).unwrap_or(0);
                    int16s(next).set(unit, int16(reset.wrapping_mul(own.into())));
                }
                for (unit, &update) in memory.iter().enumerate() {
                    let own = Elements::new(hidden, Element::Int16).get(unit).unwrap_or(0);
                    int16s(hidden).set(unit, mixed(update, tanh(all(row(2, unit), next)), own));
                }
                return;
            }
        }
        for (hidden, &next) in hidden.iter_mut().zip(next.iter()) {
            *hidden = next;
        }
    }

    /// Writes what is handed out of the state in these words, as pixel `pixel`.
    pub(super) fn give(&self, words: &[i32], pixel: usize, out: &mut [i8]) {
        let mut out = self.output(out);
        let hidden = Elements::new(bytemuck::must_cast_slice(words), Element::Int16);
        let memory = words.get(self.units.div_ceil(2).wrapping_mul(2)..).unwrap_or(&[]);
        for unit in 0..self.units {
            let given = if self.form.gives_memory { memory.get(unit).copied() } else { hidden.get(unit) };
            out.set(pixel.wrapping_mul(self.units).wrapping_add(unit), self.given(given.unwrap_or(0).into()));
        }
    }

    /// The row that elements are written to.
    pub(super) fn output<'a>(&self, row: &'a mut [i8]) -> ElementsMut<'a> {
        self.requantizer.output(row)
    }

    /// The type of the input's elements.
    pub(super) fn input_element(&self) -> Element {
        self.input.element
    }

    fn given(&self, value: i64) -> i32 {
        self.requantizer.apply(value, self.numbers.output.clamp(0, MAX_ELEMENT_MULTIPLIER))
    }

    /// The definition over one sequence of `steps` steps: `first` gives the place of a step's first number in the input, and
    /// `write` is handed step, unit and element of what is given after each step.
    pub(super) fn reference(
        &self,
        steps: usize,
        input: Elements<'_>,
        first: impl Fn(usize) -> usize,
        mut write: impl FnMut(usize, usize, i32),
    ) {
        use sigmoid::reference::{sigmoid, tanh};
        let number = |list: &[i32], index: usize| i64::from(list.get(index).copied().unwrap_or(0));
        let at = |list: &[i64; MAX_UNITS], unit: usize| list.get(unit).copied().unwrap_or(0);
        let units = self.units;
        let (mut hidden, mut memory) = ([0i64; MAX_UNITS], [0i64; MAX_UNITS]);
        for (unit, (h, c)) in hidden.iter_mut().zip(&mut memory).enumerate().take(units) {
            *h = number(self.numbers.hidden, unit).clamp(i16::MIN.into(), i16::MAX.into());
            *c = number(self.numbers.memory, unit).clamp(-MAX_MEMORY, MAX_MEMORY);
        }
        for taken in 0..steps {
            let step = if self.form.reverse { steps.wrapping_sub(1).wrapping_sub(taken) } else { taken };
            let own = |gate: usize, unit: usize| {
                let place = first(step).wrapping_add(gate.wrapping_mul(units)).wrapping_add(unit);
                let zero = i64::from(self.input.zero_point);
                let value = input.get(place).map_or(zero, i64::from).wrapping_sub(zero);
                value.wrapping_mul(i64::from(self.numbers.input).clamp(0, MAX_ELEMENT_MULTIPLIER.into()))
            };
            let product = |gate: usize, unit: usize, state: &[i64; MAX_UNITS]| {
                let row = gate.wrapping_mul(units).wrapping_add(unit);
                let weights = self.weights.iter().skip(row.wrapping_mul(units)).take(units);
                let sum: i64 = weights.zip(state).map(|(&w, h)| h.wrapping_mul(w.into())).sum();
                sum.wrapping_mul(number(self.numbers.rows, row).clamp(0, MAX_MULTIPLIER.into()))
            };
            let scaled = |sum: i64| divided(sum, self.shift);
            let before = hidden;
            let all = |gate: usize, unit: usize, state: &[i64; MAX_UNITS]| {
                scaled(own(gate, unit).wrapping_add(product(gate, unit, state)))
            };
            let mut kept = [0i64; MAX_UNITS];
            for (unit, kept) in kept.iter_mut().enumerate().take(units) {
                *kept = int16(sigmoid(all(1, unit, &before)).wrapping_mul(at(&before, unit))).into();
            }
            for unit in 0..units {
                let next = match self.form.cell {
                    Cell::Lstm => {
                        let [i, o, f] = [0, 1, 2].map(|gate| sigmoid(all(gate, unit, &before)));
                        let new = i.wrapping_mul(tanh(all(3, unit, &before))).wrapping_mul(2);
                        let sum = divided(f.wrapping_mul(at(&memory, unit)).wrapping_add(new), 16);
                        let c = sum.clamp(-MAX_MEMORY, MAX_MEMORY);
                        memory.iter_mut().skip(unit).take(1).for_each(|memory| *memory = c);
                        divided(o.wrapping_mul(tanh(c)), 16)
                    }
                    Cell::Gru | Cell::GruResetsProduct => {
                        let candidate = if self.form.cell == Cell::Gru {
                            tanh(all(2, unit, &kept))
                        } else {
                            let sum = scaled(product(2, unit, &before)).wrapping_add(number(self.numbers.biases, unit));
                            let sum = sum.clamp(-MAX_MEMORY, MAX_MEMORY);
                            let reset = divided(sigmoid(all(1, unit, &before)).wrapping_mul(sum), 16);
                            tanh(scaled(own(2, unit)).wrapping_add(reset))
                        };
                        let z = sigmoid(all(0, unit, &before));
                        let new = (1i64 << 16).wrapping_sub(z).wrapping_mul(candidate);
                        divided(new.wrapping_add(z.wrapping_mul(at(&before, unit))), 16)
                    }
                };
                let next = next.clamp(i16::MIN.into(), i16::MAX.into());
                hidden.iter_mut().skip(unit).take(1).for_each(|hidden| *hidden = next);
            }
            for unit in 0..units {
                let given = if self.form.gives_memory { at(&memory, unit) } else { at(&hidden, unit) };
                write(step, unit, self.given(given));
            }
        }
    }
}

/// `⌊sum / 2^shift + 1/2⌋`.
fn divided(sum: i64, shift: u8) -> i64 {
    let unit = 1i64.wrapping_shl(shift.into());
    sum.wrapping_add(unit >> 1).checked_div_euclid(unit).unwrap_or(0)
}

fn int16s(bytes: &mut [i8]) -> ElementsMut<'_> {
    ElementsMut::new(bytes, Element::Int16)
}

/// Takes 16 bits of fraction away.
#[inline]
fn half_up(product: i64) -> i64 {
    product.wrapping_add(1 << 15) >> 16
}

/// A product with 16 bits of fraction more than int16.
#[inline]
fn int16(product: i64) -> i32 {
    half_up(product).clamp(i16::MIN.into(), i16::MAX.into()) as i32
}

/// `(1 − update) · candidate + update · own`.
#[inline]
fn mixed(update: i32, candidate: i32, own: i32) -> i32 {
    let new = i64::from((1i32 << 16).wrapping_sub(update)).wrapping_mul(candidate.into());
    int16(new.wrapping_add(i64::from(update).wrapping_mul(own.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_forms_are_read_back() {
        for code in 0..64 {
            match Form::of(code) {
                Some(form) => assert_eq!(form.code(), code),
                None => assert!(code > 31 || code & 3 == 3 || code & 8 != 0 && code & 3 != 0, "{code}"),
            }
        }
        assert_eq!(Form::of(-1), None);
    }
}
