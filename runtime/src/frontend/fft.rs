//! Fixed-point Fourier transform of any length without prime factors above 5.
//!
//! Stockham autosort form (Cochran et al., 1967; Swarztrauber, 1984): each stage reads one buffer and writes the other,
//! in order. A real signal of `2n` samples is transformed as `n` complex numbers (even samples real, odd imaginary) and
//! split afterwards.

/// A complex number, real part first.
pub type Complex = [i32; 2];

const ROUND: i64 = 1 << 29;

/// Whether all prime factors of a positive number are 2, 3 or 5.
pub fn is_smooth(n: usize) -> bool {
    let mut rest = n;
    while let Some(radix) = radix(rest) {
        rest = rest.checked_div(radix).unwrap_or(0);
    }
    rest == 1
}

/// The radix of the next stage; `None` where no stage is left or the length has another prime factor.
fn radix(n: usize) -> Option<usize> {
    if n <= 1 {
        return None;
    }
    [4, 5, 3, 2].into_iter().find(|&r| n.is_multiple_of(r))
}

/// Cosine and sine of `2π · k / turn`, from a table of the first quarter of the cosine in Q30.
#[derive(Clone, Copy)]
pub struct Turn<'t> {
    quarter: &'t [i32],
    turn: usize,
}

impl<'t> Turn<'t> {
    /// A turn of `4 · (table length − 1)` steps.
    pub fn new(quarter: &'t [i32]) -> Self {
        Self { quarter, turn: quarter.len().saturating_sub(1).wrapping_mul(4) }
    }

    /// Cosine at step `k < turn`.
    fn cosine(&self, k: usize) -> i32 {
        let half = self.turn >> 1;
        // cos is even around half a turn and odd around a quarter.
        let k = if k > half { self.turn.wrapping_sub(k) } else { k };
        let quarter = half >> 1;
        let at = |i: usize| self.quarter.get(i).copied().unwrap_or(0);
        if k <= quarter { at(k) } else { at(half.wrapping_sub(k)).wrapping_neg() }
    }

    /// `e^(−2πi · k / turn)` in Q30.
    fn root(&self, k: usize) -> [i64; 2] {
        // sin(x) = cos(x − quarter turn)
        let quarter = self.turn >> 2;
        let back = if k >= quarter { k.wrapping_sub(quarter) } else { k.wrapping_add(self.turn).wrapping_sub(quarter) };
        [self.cosine(k).into(), i64::from(self.cosine(back)).wrapping_neg()]
    }
}

/// Transforms `data` (`n` complex numbers, `turn = 2n`); both buffers have the same length, and the result is in the first.
pub fn transform(data: &mut [Complex], spare: &mut [Complex], turn: Turn<'_>) {
    let n = data.len();
    let (mut from, mut to) = (data, spare);
    let (mut length, mut stride) = (n, 1usize);
    let mut swapped = false;
    while let Some(radix) = radix(length) {
        stage(from, to, turn, length, stride, radix);
        core::mem::swap(&mut from, &mut to);
        swapped = !swapped;
        length = length.checked_div(radix).unwrap_or(0);
        stride = stride.wrapping_mul(radix);
    }
    if swapped {
        // The result is in the buffer that was lent as spare.
        to.copy_from_slice(from);
    }
}

/// One stage: `to[q + s(r p + k)] = Σ_j from[q + s(p + m j)] · W_n^((m j + p) k)` with `n` the length, `s` the stride, `r`
/// the radix and `m = n / r`.
fn stage(from: &[Complex], to: &mut [Complex], turn: Turn<'_>, length: usize, stride: usize, radix: usize) {
    let m = length.checked_div(radix).unwrap_or(0);
    // Steps of the turn for one step of this stage's root of unity; the turn is twice the whole transform.
    let unit = turn.turn.checked_div(length).unwrap_or(0);
    for p in 0..m {
        for k in 0..radix {
            let mut roots = [[0i64; 2]; 5];
            let (mut exponent, step) = (p.wrapping_mul(k), m.wrapping_mul(k));
            for root in roots.iter_mut().take(radix) {
                exponent = exponent.checked_rem(length).unwrap_or(0);
                *root = turn.root(exponent.wrapping_mul(unit));
                exponent = exponent.wrapping_add(step);
            }
            let out = stride.wrapping_mul(radix.wrapping_mul(p).wrapping_add(k));
            for q in 0..stride {
                let (mut re, mut im) = (ROUND, ROUND);
                let mut at = stride.wrapping_mul(p).wrapping_add(q);
                for &[c, s] in roots.iter().take(radix) {
                    let [a, b] = from.get(at).copied().unwrap_or([0; 2]).map(i64::from);
                    re = re.wrapping_add(a.wrapping_mul(c)).wrapping_sub(b.wrapping_mul(s));
                    im = im.wrapping_add(a.wrapping_mul(s)).wrapping_add(b.wrapping_mul(c));
                    at = at.wrapping_add(stride.wrapping_mul(m));
                }
                if let Some(out) = to.get_mut(out.wrapping_add(q)) {
                    *out = [(re >> 30) as i32, (im >> 30) as i32];
                }
            }
        }
    }
}

/// Power of bin `k` (`0..=n`) of the real signal whose `n` even and odd sample pairs were transformed.
///
/// `X[k] = (Z[k] + Z*[n−k]) / 2 + W_2n^k (Z[k] − Z*[n−k]) / 2i`.
pub fn power(spectrum: &[Complex], turn: Turn<'_>, k: usize) -> u64 {
    let n = spectrum.len();
    let at = |i: usize| spectrum.get(if i == n { 0 } else { i }).copied().unwrap_or([0; 2]).map(i64::from);
    let [[ar, ai], [br, bi]] = [at(k), at(n.wrapping_sub(k))];
    // Even part E = (Z + Z*') / 2 and odd part O = (Z − Z*') / 2i, both doubled.
    let (er, ei) = (ar.wrapping_add(br), ai.wrapping_sub(bi));
    let (or, oi) = (ai.wrapping_add(bi), br.wrapping_sub(ar));
    let [c, s] = turn.root(k);
    let re = or.wrapping_mul(c).wrapping_sub(oi.wrapping_mul(s)).wrapping_add(ROUND) >> 30;
    let im = or.wrapping_mul(s).wrapping_add(oi.wrapping_mul(c)).wrapping_add(ROUND) >> 30;
    let (re, im) = (er.wrapping_add(re), ei.wrapping_add(im));
    // Both are doubled: a quarter of the squares.
    (re.wrapping_mul(re).wrapping_add(im.wrapping_mul(im)) as u64) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;
    use std::vec::Vec;

    fn quarter(turn: usize) -> Vec<i32> {
        (0..=turn / 4).map(|k| ((TAU * k as f64 / turn as f64).cos() * f64::from(1 << 30)).round() as i32).collect()
    }

    fn smooth() -> impl Strategy<Value = usize> {
        prop::sample::select(std::vec![4usize, 8, 12, 20, 60, 128, 240, 256, 320, 480])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn powers_equal_the_definition(n in smooth(), seed in any::<u64>()) {
            let mut state = seed | 1;
            let signal: Vec<i32> = (0..2 * n).map(|_| {
                state ^= state << 13; state ^= state >> 7; state ^= state << 17;
                (state >> 43) as i32 - (1 << 20)
            }).collect();
            let mut data: Vec<Complex> = signal.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
            let mut spare = std::vec![[0; 2]; n];
            let table = quarter(2 * n);
            transform(&mut data, &mut spare, Turn::new(&table));
            let total: f64 = signal.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            for k in 0..=n {
                let angle = |i: usize| -TAU * ((i * k) % (2 * n)) as f64 / (2 * n) as f64;
                let re: f64 = signal.iter().enumerate().map(|(i, &x)| f64::from(x) * angle(i).cos()).sum();
                let im: f64 = signal.iter().enumerate().map(|(i, &x)| f64::from(x) * angle(i).sin()).sum();
                let error = (power(&data, Turn::new(&table), k) as f64).sqrt() - re.hypot(im);
                prop_assert!(error.abs() < 1e-5 * total.sqrt(), "bin {} of {}: {}", k, n, error);
            }
        }
    }

    #[test]
    fn lengths() {
        assert!([1, 2, 240, 256, 320, 480, 15].iter().all(|&n| is_smooth(n)));
        assert!([0, 7, 14, 22, 242].iter().all(|&n| !is_smooth(n)));
    }
}
