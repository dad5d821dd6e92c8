//! DATA on the command line.

use super::failure::Failure;
use clap::Args;
use residua_models::data::{Dataset, Options};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

/// How numbers of the data become the model's real input.
#[derive(Args, Clone, Debug)]
pub struct Scaling {
    /// Real input = x · SCALE + OFFSET; a fraction as 1/255 is understood
    #[arg(long, value_name = "SCALE", default_value = "1", value_parser = real, allow_negative_numbers = true)]
    pub input_scale: f32,
    /// See --input-scale
    #[arg(long, value_name = "OFFSET", default_value = "0", value_parser = real, allow_negative_numbers = true)]
    pub input_offset: f32,
}

/// Which items are taken.
#[derive(Args, Clone, Debug)]
pub struct Selection {
    /// Take N items, drawn at random
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,
    /// Seed of the draw
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Take items A to B−1 in sorted order (before --limit draws from them)
    #[arg(long, value_name = "A:B", value_parser = range)]
    pub range: Option<Range<usize>>,
}

/// Which classes labels stand for.
#[derive(Args, Clone, Debug)]
pub struct Labels {
    /// Add K to every label
    #[arg(long, value_name = "K", default_value_t = 0, allow_negative_numbers = true)]
    pub labels_offset: i64,
}

impl Scaling {
    /// Opens data. `labels_offset` is that of [`Labels`], where labels matter.
    pub fn open(&self, path: &Path, selection: &Selection, labels_offset: i64) -> Result<Dataset, Failure> {
        let options = Options {
            scale: self.input_scale,
            offset: self.input_offset,
            labels_offset,
            range: selection.range.clone(),
            limit: selection.limit.map(NonZeroUsize::get),
            seed: selection.seed,
        };
        Ok(Dataset::open(path, options)?)
    }
}

fn real(text: &str) -> Result<f32, String> {
    let number = |text: &str| text.trim().parse::<f64>().map_err(|error| error.to_string());
    let value = match text.split_once('/') {
        Some((above, below)) => number(above)? / number(below)?,
        None => number(text)?,
    } as f32;
    if value.is_finite() { Ok(value) } else { Err("not a finite number".into()) }
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once(':').and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    match ends {
        Some(range) if range.start < range.end => Ok(range),
        _ => Err("two numbers A:B are needed, A below B".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_fractions() {
        assert_eq!(real("0.5847029"), Ok(0.584_702_9));
        assert_eq!(real("1/255"), Ok(1.0 / 255.0));
        assert_eq!(real("-1"), Ok(-1.0));
        for wrong in ["", "x", "1/0", "inf", "NaN", "1/2/3"] {
            assert!(real(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range("0:100"), Ok(0..100));
        for wrong in ["", "5", "5:5", "6:5", "a:b", "-1:5", "1:2:3", ":5"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
