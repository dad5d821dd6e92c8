//! Integers for real factors.

use super::{QuantizeError, Quantizer};

impl Quantizer<'_> {
    /// Positive integers `m` up to a limit, and the largest shift `s` up to another one, with `m / 2^s ≈ factor`.
    pub(super) fn multipliers(&self, factors: &[f64], limit: i32, most: u8) -> Result<(Vec<i32>, u8), QuantizeError> {
        let largest = factors.iter().copied().fold(0.0, f64::max);
        let shift = (1..=most).rev().find(|&s| (largest * f64::from(s).exp2()).round() <= f64::from(limit));
        let Some(shift) = shift.filter(|_| largest.is_finite()) else {
            return Err(self.scale_error(format!("the scales of input and output differ by a factor of {largest:e}")));
        };
        let scale = f64::from(shift).exp2();
        Ok((factors.iter().map(|f| (f * scale).round().max(1.0) as i32).collect(), shift))
    }

    /// Integers of either sign for factors and offsets at the largest shift, up to `most`, for which they stay within the
    /// limits.
    pub(super) fn small_multipliers(
        &self,
        factors: &[f64],
        limit: f64,
        most: u8,
        offsets: &[f64],
        offset_limit: f64,
    ) -> Result<(Vec<i32>, u8), QuantizeError> {
        let largest = |values: &[f64]| values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let fits = |s: u8| {
            let unit = f64::from(s).exp2();
            largest(factors) * unit <= limit && (offsets.is_empty() || largest(offsets) * unit <= offset_limit)
        };
        let Some(shift) = (1..=most).rev().find(|&s| fits(s)) else {
            return Err(self.scale_error("the scales of input and output are too far apart"));
        };
        let unit = f64::from(shift).exp2();
        Ok((factors.iter().map(|f| (f * unit).round() as i32).collect(), shift))
    }
}
