//! Recurrent cells: what an LSTM or a GRU does behind its input projection, step by step.

use crate::graph::Tensor;

/// A recurrent cell. Gates follow one another in ONNX's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates `i`, `o`, `f` and the candidate `g`: `c = σ(f) ⊙ c + σ(i) ⊙ tanh(g)`, `h = σ(o) ⊙ tanh(c)`.
    Lstm,
    /// Gates `z`, `r` and the candidate `n`: `h = (1 − σ(z)) ⊙ tanh(n) + σ(z) ⊙ h`.
    Gru {
        /// Whether the reset gate multiplies the candidate's product with the state, bias included, rather than the state
        /// (ONNX `linear_before_reset`).
        reset_product: bool,
    },
}

impl Cell {
    /// Gates and candidate.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru { .. } => 3,
        }
    }
}

/// What a recurrence hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// The hidden state after each step, `[steps, 1, units]`.
    Steps,
    /// The hidden state after the step that is taken last, `[1, 1, units]`.
    Hidden,
    /// An LSTM's cell state after the step that is taken last, `[1, 1, units]`.
    Memory,
}

/// A recurrence over a sequence of pre-activations `[steps, 1, gates · units]`, which hold `W x + b` of each gate; it adds the
/// product of `weight` with the hidden state.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// What a step computes.
    pub cell: Cell,
    /// `[gates · units, units]`.
    pub weight: Tensor,
    /// One per unit: added to the candidate's product where that is what the reset gate multiplies; otherwise empty.
    pub bias: Vec<f32>,
    /// Hidden state before the first step, one per unit.
    pub hidden: Vec<f32>,
    /// An LSTM's cell state before the first step, one per unit; empty for other cells.
    pub memory: Vec<f32>,
    /// Whether steps are taken from the last to the first.
    pub reverse: bool,
    /// What is handed out.
    pub gives: Gives,
}

impl Recurrence {
    /// Number of units.
    pub fn units(&self) -> usize {
        self.hidden.len()
    }

    /// Gates times units: length of a step's pre-activations.
    pub fn width(&self) -> usize {
        self.cell.gates() * self.units()
    }

    /// Whether the lengths of all constants fit the cell.
    pub fn is_sound(&self) -> bool {
        let units = self.units();
        let resets_product = self.cell == Cell::Gru { reset_product: true };
        units > 0
            && self.weight.shape == [self.width(), units]
            && self.weight.data.len() == self.width() * units
            && self.bias.len() == if resets_product { units } else { 0 }
            && self.memory.len() == if self.cell == Cell::Lstm { units } else { 0 }
            && (self.gives != Gives::Memory || self.cell == Cell::Lstm)
    }

    /// The definition, for pre-activations step by step.
    pub fn run(&self, input: &[f32]) -> Vec<f32> {
        let units = self.units();
        let steps: Vec<&[f32]> = input.chunks_exact(self.width()).collect();
        let mut out = vec![0.0; steps.len() * units];
        let wide = |state: &[f32]| state.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (mut hidden, mut memory) = (wide(&self.hidden), wide(&self.memory));
        for step in 0..steps.len() {
            let place = if self.reverse { steps.len() - 1 - step } else { step };
            self.step(steps[place], &mut hidden, &mut memory);
            for (out, &h) in out[place * units..].iter_mut().zip(&hidden) {
                *out = h as f32;
            }
        }
        let narrow = |state: &[f64]| state.iter().map(|&x| x as f32).collect();
        match self.gives {
            Gives::Steps => out,
            Gives::Hidden => narrow(&hidden),
            Gives::Memory => narrow(&memory),
        }
    }

    fn step(&self, input: &[f32], hidden: &mut Vec<f64>, memory: &mut [f64]) {
        let units = self.units();
        let product = |gate: usize, unit: usize, state: &[f64]| -> f64 {
            let row = &self.weight.data[(gate * units + unit) * units..][..units];
            row.iter().zip(state).map(|(&w, h)| f64::from(w) * h).sum()
        };
        let own = |gate: usize, unit: usize| f64::from(input[gate * units + unit]);
        let all = |gate: usize, unit: usize| own(gate, unit) + product(gate, unit, hidden);
        let next = match self.cell {
            Cell::Lstm => {
                let mut next = Vec::with_capacity(units);
                for (unit, c) in memory.iter_mut().enumerate() {
                    let [i, o, f] = [0, 1, 2].map(|gate| sigmoid(all(gate, unit)));
                    *c = f * *c + i * all(3, unit).tanh();
                    next.push(o * c.tanh());
                }
                next
            }
            Cell::Gru { reset_product } => {
                let reset: Vec<f64> = (0..units).map(|unit| sigmoid(all(1, unit))).collect();
                let kept: Vec<f64> = reset.iter().zip(&*hidden).map(|(r, h)| r * h).collect();
                let unit = |unit: usize| {
                    let recurrent = if reset_product {
                        reset[unit] * (product(2, unit, hidden) + f64::from(self.bias[unit]))
                    } else {
                        product(2, unit, &kept)
                    };
                    let (z, n) = (sigmoid(all(0, unit)), (own(2, unit) + recurrent).tanh());
                    (1.0 - z) * n + z * hidden[unit]
                };
                (0..units).map(unit).collect()
            }
        };
        *hidden = next;
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
