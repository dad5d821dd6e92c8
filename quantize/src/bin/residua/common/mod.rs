//! What subcommands share.

pub mod data;
pub mod failure;
pub mod models;
pub mod output;
pub mod progress;
pub mod target;
