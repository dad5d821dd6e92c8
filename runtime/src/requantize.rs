//! Requantization: from an i32 accumulator to an int8 activation.

use crate::kernels::clamp;

/// Maps accumulators to int8: `clamp(zero_point + round_half_up(acc · m / 2^shift))`, rounded once.
///
/// This formula in 64-bit arithmetic is the definition that every kernel on every instruction set equals bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantizer {
    shift: u8,
    zero_point: i8,
    min: i8,
    max: i8,
}

impl Requantizer {
    /// Largest accepted shift: with `|acc| < 2^31` and `m < 2^31` the rounded product stays within 64 bits.
    pub const MAX_SHIFT: u8 = 62;

    /// A requantizer, or `None` unless `1 ≤ shift ≤ 62` and `-128 ≤ min ≤ max ≤ 127` and the zero point is an int8.
    pub fn new(shift: u8, zero_point: i32, min: i32, max: i32) -> Option<Self> {
        let [zero_point, min, max] = [i8::try_from(zero_point).ok()?, i8::try_from(min).ok()?, i8::try_from(max).ok()?];
        let valid = (1..=Self::MAX_SHIFT).contains(&shift) && min <= max;
        valid.then_some(Self { shift, zero_point, min, max })
    }

    /// `clamp(zero_point + round_half_up(acc · multiplier / 2^shift))`.
    #[inline(always)]
    pub fn apply(&self, acc: i32, multiplier: i32) -> i8 {
        let product = i64::from(acc).wrapping_mul(i64::from(multiplier));
        let half = 1i64.wrapping_shl(u32::from(self.shift).wrapping_sub(1));
        let rounded = product.wrapping_add(half).wrapping_shr(self.shift.into());
        rounded.wrapping_add(self.zero_point.into()).clamp(self.min.into(), self.max.max(self.min).into()) as i8
    }

    /// Clamps outputs to the bounds where these are narrower than int8.
    pub fn restrict(&self, out: &mut [i8]) {
        if self.restricts() {
            clamp(self.min, self.max, out);
        }
    }

    /// Whether the bounds are narrower than int8.
    pub fn restricts(&self) -> bool {
        (self.min, self.max) != (i8::MIN, i8::MAX)
    }

    /// The zero point.
    pub fn zero_point(&self) -> i32 {
        self.zero_point.into()
    }

    /// Whether [`high_word`] computes it, up to [`Requantizer::restrict`].
    pub fn is_high_word(&self) -> bool {
        self.shift == HIGH_WORD_SHIFT
    }

    /// Whether [`Requantizer::round_shift`] and [`Requantizer::unrestricted`] accept the shift.
    pub(crate) fn shifts_32_bits(&self) -> bool {
        self.shift <= 30
    }

    /// The same with a multiplier of one: `clamp(zero_point + round_half_up(acc / 2^shift))`, for `|acc| < 2^30` and
    /// `shift ≤ 30`.
    #[inline(always)]
    pub fn round_shift(&self, acc: i32) -> i8 {
        let Shifter { half, shift, zero_point } = self.unrestricted();
        let rounded = acc.wrapping_add(half) >> (shift & 31);
        rounded.saturating_add(zero_point).clamp(self.min.into(), self.max.max(self.min).into()) as i8
    }

    /// [`Requantizer::round_shift`] up to [`Requantizer::restrict`].
    pub fn unrestricted(&self) -> Shifter {
        let shift = u32::from(self.shift) & 31;
        Shifter { half: 1i32.wrapping_shl(shift.wrapping_sub(1)), shift, zero_point: self.zero_point.into() }
    }
}

/// `clamp(zero_point + round_half_up(acc / 2^shift))` over the whole int8 range, for `|acc| < 2^30` and `shift ≤ 30`.
#[derive(Clone, Copy, Debug)]
pub struct Shifter {
    half: i32,
    shift: u32,
    zero_point: i32,
}

impl Shifter {
    /// Maps an accumulator.
    #[inline(always)]
    pub fn apply(&self, acc: i32) -> i8 {
        self.apply_rounded(acc.wrapping_add(self.half))
    }

    /// Maps an accumulator to which [`Shifter::half`] has been added.
    #[inline(always)]
    pub fn apply_rounded(&self, acc: i32) -> i8 {
        (acc >> (self.shift & 31)).wrapping_add(self.zero_point).clamp(-128, 127) as i8
    }

    /// The shift.
    #[cfg(residua_mve)]
    pub(crate) fn shift(&self) -> u32 {
        self.shift
    }

    /// The zero point.
    #[cfg(residua_mve)]
    pub(crate) fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// One half, in units of the accumulator.
    pub fn half(&self) -> i32 {
        self.half
    }
}

/// Shift of the requantizations that [`high_word`] computes.
pub const HIGH_WORD_SHIFT: u8 = 24;
/// Largest multiplier of such a requantization: twice the high word still fits a word when it is rounded. Larger ones give no
/// other outputs: those of accumulators below 4 would be nearer to the same multiple of 128, all others are at the bounds.
pub const MOST_MULTIPLIER: i32 = i32::MAX - 511;

/// `clamp(zero_point + round_half_up(acc / 2^8 · multiplier / 2^24))` over the whole int8 range: the rounded high word of a
/// product (SMMLAR), for accumulators that carry 8 fraction bits.
#[inline(always)]
pub fn high_word(acc: i32, multiplier: i32, zero_point: i32) -> i8 {
    let product = i64::from(acc).wrapping_mul(multiplier.into());
    let high = (product.wrapping_add(1 << 31) >> 32) as i32;
    // Both are far from the bounds of an i32: the high word has 30 bits.
    high.wrapping_add(zero_point).clamp(-128, 127) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn definition(acc: i64, m: i64, s: u32, zp: i64, min: i64, max: i64) -> i64 {
        let rounded = (2 * i128::from(acc) * i128::from(m) + (1i128 << s)).div_euclid(1i128 << (s + 1));
        (i128::from(zp) + rounded).clamp(min.into(), max.into()) as i64
    }

    proptest! {
        #[test]
        fn apply_equals_the_definition(
            acc in any::<i32>(), m in 1i32..=i32::MAX, shift in 1u8..=62, zp in -128i32..=127,
            a in -128i32..=127, b in -128i32..=127,
        ) {
            let r = Requantizer::new(shift, zp, a.min(b), a.max(b)).unwrap();
            let expected = definition(acc.into(), m.into(), shift.into(), zp.into(), a.min(b).into(), a.max(b).into());
            prop_assert_eq!(i64::from(r.apply(acc, m)), expected);
        }

        #[test]
        fn high_word_is_apply_of_the_accumulator_without_fraction(
            acc in -(1i32 << 23)..1 << 23, m in 1i32..=i32::MAX, zp in -128i32..=127,
        ) {
            let r = Requantizer::new(HIGH_WORD_SHIFT, zp, -128, 127).unwrap();
            prop_assert_eq!(high_word(acc << 8, m, zp), r.apply(acc, m));
        }

        #[test]
        fn larger_multipliers_give_no_other_outputs(
            acc in prop_oneof![-9i32..9, -(1i32 << 23)..1 << 23], m in MOST_MULTIPLIER..=i32::MAX, zp in -128i32..=127,
        ) {
            prop_assert_eq!(high_word(acc << 8, m, zp), high_word(acc << 8, MOST_MULTIPLIER, zp));
        }

        #[test]
        fn a_shifter_is_apply_with_one(acc in -(1i32 << 29)..(1i32 << 29), shift in 1u8..=30, zp in -128i32..=127) {
            let r = Requantizer::new(shift, zp, -128, 127).unwrap();
            prop_assert_eq!(r.round_shift(acc), r.apply(acc, 1));
            prop_assert_eq!(r.unrestricted().apply(acc), r.apply(acc, 1));
        }
    }

    #[test]
    fn rejects_what_it_cannot_compute() {
        assert!(Requantizer::new(0, 0, -128, 127).is_none());
        assert!(Requantizer::new(63, 0, -128, 127).is_none());
        assert!(Requantizer::new(8, 128, -128, 127).is_none());
        assert!(Requantizer::new(8, 0, 1, 0).is_none());
    }
}
