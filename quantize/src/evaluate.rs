//! Accuracy over a data set.

use crate::feed::{FeedError, Predict};
use rayon::prelude::*;
use residua_models::data::Dataset;

/// Share of items whose class is found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Items.
    pub samples: usize,
    /// Share whose class has the highest score.
    pub top1: f64,
    /// Share whose class is among the five highest scores.
    pub top5: f64,
}

/// Why there is no accuracy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// An item does not run.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A label is none of the model's classes.
    #[error("label {label} of item {item} is none of the model's {classes} classes; see --labels-offset")]
    Label {
        /// Index of the item among those taken.
        item: usize,
        /// The label.
        label: usize,
        /// Number of outputs.
        classes: usize,
    },
}

/// Runs every item, on all cores. `done` is called after each.
///
/// # Errors
/// Items do not match the model, or labels are none of its classes.
pub fn accuracy(model: &impl Predict, data: &Dataset, done: impl Fn() + Sync) -> Result<Accuracy, EvaluateError> {
    let labels = data.labels(model.labels()).map_err(FeedError::from)?;
    let ranks: Vec<usize> = labels
        .par_iter()
        .enumerate()
        .map(|(item, &label)| {
            let scores = model.predict(data.item(item).map_err(FeedError::from)?)?;
            done();
            rank(&scores, label).ok_or(EvaluateError::Label { item, label, classes: scores.len() })
        })
        .collect::<Result<_, _>>()?;
    let share = |best: usize| ranks.iter().filter(|&&r| r < best).count() as f64 / ranks.len().max(1) as f64;
    Ok(Accuracy { samples: ranks.len(), top1: share(1), top5: share(5) })
}

/// How many classes are ahead of one; of equal scores the first class is ahead. A score that is no number is behind all.
/// `None` for a class that does not exist.
fn rank(scores: &[f32], class: usize) -> Option<usize> {
    let own = *scores.get(class)?;
    let ahead = |other: usize, score: f32| match score.partial_cmp(&own) {
        Some(order) => order.is_gt() || order.is_eq() && other < class,
        None => own.is_nan() && (!score.is_nan() || other < class),
    };
    Some(scores.iter().enumerate().filter(|&(other, &score)| ahead(other, score)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_score_then_by_place() {
        let scores = [0.1, 0.5, 0.5, f32::NAN, 0.0];
        let ranks: Vec<_> = (0..6).map(|class| rank(&scores, class)).collect();
        assert_eq!(ranks, [Some(2), Some(0), Some(1), Some(4), Some(3), None]);
    }
}
