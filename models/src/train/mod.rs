//! Training of the reference models on the desktop.
//!
//! A [`Recipe`] says all that a run depends on but the data; [`train`] follows it and leaves curves, a checkpoint after
//! every epoch and the trained model in a folder. Features come from the fixed-point front end that runs on the device, so
//! that a model never sees others than those it was trained on.
//!
//! | file | what |
//! |---|---|
//! | `recipe` | parameters of a run |
//! | `corpus` | recordings on disk |
//! | `augment` | what is done to a recording before the model hears it |
//! | `examples` | recordings drawn, augmented and turned into features |
//! | `res8_narrow` | the network |
//! | `weights` | its parameters outside the network: averages, checkpoints |
//! | `run` | the loop |
//! | `to_graph` | the trained network as a graph |

mod augment;
mod checkpoint;
mod corpus;
mod error;
mod examples;
mod recipe;
mod res8_narrow;
mod run;
mod to_graph;
mod weights;

pub use checkpoint::{CHECKPOINT, Checkpoint, Epoch};
pub use corpus::{Corpus, SILENCE, UNKNOWN};
pub use error::TrainError;
pub use recipe::{Augmentation, Recipe, Shares};
pub use res8_narrow::Res8Narrow;
pub use run::{CURVES, Outcome, train};
pub use to_graph::to_graph;
pub use weights::Weights;
