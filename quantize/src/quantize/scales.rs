//! Scale and zero point of each value.

use super::Statistics;
use crate::lower::{RowGraph, RowOperator};
use crate::qgraph::QValue;
use residua::plan::Element;
use residua_models::recurrence::Gives;

/// Scale and zero point of each value.
pub(crate) fn activations(rows: &RowGraph, statistics: &[Statistics]) -> Vec<QValue> {
    let mut values: Vec<QValue> = rows
        .values
        .iter()
        .zip(statistics)
        .map(|(value, seen)| {
            let element = if value.quantization.is_some() { Element::Int8 } else { seen.element };
            let (scale, zero_point) = value.quantization.unwrap_or_else(|| match element {
                Element::Int8 => asymmetric(seen.range),
                Element::Int16 => (symmetric(seen.extremes), 0),
            });
            QValue { name: value.name.clone(), shape: value.shape, element, scale, zero_point }
        })
        .collect();
    for node in &rows.nodes {
        match &node.operator {
            RowOperator::Softmax => {
                let output = &mut values[node.output];
                (output.scale, output.zero_point) = match output.element {
                    Element::Int8 => (1.0 / 256.0, -128),
                    Element::Int16 => (1.0 / 32768.0, 0),
                };
            }
            // A hidden state lies between −1 and 1.
            RowOperator::Recurrence { recurrence, .. }
                if recurrence.gives != Gives::Memory && values[node.output].element == Element::Int16 =>
            {
                values[node.output].scale = 1.0 / 32768.0;
            }
            // These move elements and leave them as they are.
            operator if operator.keeps_elements() => {
                take_numbers(&mut values, node.output, node.inputs[0]);
            }
            _ => {}
        }
    }
    for node in rows.nodes.iter().rev().filter(|n| n.operator == RowOperator::Concat) {
        let (part, whole) = (node.inputs[0], node.output);
        if rows.values[part].source == rows.values[whole].source {
            take_numbers(&mut values, part, whole);
        }
    }
    values
}

/// Makes a value's numbers mean what those of another one do.
fn take_numbers(values: &mut [QValue], value: usize, other: usize) {
    let QValue { element, scale, zero_point, .. } = values[other];
    let value = &mut values[value];
    (value.element, value.scale, value.zero_point) = (element, scale, zero_point);
}

/// int16 scale for elements between two extremes: with room for as much again, since one bit costs less than what would be
/// cut off of inputs beyond those seen.
pub fn symmetric([min, max]: [f32; 2]) -> f32 {
    let scale = (2.0 * f64::from(min.abs().max(max.abs())) / 32767.0) as f32;
    // A value that is always zero keeps a harmless scale.
    if scale < f32::MIN_POSITIVE { 1.0 } else { scale }
}

/// int8 scale and zero point for a range; zero is exact.
pub fn asymmetric([min, max]: [f32; 2]) -> (f32, i8) {
    let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
    let scale = ((max - min) / 255.0) as f32;
    // A value that is always zero keeps a harmless scale.
    if scale < f32::MIN_POSITIVE {
        return (1.0, 0);
    }
    let zero_point = (-128.0 - min / f64::from(scale)).round().clamp(-128.0, 127.0);
    (scale, zero_point as i8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zero_is_exact_and_the_range_is_covered(min in -1e4f32..0.0, max in 0.0f32..1e4) {
            prop_assume!(max - min > 1e-3);
            let (scale, zero_point) = asymmetric([min, max]);
            let value = QValue { name: String::new(), shape: [1; 3], element: Element::Int8, scale, zero_point };
            prop_assert_eq!(value.dequantize(value.quantize(0.0)), 0.0);
            for real in [min, max, (min + max) / 2.0] {
                prop_assert!((value.dequantize(value.quantize(real)) - real).abs() <= scale * 1.01);
            }
        }
    }
}
