//! Babai's nearest plane algorithm, for lattices with the same quadratic form and different scales.

use super::dot;

/// A quadratic form `eᵀ C e` and the order in which its coordinates are rounded.
#[derive(Clone, Debug)]
pub struct Lattice {
    /// Coordinates, those that count least first; they are rounded from the last to the first.
    order: Vec<usize>,
    /// Row `k`: for each later coordinate in `order`, how much of its error coordinate `k` makes up for.
    shares: Vec<f64>,
}

impl Lattice {
    /// The lattice of a positive semidefinite matrix, row by row.
    pub fn new(matrix: &[f64]) -> Self {
        let n = matrix.len().isqrt();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| matrix[a * n + a].total_cmp(&matrix[b * n + b]).then(a.cmp(&b)));
        let largest = order.last().map_or(0.0, |&k| matrix[k * n + k]);
        // Cholesky's L of the ordered matrix; a coordinate that is nearly made up of those before it takes part no more.
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let (row_i, row_j) = (&lower[i * n..][..j], &lower[j * n..][..j]);
                let rest = matrix[order[i] * n + order[j]] - dot(row_i, row_j);
                let pivot = lower[j * n + j];
                lower[i * n + j] = match i == j {
                    true => rest.max(largest * 1e-9).max(f64::MIN_POSITIVE).sqrt(),
                    false => rest / pivot,
                };
            }
        }
        let mut shares = vec![0.0; n * n];
        for k in 0..n {
            for later in k + 1..n {
                shares[k * n + later] = lower[later * n + k] / lower[k * n + k];
            }
        }
        Self { order, shares }
    }

    /// Multiples of `scale`, from −127 to 127 times it, near the target in the lattice's sense.
    pub fn nearest(&self, target: &[f32], scale: f64) -> Vec<f64> {
        let n = self.order.len();
        let mut rounded = vec![0.0; n];
        let mut errors = vec![0.0; n];
        for k in (0..n).rev() {
            let coordinate = self.order[k];
            let wanted = f64::from(target[coordinate]);
            let made_up = dot(&self.shares[k * n + k + 1..(k + 1) * n], &errors[k + 1..]);
            rounded[coordinate] = ((wanted + made_up) / scale).round().clamp(-127.0, 127.0) * scale;
            errors[k] = wanted - rounded[coordinate];
        }
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `B Bᵀ` of a matrix of `n` rows.
    fn square(rows: &[f64], n: usize) -> Vec<f64> {
        let row = |i: usize| &rows[i * rows.len() / n..][..rows.len() / n];
        (0..n * n).map(|i| dot(row(i / n), row(i % n))).collect()
    }

    fn form(matrix: &[f64], errors: &[f64]) -> f64 {
        let n = errors.len();
        (0..n * n).map(|i| matrix[i] * errors[i / n] * errors[i % n]).sum()
    }

    fn errors(target: &[f32], rounded: &[f64]) -> Vec<f64> {
        target.iter().zip(rounded).map(|(&t, r)| r - f64::from(t)).collect()
    }

    proptest! {
        /// Babai's bound: a quarter of the squared step for each of Cholesky's pivots, which are no more than the diagonal.
        #[test]
        fn the_error_stays_within_the_bound(
            (target, rows) in (1usize..12).prop_flat_map(|n| (
                proptest::collection::vec(-20f32..20.0, n), proptest::collection::vec(-3f64..3.0, n * 14),
            )),
        ) {
            let n = target.len();
            let matrix = square(&rows, n);
            let rounded = Lattice::new(&matrix).nearest(&target, 1.0);
            prop_assume!(rounded.iter().all(|r| r.abs() < 127.0));
            let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
            prop_assert!(form(&matrix, &errors(&target, &rounded)) <= trace / 4.0 * (1.0 + 1e-6));
        }

        #[test]
        fn independent_coordinates_go_to_the_nearest(target in proptest::collection::vec(-12f32..12.0, 1..20)) {
            let n = target.len();
            let matrix: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 + i as f64 } else { 0.0 }).collect();
            for (t, r) in target.iter().zip(Lattice::new(&matrix).nearest(&target, 0.1)) {
                prop_assert!((r - f64::from(*t)).abs() <= 0.05 + 1e-6 && (r / 0.1 - (r / 0.1).round()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn one_makes_up_for_the_others_where_all_move_together() {
        let (n, target) = (9, vec![0.4; 9]);
        let matrix: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.01 } else { 1.0 }).collect();
        let rounded = Lattice::new(&matrix).nearest(&target, 1.0);
        // Each by itself would be 0, and the sum be off by 3.6.
        assert!((rounded.iter().sum::<f64>() - 3.6).abs() < 0.5, "{rounded:?}");
    }

    #[test]
    fn coordinates_that_never_differ_do_no_harm() {
        let rounded = Lattice::new(&[0.0; 9]).nearest(&[0.3, -0.6, 200.0], 1.0);
        assert_eq!(rounded, [0.0, -1.0, 127.0]);
    }
}
