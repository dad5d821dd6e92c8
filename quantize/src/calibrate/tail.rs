//! What calibration did not see.

/// What inputs beyond those seen may add at one end of a range.
///
/// Of as many inputs again as were seen, one goes beyond the extreme of these (Good, "The population frequencies of species",
/// 1953), by an excess that is distributed exponentially. The inputs' own extremes have a Gumbel distribution, whose scale is
/// `√6 / π` times their standard deviation. The mean excess over the largest of them is that scale further out: where elements
/// are distributed normally, the scale of the largest of `n` goes with `1 / √(2 ln n)` (Fisher and Tippett, 1928).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// Largest size seen.
    extreme: f64,
    /// Mean of what an input to come exceeds it by.
    excess: f64,
}

impl Tail {
    /// The tail of the extremes of each input, of so many elements; those of the lower end are negative.
    pub fn of(extremes: impl Iterator<Item = f32> + Clone, elements: f64) -> Self {
        let sizes = extremes.map(|x| f64::from(x).abs());
        let count = sizes.clone().count().max(1) as f64;
        let mean = sizes.clone().sum::<f64>() / count;
        let variance = sizes.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let elements = elements.max(2.0);
        let further_out = (elements.ln() / (elements * count).ln()).sqrt();
        let excess = further_out * (6.0 * variance).sqrt() / std::f64::consts::PI;
        Self { extreme: sizes.fold(0.0, f64::max), excess }
    }

    /// Squared error that a range's end causes by cutting off what lies beyond.
    pub fn squared_error(&self, end: f32) -> f64 {
        let (end, excess) = (f64::from(end).abs(), self.excess);
        if excess <= 0.0 {
            return 0.0;
        }
        let inside = (self.extreme - end).max(0.0);
        let beyond = (end - self.extreme).max(0.0);
        inside * (inside + 2.0 * excess) + 2.0 * excess.powi(2) * (-beyond / excess).exp()
    }
}
