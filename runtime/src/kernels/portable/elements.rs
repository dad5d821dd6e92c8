//! What is done element by element.

use crate::requantize::Shifter;

/// `(a · m₀ + b · m₁ + offset)`, requantized: the numbers of a weighted sum of two elements.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    /// Multipliers.
    pub multipliers: [i32; 2],
    /// What is added, with one half of the requantization for rounding.
    pub offset: i32,
    /// The requantization, for sums below 2^30.
    pub requantizer: Shifter,
}

impl Addition {
    /// The sum of two elements.
    #[inline(always)]
    pub fn apply(&self, a: i8, b: i8) -> i8 {
        let [ma, mb] = self.multipliers;
        let a = i32::from(a).wrapping_mul(ma).wrapping_add(self.offset);
        self.requantizer.apply_rounded(i32::from(b).wrapping_mul(mb).wrapping_add(a))
    }
}

/// Replaces each element of a row by its sum with an element of another.
pub fn add(addition: &Addition, row: &mut [i8], second: &[i8]) {
    let addition = *addition;
    for (a, &b) in row.iter_mut().zip(second) {
        *a = addition.apply(*a, b);
    }
}

/// Adds the values of pixels side by side to the sums of their channels.
#[inline]
pub fn add_up(sums: &mut [i32], pixels: &[i8]) {
    for pixel in pixels.chunks(sums.len().max(1)) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum = sum.wrapping_add(value.into()));
    }
}

/// Clamps elements.
#[inline]
pub fn clamp(min: i8, max: i8, elements: &mut [i8]) {
    let max = max.max(min);
    elements.iter_mut().for_each(|element| *element = (*element).clamp(min, max));
}

/// Copies a row to one of the same length.
#[inline]
pub fn copy(from: &[i8], to: &mut [i8]) {
    if from.len() == to.len() {
        to.copy_from_slice(from);
    }
}
