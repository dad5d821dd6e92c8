//! Streams: a model over a window of rows becomes a plan over rows without end, one of which costs one row an operator.
//!
//! ```text
//! QGraph over a window ─ Sliding::new ─► Sliding ─ endless ─► QGraph over a stream ─ schedule, write ─► plan
//! ```

mod error;
mod sliding;
mod step;
mod timing;

pub use error::{Obstacle, StreamError};
pub use sliding::Sliding;
pub use timing::{Dependence, Reach, STREAM_KEY, Timing};
