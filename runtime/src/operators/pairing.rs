//! How elements of a second input pair with those of the first.

use super::geometry::Geometry;
use crate::plan::format::ValueRecord;

/// Axes along which the second input has the size of the first; along the others it has size 1, and its element serves all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// Rows.
    pub rows: bool,
    /// Columns.
    pub columns: bool,
    /// Channels.
    pub channels: bool,
    /// Channels of the first input.
    channels_in: usize,
}

impl Pairing {
    /// The pairing of two values, or `None` where a size of the second is neither 1 nor that of the first.
    pub(crate) fn of(first: &ValueRecord, second: &ValueRecord) -> Option<Self> {
        let axis = |first: u32, second: u32| match second {
            s if s == first => Some(true),
            1 => Some(false),
            _ => None,
        };
        Some(Self {
            rows: axis(first.rows, second.rows)?,
            columns: axis(first.columns.into(), second.columns.into())?,
            channels: axis(first.channels.into(), second.channels.into())?,
            channels_in: first.channels.into(),
        })
    }

    /// Whether the second input has all rows, columns and channels of the first.
    pub(crate) fn is_whole(&self) -> bool {
        self.rows && self.columns && self.channels
    }

    /// Writes `f(a, b)` for each element `a` of a row of the first input.
    #[inline(always)]
    pub(crate) fn for_each(&self, first: &[i8], second: &[i8], out: &mut [i8], f: impl Fn(i8, i8) -> i8) {
        if self.columns && self.channels {
            for ((out, &a), &b) in out.iter_mut().zip(first).zip(second) {
                *out = f(a, b);
            }
        } else {
            self.for_each_of_fewer(first, second, out, &f);
        }
    }

    /// [`Pairing::for_each`] where the second input is narrower.
    #[inline(never)]
    fn for_each_of_fewer(&self, first: &[i8], second: &[i8], out: &mut [i8], f: &dyn Fn(i8, i8) -> i8) {
        let channels = self.channels_in.max(1);
        let pixels = out.chunks_exact_mut(channels).zip(first.chunks_exact(channels));
        for (x, (out, a)) in pixels.enumerate() {
            let x = if self.columns { x } else { 0 };
            for (c, (out, &a)) in out.iter_mut().zip(a).enumerate() {
                let at = if self.channels { c } else { x };
                *out = f(a, second.get(at).copied().unwrap_or(0));
            }
        }
    }

    /// Calls `f` with the places of each pair in their rows, for a row of the first input of `columns` columns.
    pub(crate) fn places(&self, columns: u32, mut f: impl FnMut(usize, usize)) {
        let depth = if self.channels { self.channels_in } else { 1 };
        let mut first = 0usize;
        for x in 0..columns as usize {
            let pixel = if self.columns { x.wrapping_mul(depth) } else { 0 };
            for c in 0..self.channels_in {
                f(first, if self.channels { pixel.wrapping_add(c) } else { pixel });
                first = first.wrapping_add(1);
            }
        }
    }

    /// The element of a whole second tensor that pairs with element `index` of the first.
    pub(crate) fn reference(&self, geometry: &Geometry, second: &[i8], index: usize) -> i8 {
        second.get(self.place(geometry, index)).copied().unwrap_or(0)
    }

    /// The place, in a whole second tensor, of what pairs with element `index` of the first.
    pub(crate) fn place(&self, geometry: &Geometry, index: usize) -> usize {
        let (width, channels) = (geometry.columns_in as usize, geometry.channels_in);
        let pixel = index.checked_div(channels).unwrap_or(0);
        let c = index.wrapping_sub(pixel.wrapping_mul(channels));
        let y = pixel.checked_div(width).unwrap_or(0);
        let x = pixel.wrapping_sub(y.wrapping_mul(width));
        let own = |axis: bool, position: usize| if axis { position } else { 0 };
        let columns = if self.columns { width } else { 1 };
        let depth = if self.channels { channels } else { 1 };
        let row = own(self.rows, y).wrapping_mul(columns);
        row.wrapping_add(own(self.columns, x)).wrapping_mul(depth).wrapping_add(own(self.channels, c))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        /// Any pairing; the number of channels is set by [`second_len`].
        pub fn pairings()(rows in any::<bool>(), columns in any::<bool>(), channels in any::<bool>()) -> Pairing {
            Pairing { rows, columns, channels, channels_in: 0 }
        }
    }

    impl Pairing {
        /// The pairing for a first input of these shapes.
        pub fn with(self, geometry: &Geometry) -> Self {
            Self { channels_in: geometry.channels_in, ..self }
        }
    }

    /// Elements of the second input, and of one of its rows.
    pub fn second_len(geometry: &Geometry, pairing: &Pairing) -> (usize, usize) {
        let columns = if pairing.columns { geometry.columns_in as usize } else { 1 };
        let row = columns * if pairing.channels { geometry.channels_in } else { 1 };
        (row * if pairing.rows { geometry.rows_in as usize } else { 1 }, row)
    }
}
