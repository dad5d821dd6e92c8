//! Which items are taken: a range in sorted order, then a random subset.

use super::Options;

/// Indices of the items that the options ask for, in ascending order.
pub(super) fn choose(count: usize, options: &Options) -> Vec<usize> {
    let range = options.range.clone().unwrap_or(0..count);
    let mut indices: Vec<usize> = (range.start.min(count)..range.end.min(count)).collect();
    if let Some(limit) = options.limit
        && limit < indices.len()
    {
        // The first steps of a Fisher-Yates shuffle draw without replacement.
        let mut random = Random(options.seed);
        for i in 0..limit {
            let j = i + random.below(indices.len() - i);
            indices.swap(i, j);
        }
        indices.truncate(limit);
        indices.sort_unstable();
    }
    indices
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same draw on every machine and in every version.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The high half of the product is uniform but for a bias of n / 2^64.
        ((u128::from(z) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_draw_is_a_subset_of_the_range(count in 0usize..300, start in 0usize..300, len in 0usize..300, limit in 1usize..300, seed in any::<u64>()) {
            let options = Options { range: Some(start..start + len), limit: Some(limit), seed, ..Options::default() };
            let chosen = choose(count, &options);
            let there = (start..(start + len).min(count)).len();
            prop_assert_eq!(chosen.len(), there.min(limit));
            prop_assert!(chosen.iter().all(|i| (start..start + len).contains(i) && *i < count));
            prop_assert!(chosen.is_sorted());
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
            prop_assert_eq!(&choose(count, &options), &chosen);
        }
    }

    #[test]
    fn seeds_draw_differently_and_evenly() {
        let draw = |seed| choose(100, &Options { limit: Some(10), seed, ..Options::default() });
        assert_ne!(draw(0), draw(1));
        let mut seen = [0u32; 100];
        (0..2000).flat_map(draw).for_each(|i| seen[i] += 1);
        assert!(seen.iter().all(|&n| (120..280).contains(&n)), "{seen:?}");
    }

    #[test]
    fn all_items_without_options() {
        assert_eq!(choose(3, &Options::default()), [0, 1, 2]);
    }
}
