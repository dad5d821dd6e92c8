//! A plan's input and output in the terms of the model that it was compiled from.
//!
//! A plan knows rows, columns and channels; people's data come in the shape and order that the model declared. The
//! compiler notes both in the plan's provenance, under [`INPUT_KEY`] and [`OUTPUT_KEY`]:
//!
//! ```text
//! input: shape 1,3,32,32 strides 32,1,1024
//! ```
//!
//! The strides of rows, columns and channels say where in the declared order an element of the plan's lies. A plan without
//! such a line is taken as it is: batch 1, rows, columns, channels.
//!
//! A stream plan has the model's ports too: those of one window. [`Port::with_rows`] is a port of any length.

use crate::qgraph::QValue;
use crate::quantize::code;
use crate::stream::Timing;
use residua::plan::{Plan, Tensor};
use residua_models::inputs::Part;

/// Provenance key of one of several inputs, by the place of its first element.
pub fn part_key(start: usize) -> String {
    format!("{INPUT_KEY}.{start}")
}

/// Provenance key of the input.
pub const INPUT_KEY: &str = "input";
/// Provenance key of the (first) output.
pub const OUTPUT_KEY: &str = "output";

/// One end of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Shape that the model declares, batch 1 first where it has one.
    pub declared: Vec<usize>,
    /// Where element `[row, column, channel]` lies in the declared order: strides of the three axes.
    pub strides: [usize; 3],
    /// Rows, columns, channels, scale and zero point.
    pub value: QValue,
    /// The inputs that come together in this one, where there are several, with the places of their first elements.
    pub parts: Vec<(usize, Port)>,
}

impl Port {
    /// The plan's input.
    pub fn input(plan: &Plan<'_>) -> Self {
        let mut port = Self::of(plan, INPUT_KEY, plan.input(), |timing| timing.window);
        let code = code("Part");
        let steps = (0..plan.step_count()).filter_map(|index| plan.step(index)).filter(|step| step.operator == code);
        for step in steps {
            let Some(tensor) = plan.value(step.output).map(Tensor::from) else { continue };
            let Ok(start) = usize::try_from(step.first_parameter) else { continue };
            let mut part = Self::of(plan, &part_key(start), tensor, |timing| timing.window);
            part.value.name = part_name(plan, start);
            port.parts.push((start, part));
        }
        port
    }

    /// The plan's (first) output.
    pub fn output(plan: &Plan<'_>) -> Self {
        Self::of(plan, OUTPUT_KEY, plan.output(), |timing| timing.outputs)
    }

    fn of(plan: &Plan<'_>, key: &str, tensor: Tensor, window: fn(&Timing) -> u32) -> Self {
        let rows = Timing::of_plan(plan).map_or(tensor.rows, |timing| window(&timing));
        let shape = [rows, tensor.columns, tensor.channels].map(|size| size as usize);
        let value = QValue {
            name: key.into(),
            shape,
            element: tensor.element,
            scale: f32::from_bits(tensor.scale_bits),
            zero_point: tensor.zero_point.clamp(-128, 127) as i8,
        };
        let noted = provenance(plan, key).and_then(|note| parse(note, shape));
        let [rows, columns, channels] = shape;
        let (declared, strides) =
            noted.unwrap_or_else(|| (vec![1, rows, columns, channels], [columns * channels, channels, 1]));
        Self { declared, strides, value, parts: vec![] }
    }

    /// Names, shapes and places of several inputs.
    pub fn named_parts(&self) -> Vec<Part> {
        let part = |(start, port): &(usize, Port)| Part {
            name: port.value.name.clone(),
            shape: port.declared.clone(),
            start: *start,
        };
        self.parts.iter().map(part).collect()
    }

    /// The port for another number of rows: the dimension along which they lie has another size. Where the model has a single
    /// row, rows come in front of what it declares for one.
    pub fn with_rows(&self, rows: usize) -> Self {
        let [window, columns, channels] = self.value.shape;
        let mut port = self.clone();
        port.value.shape[0] = rows;
        if window == 1 {
            let item = self.declared.strip_prefix(&[1]).unwrap_or(&self.declared);
            port.declared = [&[1, rows], item].concat();
            port.strides[0] = columns * channels;
            return port;
        }
        let stride = self.strides[0];
        let mut inside = 1;
        for dim in port.declared.iter_mut().rev() {
            let size = *dim;
            if (inside..inside * size).contains(&stride) {
                *dim = size / window * rows;
                break;
            }
            inside *= size;
        }
        port.strides.iter_mut().filter(|other| **other > stride).for_each(|other| *other = *other / window * rows);
        port
    }

    /// Elements in row order from elements in declared order.
    ///
    /// # Panics
    /// If there are fewer elements than the port has.
    pub fn to_rows<T: Copy>(&self, declared: &[T]) -> Vec<T> {
        self.places().map(|place| declared[place]).collect()
    }

    /// Elements in declared order from elements in row order.
    ///
    /// # Panics
    /// If there are fewer elements than the port has.
    pub fn from_rows<T: Copy + Default>(&self, rows: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.len()];
        self.places().zip(rows).for_each(|(place, &element)| out[place] = element);
        out
    }

    /// Real numbers in declared order from the bytes of rows.
    pub fn dequantize(&self, rows: &[i8]) -> Vec<f32> {
        self.from_rows(&self.value.decode(rows))
    }

    /// The bytes of rows from real numbers in declared order.
    pub fn quantize(&self, declared: &[f32]) -> Vec<i8> {
        if self.parts.is_empty() {
            return self.value.encode(self.places().map(|place| declared[place]));
        }
        let size = self.value.element.size();
        let mut bytes = vec![0; self.len() * size];
        for (start, part) in &self.parts {
            let codes = part.quantize(&declared[*start..]);
            bytes[start * size..][..codes.len()].copy_from_slice(&codes);
        }
        bytes
    }

    fn len(&self) -> usize {
        self.value.shape.iter().product()
    }

    /// Places in declared order, in row order.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let ([rows, columns, channels], strides) = (self.value.shape, self.strides);
        (0..rows).flat_map(move |r| {
            (0..columns).flat_map(move |c| (0..channels).map(move |k| r * strides[0] + c * strides[1] + k * strides[2]))
        })
    }
}

/// The note that the compiler leaves.
pub fn note(declared: &[usize], strides: [usize; 3]) -> String {
    let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    format!("shape {} strides {}", list(declared), list(&strides))
}

/// The note for one of several inputs.
pub fn part_note(name: &str, declared: &[usize], strides: [usize; 3]) -> String {
    format!("{} {NAMED} {name}", note(declared, strides))
}

/// What stands before the name in the note of one of several inputs.
const NAMED: &str = "name";

/// The name of one of several inputs.
fn part_name(plan: &Plan<'_>, start: usize) -> String {
    let note = provenance(plan, &part_key(start)).and_then(|note| note.split_once(&format!(" {NAMED} ")));
    note.map_or(String::new(), |(_, name)| name.to_string())
}

/// The value of a provenance line.
pub fn provenance<'p>(plan: &Plan<'p>, key: &str) -> Option<&'p str> {
    plan.provenance().lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

/// A note's shape and strides, if they are an order of the plan's elements.
fn parse(note: &str, sizes: [usize; 3]) -> Option<(Vec<usize>, [usize; 3])> {
    let note = note.split_once(&format!(" {NAMED} ")).map_or(note, |(note, _)| note);
    let (shape, strides) = note.strip_prefix("shape ")?.split_once(" strides ")?;
    let numbers = |list: &str| list.split(',').map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>();
    let (shape, strides) = (numbers(shape)?, <[usize; 3]>::try_from(numbers(strides)?).ok()?);
    let total = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    // From the innermost axis outwards, each stride is the number of elements further in.
    let mut axes: Vec<_> = strides.into_iter().zip(sizes).filter(|&(_, size)| size > 1).collect();
    axes.sort_unstable();
    let mut inside = 1usize;
    for (stride, size) in axes {
        if stride != inside {
            return None;
        }
        inside = inside.checked_mul(size)?;
    }
    (inside == total).then_some((shape, strides))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use residua::plan::Element;

    #[test]
    fn notes_are_read_back_and_nonsense_is_not() {
        let sizes = [32, 30, 3];
        let of = |declared: &[usize], strides| parse(&note(declared, strides), sizes);
        assert_eq!(of(&[1, 3, 32, 30], [30, 1, 960]), Some((vec![1, 3, 32, 30], [30, 1, 960])));
        assert_eq!(of(&[1, 3, 32, 31], [30, 1, 960]), None);
        assert_eq!(of(&[1, 3, 32, 30], [30, 1, 961]), None);
        assert_eq!(of(&[1, 3, 32, 30], [1, 1, 1]), None);
        assert_eq!(of(&[usize::MAX, 2], [30, 1, 960]), None);
        for note in ["", "shape 1,2", "shape 1 strides 1", "shape a strides 1,2,3", "shape 1 strides 1,2,3,4"] {
            assert_eq!(parse(note, sizes), None, "{note}");
        }
    }

    #[test]
    fn ports_of_other_lengths() {
        let port = |declared: &[usize], shape: [usize; 3], strides| Port {
            declared: declared.to_vec(),
            strides,
            value: QValue { name: String::new(), shape, element: Element::Int8, scale: 1.0, zero_point: 0 },
            parts: vec![],
        };
        let longer = |declared, shape, strides| {
            let port = port(declared, shape, strides).with_rows(7);
            assert_eq!(port.value.shape[0], 7);
            (port.declared, port.strides)
        };
        assert_eq!(longer(&[1, 1, 101, 40], [101, 40, 1], [40, 1, 4040]), (vec![1, 1, 7, 40], [40, 1, 280]));
        assert_eq!(longer(&[1, 40, 98], [98, 1, 40], [1, 0, 98]), (vec![1, 40, 7], [1, 0, 7]));
        assert_eq!(longer(&[1, 64, 29], [64, 1, 29], [29, 0, 1]), (vec![1, 7, 29], [29, 0, 1]));
        assert_eq!(longer(&[1, 3, 32, 30], [32, 30, 3], [30, 1, 960]), (vec![1, 3, 7, 30], [30, 1, 210]));
        assert_eq!(longer(&[1, 120], [4, 10, 3], [30, 3, 1]), (vec![1, 210], [30, 3, 1]));
        assert_eq!(longer(&[1, 12], [1, 1, 12], [0, 0, 1]), (vec![1, 7, 12], [12, 0, 1]));
        assert_eq!(longer(&[12], [1, 1, 12], [0, 0, 1]), (vec![1, 7, 12], [12, 0, 1]));
    }

    proptest! {
        #[test]
        fn orders_invert_each_other(rows in 1usize..5, columns in 1usize..5, channels in 1usize..5, first in any::<bool>()) {
            let strides = if first { [columns, 1, rows * columns] } else { [columns * channels, channels, 1] };
            let value = QValue { name: String::new(), shape: [rows, columns, channels], element: Element::Int8, scale: 1.0, zero_point: 0 };
            let port = Port { declared: vec![], strides, value, parts: vec![] };
            let declared: Vec<f32> = (0..rows * columns * channels).map(|i| i as f32).collect();
            let quantized = port.quantize(&declared);
            prop_assert_eq!(port.dequantize(&quantized), declared.clone());
            prop_assert_eq!(port.from_rows(&port.to_rows(&declared)), declared);
        }
    }
}
