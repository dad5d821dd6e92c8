//! `residua boards`.

use crate::common::failure::Failure;
use crate::common::output::{report, table};
use clap::Args;
use residua_harness::Target;
use serde::Serialize;

/// Lists the boards and emulated cores that plans run on
///
/// Example: residua boards
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    boards: Vec<Board>,
}

#[derive(Serialize)]
struct Board {
    name: &'static str,
    emulated: bool,
    /// Whether cycles are modelled beside instructions.
    cycles: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let board = |target: &Target| Board { name: target.name(), emulated: true, cycles: target.has_cycle_model() };
    let boards = Report { boards: Target::ALL.iter().map(board).collect() };
    report(arguments.json, &boards, || {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_string();
        table(
            ["board", "emulated", "modelled cycles"],
            boards.boards.iter().map(|b| [b.name.into(), yes(b.emulated), yes(b.cycles)]),
        )
    })
}
