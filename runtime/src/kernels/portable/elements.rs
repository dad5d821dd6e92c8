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
    let (rows, row) = row.as_chunks_mut::<2>();
    let (seconds, second) = second.as_chunks::<2>();
    for (a, b) in rows.iter_mut().zip(seconds) {
        a.iter_mut().zip(b).for_each(|(a, &b)| *a = addition.apply(*a, b));
    }
    row.iter_mut().zip(second).for_each(|(a, &b)| *a = addition.apply(*a, b));
}

/// Adds the values of pixels side by side to the sums of their channels.
#[inline(never)]
pub fn add_up(sums: &mut [i32], mut pixels: &[i8]) {
    loop {
        let len = sums.len().min(pixels.len());
        let Some(((pixel, rest), sums)) = pixels.split_at_checked(len).zip(sums.get_mut(..len)) else { return };
        if len == 0 {
            return;
        }
        let ((sums, sums_rest), (values, values_rest)) = (sums.as_chunks_mut::<4>(), pixel.as_chunks::<4>());
        for (sums, values) in sums.iter_mut().zip(values) {
            sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum = sum.wrapping_add(value.into()));
        }
        sums_rest.iter_mut().zip(values_rest).for_each(|(sum, &value)| *sum = sum.wrapping_add(value.into()));
        pixels = rest;
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
