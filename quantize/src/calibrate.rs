//! Calibration: the range of every value, from histograms over sample inputs.

use crate::quantize::Statistics;
use std::fmt;
use std::str::FromStr;

/// How a range is chosen from the values seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// From the smallest to the largest value.
    MinMax,
    /// The range that leaves out this fraction of the values at either end.
    Percentile(f64),
    /// The range with the smallest mean square error after int8 quantization.
    Mse,
}

impl Default for Method {
    /// The mean-square-error range: most accurate over the reference models.
    fn default() -> Self {
        Self::Mse
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => write!(f, "min-max"),
            Self::Percentile(p) => write!(f, "percentile-{}", 100.0 * (1.0 - p)),
            Self::Mse => write!(f, "mse"),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "min-max" => Ok(Self::MinMax),
            "mse" => Ok(Self::Mse),
            "percentile" => Ok(Self::Percentile(1e-4)),
            other => Err(format!("unknown calibration method `{other}`: min-max, percentile or mse")),
        }
    }
}

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

    fn range_with(&self, method: Method, tails: [Tail; 2]) -> [f32; 2] {
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

/// What inputs beyond those seen may add at one end of a range.
///
/// Of as many inputs again as were seen, one goes beyond the extreme of these (Good, "The population frequencies of species",
/// 1953), by an excess that is distributed exponentially. The inputs' own extremes have a Gumbel distribution, whose scale is
/// `√6 / π` times their standard deviation. The mean excess over the largest of them is that scale further out: where elements
/// are distributed normally, the scale of the largest of `n` goes with `1 / √(2 ln n)` (Fisher and Tippett, 1928).
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    /// Largest size seen.
    extreme: f64,
    /// Mean of what an input to come exceeds it by.
    excess: f64,
}

impl Tail {
    /// The tail of the extremes of each input, of so many elements; those of the lower end are negative.
    fn of(extremes: impl Iterator<Item = f32> + Clone, elements: f64) -> Self {
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
    fn squared_error(&self, end: f32) -> f64 {
        let (end, excess) = (f64::from(end).abs(), self.excess);
        if excess <= 0.0 {
            return 0.0;
        }
        let inside = (self.extreme - end).max(0.0);
        let beyond = (end - self.extreme).max(0.0);
        inside * (inside + 2.0 * excess) + 2.0 * excess.powi(2) * (-beyond / excess).exp()
    }
}

/// What a row value held over all inputs so far.
#[derive(Clone, Debug)]
pub struct Observed {
    histogram: Histogram,
    /// Smallest and largest element of each input, and zero.
    extremes: Vec<[f32; 2]>,
    /// Sum of each channel.
    sums: Vec<f64>,
    pixels: u64,
}

impl Observed {
    /// Nothing seen yet of a value with this number of channels.
    pub fn new(channels: usize) -> Self {
        Self { histogram: Histogram::default(), extremes: vec![], sums: vec![0.0; channels], pixels: 0 }
    }

    /// Adds a tensor, channels innermost.
    pub fn add(&mut self, elements: &[f32]) {
        self.histogram.extend(elements.iter().copied());
        let finite = || elements.iter().copied().filter(|x| x.is_finite());
        self.extremes.push([finite().fold(0.0, f32::min), finite().fold(0.0, f32::max)]);
        let pixels = elements.chunks_exact(self.sums.len().max(1));
        self.pixels += pixels.len() as u64;
        for pixel in pixels {
            self.sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += f64::from(x));
        }
    }

    /// Adds what was seen elsewhere of the same value.
    pub fn merge(&mut self, other: Self) {
        self.histogram.merge(other.histogram);
        self.extremes.extend(other.extremes);
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        self.pixels += other.pixels;
    }

    /// The range that a method chooses, and the channels' means.
    pub fn statistics(&self, method: Method) -> Statistics {
        let mean = |sum: &f64| (sum / self.pixels.max(1) as f64) as f32;
        let means = self.sums.iter().map(mean).map(|m| if m.is_finite() { m } else { 0.0 }).collect();
        // Sums of rounded numbers depend on their order, which that of the inputs is not.
        let mut ends = [0, 1].map(|end| self.extremes.iter().map(|e| e[end]).collect::<Vec<_>>());
        ends.iter_mut().for_each(|end| end.sort_unstable_by(f32::total_cmp));
        let elements = self.pixels as f64 * self.sums.len() as f64 / self.extremes.len().max(1) as f64;
        let tails = ends.map(|end| Tail::of(end.iter().copied(), elements));
        let range = self.histogram.range_with(method, tails);
        let extremes = self.histogram.range(Method::MinMax);
        Statistics { range, extremes, means, ..Statistics::default() }
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

    /// The range for inputs of `len` elements from −1 to a peak of each input's own.
    fn range_of(len: usize, peaks: &[f32]) -> [f32; 2] {
        let mut observed = Observed::new(1);
        for &peak in peaks {
            let elements: Vec<f32> = (0..len).map(|i| (i as f32 / len as f32) * 1.9 - 1.0).chain([peak]).collect();
            observed.add(&elements);
        }
        observed.statistics(Method::Mse).range
    }

    #[test]
    fn there_is_room_for_inputs_to_come_where_few_elements_vary() {
        let peaks = [1.0, 1.4, 0.9, 1.1, 1.3, 1.0, 0.9, 1.2];
        let [low, high] = range_of(8, &peaks);
        assert!(high > 1.5 && (-1.01..=-0.97).contains(&low), "{low} {high}");
        // All peaks alike: nothing says that there is more.
        assert!((0.97..=1.01).contains(&range_of(8, &[1.0; 8])[1]));
        // Among many elements, coarser steps for all of them cost more than one that is cut off.
        assert!(range_of(100_000, &peaks)[1] < 1.45);
    }

    #[test]
    fn nothing_seen_is_an_empty_range() {
        assert_eq!(of(&[]).range(Method::Mse), [0.0, 0.0]);
        assert_eq!(of(&[f32::NAN]).range(Method::MinMax), [0.0, 0.0]);
    }
}
