//! Random types and numbers for the property tests.

use super::{Input, WideRequantizer};
use crate::plan::Element;
use proptest::prelude::*;

prop_compose! {
    /// A type.
    pub fn elements()(wide in any::<bool>()) -> Element {
        if wide { Element::Int16 } else { Element::Int8 }
    }
}

prop_compose! {
    /// An input of any type.
    pub fn inputs()(element in elements(), zero in any::<i8>()) -> Input {
        Input { element, zero_point: if element == Element::Int8 { zero.into() } else { 0 } }
    }
}

prop_compose! {
    /// A requantizer to any type, for accumulators of `bits` bits or fewer: outputs reach both bounds.
    pub fn requantizers(bits: u8)(output in inputs(), above in 0u8..10, upper in any::<bool>()) -> WideRequantizer {
        let shift = (bits + above).saturating_sub(output.element.bits()).min(62);
        let [min, max] = output.element.bounds();
        WideRequantizer::new(output.element, shift, output.zero_point, [if upper { min / 2 } else { min }, max]).unwrap()
    }
}
