//! The values of a tensor, counted, and the ranges that follow.

use super::Method;
use super::tail::Tail;

const BINS: usize = 4096;

/// A histogram whose range doubles as values come; also keeps the exact extremes.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Half of the range: bins cover `[-reach, reach)`.
    reach: f32,
    bins: Vec<u64>,
    min: f32,
    max: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { reach: 2f32.powi(-20), bins: vec![0; BINS], min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl Histogram {
    /// Adds values; those that are not finite are left out.
    pub fn extend(&mut self, values: impl IntoIterator<Item = f32>) {
        for value in values {
            if !value.is_finite() {
                continue;
            }
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            while value.abs() >= self.reach {
                self.double();
            }
            let bin = ((value / self.reach + 1.0) * (BINS as f32 / 2.0)) as usize;
            self.bins[bin.min(BINS - 1)] += 1;
        }
    }

    /// Adds another histogram.
    pub fn merge(&mut self, mut other: Self) {
        while self.reach < other.reach {
            self.double();
        }
        while other.reach < self.reach {
            other.double();
        }
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Doubles the range: pairs of bins merge towards the middle.
    fn double(&mut self) {
        let mut bins = vec![0; BINS];
        for (i, &count) in self.bins.iter().enumerate() {
            bins[BINS / 4 + i / 2] += count;
        }
        self.bins = bins;
        self.reach *= 2.0;
    }

    /// The chosen range `[min, max]`, which always holds zero; `[0, 0]` if nothing was seen.
    pub fn range(&self, method: Method) -> [f32; 2] {
        self.range_with(method, [Tail::default(); 2])
    }

    pub(super) fn range_with(&self, method: Method, tails: [Tail; 2]) -> [f32; 2] {
        if self.min > self.max {
            return [0.0, 0.0];
        }
        let exact = [self.min.min(0.0), self.max.max(0.0)];
        match method {
            Method::MinMax => exact,
            Method::Percentile(left_out) => self.percentile(left_out, exact),
            Method::Mse => self.least_squares(exact, tails),
        }
    }

    fn center(&self, bin: usize) -> f32 {
        ((bin as f32 + 0.5) / (BINS as f32 / 2.0) - 1.0) * self.reach
    }

    fn percentile(&self, left_out: f64, exact: [f32; 2]) -> [f32; 2] {
        let total: u64 = self.bins.iter().sum();
        let allowed = (total as f64 * left_out) as u64;
        let seen = |bins: &[u64]| {
            let counts = bins.iter().scan(0, |seen, &count| {
                *seen += count;
                Some(*seen)
            });
            counts.take_while(|&s| s <= allowed).count()
        };
        let reversed: Vec<u64> = self.bins.iter().rev().copied().collect();
        let low = self.center(seen(&self.bins).min(BINS - 1));
        let high = self.center(BINS.saturating_sub(1 + seen(&reversed)));
        [low.clamp(exact[0], 0.0), high.clamp(0.0, exact[1])]
    }

    /// Moves both ends together, then each alone, to where the error is least; outwards too, since inputs to come may go
    /// beyond those seen.
    fn least_squares(&self, exact: [f32; 2], tails: [Tail; 2]) -> [f32; 2] {
        let error = |range: [f32; 2]| {
            let beyond = tails.iter().zip(range).map(|(tail, end)| tail.squared_error(end)).sum::<f64>();
            self.squared_error(range) + beyond
        };
        let mut best = (error(exact), [1.0, 1.0]);
        let mut consider = |factors: [f32; 2]| {
            let error = error([exact[0] * factors[0], exact[1] * factors[1]]);
            if error < best.0 {
                best = (error, factors);
            }
            best.1
        };
        let steps = || (20..=200).map(|i| i as f32 / 100.0);
        let [mut low, mut high] = steps().fold([1.0; 2], |_, f| consider([f, f]));
        if exact[0] < 0.0 && exact[1] > 0.0 {
            [low, high] = steps().fold([low, high], |_, f| consider([f, high]));
            [low, high] = steps().fold([low, high], |_, f| consider([low, f]));
        }
        [exact[0] * low, exact[1] * high]
    }

    /// Sum of squared differences between values and their int8 images.
    fn squared_error(&self, [low, high]: [f32; 2]) -> f64 {
        let scale = f64::from(high - low) / 255.0;
        if scale <= 0.0 {
            return f64::INFINITY;
        }
        let rounding = scale * scale / 12.0;
        let mut error = 0.0;
        for (bin, &count) in self.bins.iter().enumerate().filter(|(_, c)| **c > 0) {
            let value = self.center(bin).clamp(self.min, self.max);
            let clipped = f64::from((low - value).max(value - high).max(0.0));
            error += count as f64 * if clipped > 0.0 { clipped * clipped } else { rounding };
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f32]) -> Histogram {
        let mut h = Histogram::default();
        h.extend(values.iter().copied());
        h
    }

    proptest! {
        #[test]
        fn ranges_hold_zero_and_stay_within_the_extremes(values in proptest::collection::vec(-1e6f32..1e6, 1..200)) {
            let h = of(&values);
            let [min, max] = h.range(Method::MinMax);
            prop_assert_eq!(min, values.iter().copied().fold(0.0, f32::min));
            prop_assert_eq!(max, values.iter().copied().fold(0.0, f32::max));
            for method in [Method::Percentile(1e-2), Method::Mse] {
                let [low, high] = h.range(method);
                prop_assert!(min <= low && low <= 0.0 && 0.0 <= high && high <= max);
            }
        }

        #[test]
        fn merging_equals_extending(a in proptest::collection::vec(-1e3f32..1e3, 0..50), b in proptest::collection::vec(-1.0f32..1.0, 0..50)) {
            let mut merged = of(&a);
            merged.merge(of(&b));
            let both = of(&[a, b].concat());
            prop_assert_eq!(merged.bins.iter().sum::<u64>(), both.bins.iter().sum::<u64>());
            prop_assert_eq!(merged.range(Method::MinMax), both.range(Method::MinMax));
        }
    }

    #[test]
    fn outliers_are_clipped() {
        let mut values: Vec<f32> = (0..100_000).map(|i| (i % 1000) as f32 / 1000.0).collect();
        values.push(40.0);
        let [_, high] = of(&values).range(Method::Mse);
        assert!(high < 39.0, "{high}");
        let [_, high] = of(&values).range(Method::Percentile(1e-3));
        assert!((0.9..1.1).contains(&high), "{high}");
    }

    #[test]
    fn nothing_seen_is_an_empty_range() {
        assert_eq!(of(&[]).range(Method::Mse), [0.0, 0.0]);
        assert_eq!(of(&[f32::NAN]).range(Method::MinMax), [0.0, 0.0]);
    }
}
