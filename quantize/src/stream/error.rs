//! Why a model cannot run as a stream.

/// A node that does not go on from row to row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The input has a single row: nothing moves along the stream axis.
    #[error("the input has one row: there is no axis to stream along; compile without --stream")]
    OneRow,
    /// A value taken from all rows is spread over all rows, as a gate of squeeze and excitation: the first row needs the last.
    #[error(
        "node `{node}` spreads one row over {rows} rows: each would wait for the last row of the stream; take the row from a \
         window of limited height in the model, or compile without --stream"
    )]
    Spread {
        /// The node.
        node: String,
        /// Rows of the other input.
        rows: usize,
    },
    /// The inputs of a node move along the stream at different speeds, although they have as many rows in one window.
    #[error(
        "node `{node}` takes {} rows of one input for {} of the other: they part as the stream goes on; give both branches \
         the same strides over rows, or compile without --stream",
        speeds[0], speeds[1]
    )]
    Speeds {
        /// The node.
        node: String,
        /// Rows of each input in the same time.
        speeds: [u64; 2],
    },
    /// A window of several rows, or an upsampling, over the single row that a reduction over all rows leaves.
    #[error(
        "node `{node}` has {what} over the one row that a reduction over all rows leaves: in a stream, other windows' rows \
         would lie beside it; let it take one row, or compile without --stream"
    )]
    BehindReduction {
        /// The node.
        node: String,
        /// The window or factor.
        what: String,
    },
    /// The strides' common multiple is too large.
    #[error("strides over rows have no common multiple below {limit} up to node `{node}`; compile without --stream")]
    Period {
        /// The node.
        node: String,
        /// Largest period in input rows.
        limit: u64,
    },
}
