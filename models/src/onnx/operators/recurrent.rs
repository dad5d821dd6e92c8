//! LSTM and GRU: an input projection, which is a dense layer, and the recurrence behind it, one of each a direction.

use super::{Builder, Call, Operand, Reject, unsupported};
use crate::graph::{Operator, Tensor, ValueId};
use crate::recurrence::{Cell, Gives, Recurrence};

/// Inputs of both operators.
const SEQUENCE_LENGTHS: usize = 4;
const INITIAL_HIDDEN: usize = 5;
/// Inputs of LSTM.
const INITIAL_MEMORY: usize = 6;
const PEEPHOLES: usize = 7;

pub(super) fn lstm(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    if call.attributes.flag("input_forget", false)? {
        return Err(unsupported("input_forget = 1", "input_forget = 0"));
    }
    if let Some(weights) = call.optional_constant(PEEPHOLES)?
        && weights.weights()?.iter().any(|&w| w != 0.0)
    {
        return Err(unsupported("input P: it has peepholes", "a cell without peepholes"));
    }
    layer(builder, call, Cell::Lstm, &["Sigmoid", "Tanh", "Tanh"])
}

pub(super) fn gru(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<ValueId>, Reject> {
    let reset_product = call.attributes.flag("linear_before_reset", false)?;
    layer(builder, call, Cell::Gru { reset_product }, &["Sigmoid", "Tanh"])
}

fn layer(builder: &mut Builder, call: &Call<'_>, cell: Cell, activations: &[&str]) -> Result<Vec<ValueId>, Reject> {
    let input = call.value(0)?;
    let &[steps, batch, features] = builder.shape(input) else {
        return Err(Reject::Invalid(format!("input {:?} is not [steps, batch, features]", builder.shape(input))));
    };
    let reverses: &[bool] = match call.attributes.string("direction", "forward")? {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(Reject::Invalid(format!("direction {other}"))),
    };
    check_form(call, activations, reverses.len())?;
    if batch != 1 {
        return Err(unsupported(format!("a batch of {batch}"), "a batch of 1: X of shape [steps, 1, features]"));
    }
    if let Some(lengths) = call.optional_constant(SEQUENCE_LENGTHS)?
        && lengths.integers()?.iter().any(|&length| usize::try_from(length) != Ok(steps))
    {
        return Err(unsupported(
            "input sequence_lens: sequences that end early",
            format!("sequences of {steps} steps"),
        ));
    }
    let weights = Weights::read(call, cell, reverses.len(), features)?;
    let mut outputs = Vec::new();
    let of_direction = |builder: &mut Builder, direction: usize, projected: ValueId, gives: Gives| {
        let recurrence = Recurrence { reverse: reverses[direction], gives, ..weights.recurrence(direction) };
        builder.emit(call, Operator::Recurrence(recurrence), &[projected])
    };
    let mut projected = Vec::new();
    for direction in 0..reverses.len() {
        let (weight, bias) = weights.projection(direction);
        projected.push(builder.emit(call, Operator::Dense { weight, bias }, &[input])?);
    }
    for (index, gives) in [Gives::Steps, Gives::Hidden, Gives::Memory].into_iter().enumerate() {
        // An output behind one that nobody asks for keeps its place.
        if index >= call.outputs.len() || index > 0 && call.outputs[index..].iter().all(String::is_empty) {
            break;
        }
        let mut parts = Vec::new();
        for (direction, &projected) in projected.iter().enumerate() {
            let part = of_direction(builder, direction, projected, gives)?;
            let apart = vec![steps, 1, 1, weights.units];
            parts.push(if gives == Gives::Steps { builder.reshape(call, part, apart)? } else { part });
        }
        let axis = usize::from(gives == Gives::Steps);
        outputs.push(match parts[..] {
            [one] => one,
            _ => builder.emit(call, Operator::Concat { axis }, &parts)?,
        });
        if cell != Cell::Lstm && gives == Gives::Hidden {
            break;
        }
    }
    Ok(outputs)
}

/// Refuses what no cell here computes.
fn check_form(call: &Call<'_>, activations: &[&str], directions: usize) -> Result<(), Reject> {
    let found = call.attributes.strings("activations")?;
    let default = activations.iter().cycle().take(activations.len() * directions);
    if !found.is_empty() && !found.iter().map(|a| a.to_lowercase()).eq(default.map(|a| a.to_lowercase())) {
        return Err(unsupported(
            format!("attribute activations: {}", found.join(", ")),
            format!("{} in each direction", activations.join(", ")),
        ));
    }
    if call.attributes.float("clip")?.is_some_and(|clip| clip != 0.0) {
        return Err(unsupported("attribute clip", "a cell without clip"));
    }
    if call.attributes.int("layout", 0)? != 0 {
        return Err(unsupported("attribute layout = 1", "layout = 0, with X of shape [steps, 1, features]"));
    }
    Ok(())
}

/// Constants of all directions.
struct Weights {
    cell: Cell,
    units: usize,
    features: usize,
    /// W `[directions, gates · units, features]`.
    input: Vec<f32>,
    /// R `[directions, gates · units, units]`.
    recurrent: Vec<f32>,
    /// B `[directions, 2 · gates · units]`: of W, then of R.
    bias: Vec<f32>,
    /// `[directions, 1, units]`.
    hidden: Vec<f32>,
    memory: Vec<f32>,
}

impl Weights {
    fn read(call: &Call<'_>, cell: Cell, directions: usize, features: usize) -> Result<Self, Reject> {
        let recurrent = call.constant(2)?;
        let &[_, _, units] = recurrent.shape.as_slice() else {
            return Err(Reject::Invalid(format!("R of shape {:?} is not of three axes", recurrent.shape)));
        };
        if !matches!(call.attributes.int("hidden_size", units as i64)?, size if usize::try_from(size) == Ok(units)) {
            return Err(Reject::Invalid(format!("R of shape {:?} does not fit hidden_size", recurrent.shape)));
        }
        let width = cell.gates().checked_mul(units).ok_or_else(|| "R is absurdly large".to_string())?;
        let of_shape = |index: usize, name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, Reject> {
            let Some(constant) = call.optional_constant(index)? else { return Ok(None) };
            if constant.shape != shape {
                let found = &constant.shape;
                return Err(Reject::Invalid(format!("{name} of shape {found:?} is not of shape {shape:?}")));
            }
            Ok(Some(constant.weights()?))
        };
        let needed = |index: usize, name: &str, shape: &[usize]| {
            of_shape(index, name, shape)?.ok_or_else(|| Reject::Invalid(format!("input {name} is missing")))
        };
        let state = |index: usize, name: &str| {
            if let Some(Operand::Value(_)) = call.operand(index) {
                let nearest = format!("a constant {name}, or none, which is zero");
                return Err(unsupported(format!("input {name} is computed by the model"), nearest));
            }
            Ok(of_shape(index, name, &[directions, 1, units])?.unwrap_or_else(|| vec![0.0; directions * units]))
        };
        Ok(Self {
            cell,
            units,
            features,
            input: needed(1, "W", &[directions, width, features])?,
            recurrent: needed(2, "R", &[directions, width, units])?,
            bias: of_shape(3, "B", &[directions, 2 * width])?.unwrap_or_else(|| vec![0.0; 2 * directions * width]),
            hidden: state(INITIAL_HIDDEN, "initial_h")?,
            memory: if cell == Cell::Lstm { state(INITIAL_MEMORY, "initial_c")? } else { vec![] },
        })
    }

    /// The part of a direction.
    fn part(list: &[f32], direction: usize, len: usize) -> Vec<f32> {
        list[direction * len..][..len].to_vec()
    }

    /// The dense layer before a direction: both biases, but for one that the reset gate multiplies.
    fn projection(&self, direction: usize) -> (Tensor, Vec<f32>) {
        let width = self.cell.gates() * self.units;
        let data = Self::part(&self.input, direction, width * self.features);
        let both = Self::part(&self.bias, direction, 2 * width);
        let (own, recurrent) = both.split_at(width);
        let kept = width - self.reset_bias(direction).len();
        let added = |(unit, (own, recurrent)): (usize, (&f32, &f32))| own + if unit < kept { *recurrent } else { 0.0 };
        let bias = own.iter().zip(recurrent).enumerate().map(added).collect();
        (Tensor { shape: vec![width, self.features], data }, bias)
    }

    /// The candidate's recurrent bias, where the reset gate multiplies it.
    fn reset_bias(&self, direction: usize) -> Vec<f32> {
        match self.cell {
            Cell::Gru { reset_product: true } => {
                let both = Self::part(&self.bias, direction, 6 * self.units);
                Self::part(&both, 5, self.units)
            }
            _ => vec![],
        }
    }

    fn recurrence(&self, direction: usize) -> Recurrence {
        let (cell, units, width) = (self.cell, self.units, self.cell.gates() * self.units);
        let data = Self::part(&self.recurrent, direction, width * units);
        Recurrence {
            cell,
            weight: Tensor { shape: vec![width, units], data },
            bias: self.reset_bias(direction),
            hidden: Self::part(&self.hidden, direction, units),
            memory: if cell == Cell::Lstm { Self::part(&self.memory, direction, units) } else { vec![] },
            reverse: false,
            gives: Gives::Steps,
        }
    }
}
