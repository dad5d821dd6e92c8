//! Why a model cannot run as a stream.

/// A node that does not go on from row to row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` ({operator}, rows, columns and channels {shape:?}): {obstacle}, or compile without --stream")]
pub struct StreamError {
    /// The node.
    pub node: String,
    /// Its operator in the runtime; `input` for the model's input.
    pub operator: &'static str,
    /// Rows, columns, channels of its output over one window.
    pub shape: [usize; 3],
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// What is in a stream's way, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The input has a single row: nothing moves along the stream axis.
    #[error("there is no axis to stream along; let time be the rows")]
    OneRow,
    /// A value taken from all rows is spread over all rows, as a gate of squeeze and excitation: the first row needs the last.
    #[error(
        "one row is spread over {rows} rows, each of which would wait for the last row of the stream; take it from a window of \
         limited height"
    )]
    Spread {
        /// Rows of the other input.
        rows: usize,
    },
    /// The inputs move along the stream at different speeds, although they have as many rows in one window.
    #[error(
        "{} rows of one input come for {} of the other; give both branches the same strides over rows",
        speeds[0],
        speeds[1]
    )]
    Speeds {
        /// Rows of each input in the same time.
        speeds: [u64; 2],
    },
    /// A window of several rows, or an upsampling, over the single row that a reduction over all rows leaves.
    #[error(
        "{what} over the one row that a reduction over all rows leaves, beside which a stream has the rows of other windows; \
         let it take one row"
    )]
    BehindReduction {
        /// The window or factor.
        what: String,
    },
    /// Rows that lie at places of the window's input, which no stride describes.
    #[error(
        "its rows lie at places counted from the first of a window; resize by whole factors, and pad with one value"
    )]
    Places,
    /// A recurrent layer has all rows before it hands out anything.
    #[error(
        "a recurrent layer over all {rows} rows of a window; let it take steps from the first to the last and hand out each"
    )]
    WholeRecurrence {
        /// Rows of the window.
        rows: usize,
    },
    /// The strides' common multiple is too large.
    #[error("strides over rows have no common multiple below {limit} up to here; give branches the same strides")]
    Period {
        /// Largest period in input rows.
        limit: u64,
    },
}
