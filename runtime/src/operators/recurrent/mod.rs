//! LSTM and GRU layers behind their input projection, which is a layer of its own.
//!
//! A recurrence along the rows carries its state from row to row and gives an output row for each input row; one along the
//! columns, or from the last row to the first, has all steps before it and runs through them at once.

mod columns;
mod layer;
mod rows;
mod sigmoid;
#[cfg(test)]
mod testing;

pub use columns::RecurrentColumns;
pub use layer::{Cell, Form, Layer, MAX_UNITS, Numbers};
pub use rows::RecurrentRows;
