//! The weighted sum of two elements of different scales.

use crate::kernels::{Addition, add};
use crate::requantize::Requantizer;

/// Multipliers are at most this in size, so that the sum of both products stays below 2^30.
pub(super) const MAX_MULTIPLIER: i32 = 1 << 21;

/// `clamp(zero_point + round_half_up(((a − za) · ma + (b − zb) · mb) / 2^shift))`.
///
/// A negative multiplier subtracts. Both inputs are brought to one fixed-point scale and rounded once, as in HAWQ-V3 (Yao et
/// al., 2021).
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    zero_points: [i8; 2],
    multipliers: [i32; 2],
    /// What both zero points add to the products, with one half for rounding.
    offset: i32,
    requantizer: Requantizer,
}

impl Sum {
    /// A sum; `None` unless the shift is at most 30 and both multipliers lie in `−2^21..=2^21`.
    #[inline(always)]
    pub fn new(zero_points: [i8; 2], multipliers: [i32; 2], requantizer: Requantizer) -> Option<Self> {
        let bounded = multipliers.iter().all(|m| (-MAX_MULTIPLIER..=MAX_MULTIPLIER).contains(m));
        let ([za, zb], [ma, mb]) = (zero_points.map(i32::from), multipliers);
        let zero = za.wrapping_mul(ma).wrapping_add(zb.wrapping_mul(mb));
        let offset = requantizer.unrestricted().half().wrapping_sub(zero);
        (bounded && requantizer.shifts_32_bits()).then_some(Self { zero_points, multipliers, offset, requantizer })
    }

    /// The sum of two elements, up to [`Sum::restrict`].
    #[inline(always)]
    pub(super) fn unrestricted(&self) -> impl Fn(i8, i8) -> i8 + use<> {
        let addition = self.addition();
        move |a, b| addition.apply(a, b)
    }

    fn addition(&self) -> Addition {
        let requantizer = self.requantizer.unrestricted();
        Addition { multipliers: self.multipliers, offset: self.offset, requantizer }
    }

    /// Replaces each element `a` of a row by its sum with `b`.
    #[inline(never)]
    pub(super) fn add_to(&self, row: &mut [i8], second: &[i8]) {
        add(&self.addition(), row, second);
        self.restrict(row);
    }

    /// Clamps sums to the bounds where these are narrower than int8.
    pub(super) fn restrict(&self, out: &mut [i8]) {
        self.requantizer.restrict(out);
    }

    /// The definition.
    pub(super) fn reference(&self, a: i8, b: i8) -> i8 {
        let ([za, zb], [ma, mb]) = (self.zero_points.map(i64::from), self.multipliers.map(i64::from));
        let a = i64::from(a).wrapping_sub(za).wrapping_mul(ma);
        let b = i64::from(b).wrapping_sub(zb).wrapping_mul(mb);
        self.requantizer.apply(a.wrapping_add(b) as i32, 1)
    }
}
