//! Logistic function and hyperbolic tangent in integers, from one table, interpolated.

/// Bits of an argument's fraction.
pub(super) const ARGUMENT_BITS: u32 = 16;
/// Bits of an argument between two entries, which are 1/32 apart.
const STEP_BITS: u32 = 11;
/// Entries for arguments from 0 to 16.
const ENTRIES: usize = 513;
/// Largest argument; beyond it nothing changes in 16 bits.
const LARGEST: i64 = 16 << ARGUMENT_BITS;

/// `round((1 / (1 + e^(−k / 32)) − 1/2) · 2^16)`.
static TABLE: [u16; ENTRIES] = table();

const fn table() -> [u16; ENTRIES] {
    const ONE: u128 = 1 << 63;
    /// `e^(−1/32) · 2^63`.
    const DECAY: u128 = 8_939_598_712_059_420_229;
    let mut table = [0; ENTRIES];
    let mut rest = table.as_mut_slice();
    let mut power = ONE;
    while let Some((entry, others)) = rest.split_first_mut() {
        // (1 − e) / (1 + e) / 2 is what the logistic function is above one half.
        let sum = ONE.wrapping_add(power);
        let doubled = (ONE.wrapping_sub(power) << 16).wrapping_add(sum);
        if let Some(rounded) = doubled.checked_div(sum << 1) {
            *entry = rounded as u16;
        }
        power = power.wrapping_mul(DECAY) >> 63;
        rest = others;
    }
    table
}

/// `(1 / (1 + e^−x) − 1/2) · 2^16`, an odd function; `x` has [`ARGUMENT_BITS`] bits of fraction.
#[inline]
fn above_half(x: i64) -> i32 {
    let place = x.unsigned_abs().min(LARGEST as u64) as u32;
    let (index, fraction) = (place >> STEP_BITS, place & ((1 << STEP_BITS) - 1));
    let entry = |index: u32| i32::from(TABLE.get(index as usize).copied().unwrap_or(0));
    let own = entry(index);
    // Entries are at most 2^9 apart.
    let slope = if fraction > 0 { entry(index.wrapping_add(1)).wrapping_sub(own) } else { 0 };
    let half = 1 << (STEP_BITS - 1);
    let value = own.wrapping_add(slope.wrapping_mul(fraction as i32).wrapping_add(half) >> STEP_BITS);
    if x < 0 { value.wrapping_neg() } else { value }
}

/// The logistic function, from 0 to 2^16.
#[inline]
pub(super) fn sigmoid(x: i64) -> i32 {
    above_half(x).wrapping_add(1 << 15)
}

/// The hyperbolic tangent, from −2^15 to 2^15; of `|x| < 2^62`.
#[inline]
pub(super) fn tanh(x: i64) -> i32 {
    above_half(x.wrapping_mul(2))
}

/// The definition of both: every entry counts by its distance.
pub(super) mod reference {
    use super::{LARGEST, STEP_BITS, TABLE};

    fn above_half(x: i64) -> i64 {
        let place = x.abs().min(LARGEST);
        let unit = 1i64 << STEP_BITS;
        let weight = |k: usize| unit.wrapping_sub((k as i64).wrapping_mul(unit).wrapping_sub(place).abs()).max(0);
        let terms = TABLE.iter().enumerate().map(|(k, &entry)| i64::from(entry).wrapping_mul(weight(k)));
        let value = terms.sum::<i64>().wrapping_add(unit >> 1) >> STEP_BITS;
        x.signum().wrapping_mul(value)
    }

    pub fn sigmoid(x: i64) -> i64 {
        above_half(x).wrapping_add(1 << 15)
    }

    pub fn tanh(x: i64) -> i64 {
        above_half(x.wrapping_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Between entries a curve leaves its chord by an eighth of its second derivative, at most 0.097, times 1/32². Entry and
        // result are rounded, to less than a whole unit together.
        #[test]
        fn both_are_near_the_real_functions(x in -20i64 << 16..20 << 16) {
            let real = x as f64 / 65536.0;
            prop_assert!((f64::from(sigmoid(x)) / 65536.0 - 1.0 / (1.0 + (-real).exp())).abs() < 1.2e-5 + 1.0 / 65536.0);
            prop_assert!((f64::from(tanh(x)) / 32768.0 - real.tanh()).abs() < 2.4e-5 + 1.0 / 32768.0);
        }

        #[test]
        fn both_equal_their_definition(x in -20i64 << 16..20 << 16) {
            prop_assert_eq!(i64::from(sigmoid(x)), reference::sigmoid(x));
            prop_assert_eq!(i64::from(tanh(x)), reference::tanh(x));
        }
    }

    #[test]
    fn ends_are_flat() {
        for x in [LARGEST, LARGEST + 1, 1 << 61] {
            assert_eq!((sigmoid(x), sigmoid(-x)), (1 << 16, 0));
            assert_eq!((tanh(x), tanh(-x)), (1 << 15, -(1 << 15)));
        }
        assert_eq!((sigmoid(0), tanh(0)), (1 << 15, 0));
    }
}
