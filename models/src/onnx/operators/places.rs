//! Rows and columns by their places in an input.

use super::{Reject, unsupported};
use crate::graph::Operator;

/// Most rows or columns that are listed: a small file may declare any number of them.
const MAX_PLACES: usize = 1 << 20;

/// A number of rows or columns, if it may be listed.
pub(super) fn listed(count: usize) -> Result<usize, Reject> {
    if count <= MAX_PLACES {
        Ok(count)
    } else {
        Err(unsupported(format!("{count} rows or columns"), format!("at most {MAX_PLACES}")))
    }
}

/// The places of all rows or columns.
pub(super) fn all(size: usize) -> Result<Vec<f32>, Reject> {
    Ok((0..listed(size)?).map(|i| i as f32).collect())
}

/// Rows (axis 2) or columns (axis 3) of an image at some places, all of the other axis.
pub(super) fn along(image: &[usize], axis: usize, places: Vec<f32>) -> Result<Operator, Reject> {
    Ok(if axis == 2 {
        Operator::Resample { rows: places, columns: all(image[3])? }
    } else {
        Operator::Resample { rows: all(image[2])?, columns: places }
    })
}
