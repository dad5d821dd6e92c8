//! Natural logarithm in fixed point.

use super::FRACTION_BITS;

/// ln 2 in Q30.
const LN_2: i64 = 744_261_118;

/// `ln(value · 2^exponent)` with [`FRACTION_BITS`] fraction bits; `value` is positive.
///
/// The binary logarithm comes bit by bit from repeated squaring of the mantissa.
pub fn ln(value: u64, exponent: i32) -> i32 {
    const BITS: u32 = 24;
    let zeros = value.leading_zeros();
    // Mantissa in [1, 2) as Q31.
    let mut mantissa = ((value << (zeros & 63)) >> 32) & 0xFFFF_FFFF;
    let mut log2 = i64::from(63u32.wrapping_sub(zeros) as i32).wrapping_add(exponent.into());
    for _ in 0..BITS {
        mantissa = mantissa.wrapping_mul(mantissa) >> 31;
        log2 <<= 1;
        if mantissa >> 32 != 0 {
            mantissa >>= 1;
            log2 |= 1;
        }
    }
    // log2 is Q24, the product Q54.
    let shift = BITS.wrapping_add(30).wrapping_sub(FRACTION_BITS);
    (log2.wrapping_mul(LN_2).wrapping_add(1 << shift.wrapping_sub(1)) >> shift) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn close_to_the_real_logarithm(value in 1u64.., exponent in -200i32..200) {
            let real = (value as f64).ln() + f64::from(exponent) * std::f64::consts::LN_2;
            prop_assert!((f64::from(ln(value, exponent)) / 65536.0 - real).abs() < 2e-5);
        }
    }
}
