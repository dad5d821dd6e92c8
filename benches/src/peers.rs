//! The figures of others.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;

/// The committed file.
const FILE: &str = include_str!("../peers.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Short name of the engine that was measured side by side.
    pub engine: String,
    /// How it was measured.
    pub source: String,
    pub models: BTreeMap<String, Peer>,
    /// Where the published figures are from.
    pub published_source: String,
    pub published: Vec<Published>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    pub arena_bytes: u64,
    pub stack_bytes: u64,
    pub load_instructions: u64,
    pub cores: BTreeMap<String, PeerFigures>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerFigures {
    pub instructions: Option<u64>,
    pub cycles: Option<u64>,
    pub code_bytes: Option<u64>,
}

/// Cycles on silicon.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub core: String,
    pub megacycles: BTreeMap<String, f64>,
    pub engine: String,
}

impl Peers {
    pub fn read() -> Result<Self, Box<dyn Error>> {
        Ok(serde_json::from_str(FILE)?)
    }
}
