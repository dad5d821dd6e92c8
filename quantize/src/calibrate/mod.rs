//! Calibration: the range of every value, from histograms over sample inputs.

mod histogram;
mod in_order;
mod tail;

pub use histogram::Histogram;
pub(crate) use in_order::in_order;

use crate::quantize::Statistics;
use std::fmt;
use std::str::FromStr;
use tail::Tail;

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
}
