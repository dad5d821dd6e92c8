//! Which values are int16.

use crate::compile::Model;
use crate::quantize::Statistics;
use residua::plan::Element;
use std::str::FromStr;

/// Bits of activations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activations {
    /// int8, all of them.
    #[default]
    Int8,
    /// int16, all of them; features of an audio front end stay int8.
    Int16,
}

/// Sets the type of each value.
pub fn choose(model: &Model, statistics: &mut [Statistics], activations: Activations) {
    let element = match activations {
        Activations::Int8 => Element::Int8,
        Activations::Int16 => Element::Int16,
    };
    statistics.iter_mut().for_each(|s| s.element = element);
    // A front end gives int8.
    if model.front_end.is_some()
        && let Some(input) = statistics.get_mut(model.rows.input)
    {
        input.element = Element::Int8;
    }
}

impl FromStr for Activations {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "8" => Ok(Self::Int8),
            "16" => Ok(Self::Int16),
            other => Err(format!("activations have no `{other}` bits: 8 or 16")),
        }
    }
}
