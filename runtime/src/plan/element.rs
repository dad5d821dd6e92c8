//! Types of elements, and rows of either type.
//!
//! Rows are runs of bytes to the engine; only operators and those who hold inputs and outputs look inside.

/// Type of a value's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Element {
    /// One byte.
    #[default]
    Int8,
    /// Two bytes, low one first; the zero point is 0.
    Int16,
}

impl Element {
    /// The type of a code in [`ValueRecord::element`](super::format::ValueRecord::element).
    pub const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Int8),
            1 => Some(Self::Int16),
            _ => None,
        }
    }

    /// The code of the type.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
        }
    }

    /// Bits of an element.
    pub const fn bits(self) -> u8 {
        8 << self as u8
    }

    /// Smallest and largest element.
    pub const fn bounds(self) -> [i32; 2] {
        match self {
            Self::Int8 => [i8::MIN as i32, i8::MAX as i32],
            Self::Int16 => [i16::MIN as i32, i16::MAX as i32],
        }
    }
}

/// A run of elements of either type.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    bytes: &'a [i8],
    element: Element,
}

impl<'a> Elements<'a> {
    /// The elements in a row's bytes.
    #[inline]
    pub fn new(bytes: &'a [i8], element: Element) -> Self {
        Self { bytes, element }
    }

    /// Element `index`, or `None` past the last.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i32> {
        match self.element {
            Element::Int8 => self.bytes.get(index).map(|&value| value.into()),
            Element::Int16 => self.bytes.as_chunks().0.get(index).map(int16),
        }
    }

    /// `len` elements from `first` on; `None` where there are fewer.
    #[inline]
    pub fn run(&self, first: usize, len: usize) -> Option<Self> {
        let size = self.element.size();
        let start = first.checked_mul(size)?;
        let bytes = self.bytes.get(start..start.checked_add(len.checked_mul(size)?)?)?;
        Some(Self { bytes, ..*self })
    }

    /// All elements.
    pub fn iter(self) -> impl Iterator<Item = i32> + use<'a> {
        (0..).map_while(move |index| self.get(index))
    }

    /// Place and value of the largest element, the first where several are largest.
    pub fn largest(self) -> Option<(usize, i32)> {
        self.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The sum of products with weights; of `|weight · element| ≤ 2^22`.
    #[inline]
    pub fn dot(&self, weights: &[i8]) -> i64 {
        /// Products that 32 bits hold the sum of.
        const MOST: usize = 1 << 8;
        let mut total = 0i64;
        for (block, weights) in weights.chunks(MOST).enumerate() {
            let first = block.wrapping_mul(MOST);
            let mut sum = 0i32;
            let mut add = |value: i32, weight: i8| sum = sum.wrapping_add(value.wrapping_mul(weight.into()));
            match self.element {
                Element::Int8 => {
                    let values = self.bytes.get(first..).unwrap_or(&[]);
                    values.iter().zip(weights).for_each(|(&value, &weight)| add(value.into(), weight));
                }
                Element::Int16 => {
                    let values = self.bytes.as_chunks().0.get(first..).unwrap_or(&[]);
                    values.iter().zip(weights).for_each(|(value, &weight)| add(int16(value), weight));
                }
            }
            total = total.wrapping_add(sum.into());
        }
        total
    }
}

/// A run of elements of either type, to be written.
#[derive(Debug)]
pub struct ElementsMut<'a> {
    bytes: &'a mut [i8],
    element: Element,
}

impl<'a> ElementsMut<'a> {
    /// The elements in a row's bytes.
    #[inline]
    pub fn new(bytes: &'a mut [i8], element: Element) -> Self {
        Self { bytes, element }
    }

    /// Writes element `index`, if there is one; `value` lies in the type's bounds.
    #[inline]
    pub fn set(&mut self, index: usize, value: i32) {
        match self.element {
            Element::Int8 => {
                if let Some(out) = self.bytes.get_mut(index) {
                    *out = value as i8;
                }
            }
            Element::Int16 => {
                if let Some(out) = self.bytes.as_chunks_mut().0.get_mut(index) {
                    *out = (value as i16).to_le_bytes().map(|byte| byte as i8);
                }
            }
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self.element {
            Element::Int8 => self.bytes.len(),
            Element::Int16 => self.bytes.len() >> 1,
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[inline]
fn int16(&bytes: &[i8; 2]) -> i32 {
    i16::from_le_bytes(bytes.map(|byte| byte as u8)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(any::<i16>(), 0..20), wide in any::<bool>()) {
            let element = if wide { Element::Int16 } else { Element::Int8 };
            let [min, max] = element.bounds();
            let values: Vec<i32> = values.into_iter().map(|v| i32::from(v).clamp(min, max)).collect();
            let mut bytes = std::vec![0; values.len() * element.size()];
            let mut out = ElementsMut::new(&mut bytes, element);
            prop_assert_eq!(out.len(), values.len());
            values.iter().enumerate().for_each(|(index, &value)| out.set(index, value));
            prop_assert_eq!(Elements::new(&bytes, element).iter().collect::<Vec<_>>(), values);
        }

        #[test]
        fn dot_is_the_sum_of_products(
            pairs in proptest::collection::vec((any::<i8>(), any::<i8>(), any::<i8>()), 0..1000), wide in any::<bool>(),
        ) {
            let element = if wide { Element::Int16 } else { Element::Int8 };
            let bytes: Vec<i8> = pairs.iter().flat_map(|&(_, a, b)| [a, b]).take(pairs.len() * element.size()).collect();
            let weights: Vec<i8> = pairs.iter().map(|&(weight, ..)| weight).collect();
            let elements = Elements::new(&bytes, element);
            let expected: i64 = elements.iter().zip(&weights).map(|(v, &w)| i64::from(v) * i64::from(w)).sum();
            prop_assert_eq!(elements.dot(&weights), expected);
        }
    }

    #[test]
    fn codes_are_read_back() {
        for element in [Element::Int8, Element::Int16] {
            assert_eq!(Element::of(element.code()), Some(element));
        }
        assert_eq!(Element::of(2), None);
        assert_eq!((Element::Int8.bits(), Element::Int16.bits()), (8, 16));
    }
}
