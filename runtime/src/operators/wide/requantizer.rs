//! Requantization from a 64-bit accumulator to an element of either type.

use crate::plan::{Element, ElementsMut};

/// Maps accumulators to elements: `clamp(zero_point + round_half_up(acc · m / 2^shift))`, rounded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WideRequantizer {
    element: Element,
    shift: u8,
    zero_point: i32,
    min: i32,
    max: i32,
}

impl WideRequantizer {
    /// Largest accepted shift: with `|acc · m| ≤ 2^62 + 2^60` the rounded product stays within 64 bits.
    pub const MAX_SHIFT: u8 = 62;

    /// A requantizer, or `None` unless `shift ≤ 62`, and bounds in order and zero point are elements of the type.
    pub fn new(element: Element, shift: u8, zero_point: i32, [min, max]: [i32; 2]) -> Option<Self> {
        let [least, most] = element.bounds();
        let valid = [zero_point, min, max].iter().all(|v| (least..=most).contains(v));
        (valid && shift <= Self::MAX_SHIFT && min <= max).then_some(Self { element, shift, zero_point, min, max })
    }

    /// `clamp(zero_point + round_half_up(acc · multiplier / 2^shift))`, for `|acc · multiplier| ≤ 2^62 + 2^60`.
    #[inline]
    pub fn apply(&self, acc: i64, multiplier: i32) -> i32 {
        // One half, which is nothing where the shift is 0.
        let half = 1i64.wrapping_shl(self.shift.into()) >> 1;
        let rounded = acc.wrapping_mul(multiplier.into()).wrapping_add(half).wrapping_shr(self.shift.into());
        rounded.wrapping_add(self.zero_point.into()).clamp(self.min.into(), self.max.max(self.min).into()) as i32
    }

    /// The row that elements are written to.
    #[inline]
    pub fn output<'a>(&self, row: &'a mut [i8]) -> ElementsMut<'a> {
        ElementsMut::new(row, self.element)
    }

    /// The type of the output's elements.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The zero point.
    pub fn zero_point(&self) -> i32 {
        self.zero_point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn apply_equals_the_definition(
            acc in -(1i64 << 38)..1 << 38, m in -(1i32 << 24)..1 << 24, shift in 0u8..=62, bounds in any::<[i16; 3]>(),
        ) {
            let [zero, a, b] = bounds.map(i32::from);
            let r = WideRequantizer::new(Element::Int16, shift, zero, [a.min(b), a.max(b)]).unwrap();
            let doubled = 2 * i128::from(acc) * i128::from(m) + (1i128 << shift);
            let rounded = doubled.div_euclid(1i128 << (shift + 1));
            let expected = (i128::from(zero) + rounded).clamp(a.min(b).into(), a.max(b).into());
            prop_assert_eq!(i128::from(r.apply(acc, m)), expected);
        }
    }

    #[test]
    fn rejects_what_it_cannot_compute() {
        let new = |element, shift, zero, bounds| WideRequantizer::new(element, shift, zero, bounds).is_some();
        assert!(new(Element::Int8, 62, -128, [-128, 127]) && new(Element::Int16, 0, 0, [-32768, 32767]));
        assert!(!new(Element::Int8, 63, 0, [-128, 127]));
        assert!(!new(Element::Int8, 1, 128, [-128, 127]));
        assert!(!new(Element::Int8, 1, 0, [-129, 127]));
        assert!(!new(Element::Int16, 1, 0, [1, 0]));
    }
}
