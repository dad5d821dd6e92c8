//! Which axis of the row form each dimension of a graph value is.

use super::RowValue;
use residua_models::graph::{Graph, Operator, Tensor, ValueId};
use std::collections::HashSet;

/// An axis of the row form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Row,
    Column,
    Channel,
}

/// For each dimension the axes that it runs over, outermost first; none for dimensions of size 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout(Vec<Vec<Axis>>);

impl Layout {
    /// `[1, channels, rows, columns]`.
    pub fn image() -> Self {
        Self::image_of([Axis::Row, Axis::Column])
    }

    /// `[1, channels, height, width]`, height and width being these axes.
    pub fn image_of([height, width]: [Axis; 2]) -> Self {
        Self(vec![vec![], vec![Axis::Channel], vec![height], vec![width]])
    }

    /// The axes of height and width, where this is `[1, channels, height, width]`: rows and columns, or the other way.
    pub fn image_axes(&self) -> Option<[Axis; 2]> {
        let fits = |axes: &[Axis; 2]| {
            let within = |d: usize, axis: Axis| self.0[d].iter().all(|&a| a == axis);
            let [height, width] = *axes;
            self.0[0].is_empty() && within(1, Axis::Channel) && within(2, height) && within(3, width)
        };
        let both = [[Axis::Row, Axis::Column], [Axis::Column, Axis::Row]];
        if self.0.len() == 4 { both.into_iter().find(fits) } else { None }
    }

    /// A layout for a shape of which nothing is known: channels second, then rows, then columns; for a sequence, whose steps come
    /// first, rows, then columns, and the channels last.
    pub fn default_of(shape: &[usize]) -> Self {
        if shape.first().is_some_and(|&steps| steps > 1) {
            let axes = [Axis::Row, Axis::Column];
            let wide = (0..shape.len().saturating_sub(1)).filter(|&d| shape[d] > 1);
            let mut dims = vec![vec![]; shape.len()];
            wide.zip(axes).for_each(|(d, axis)| dims[d] = vec![axis]);
            return Self(dims).with_last(Axis::Channel);
        }
        let axes = [Axis::Channel, Axis::Row, Axis::Column];
        let dims = (0..shape.len()).map(|d| match d.checked_sub(1).and_then(|d| axes.get(d)) {
            Some(&axis) => vec![axis],
            None => vec![],
        });
        Self(dims.collect())
    }

    /// Channels on the last dimension, nothing on the others.
    pub fn channels_last(rank: usize, _flat: bool) -> Self {
        let mut dims = vec![vec![]; rank];
        if let Some(last) = dims.last_mut() {
            *last = vec![Axis::Channel];
        }
        Self(dims)
    }

    /// The same with another axis on the last dimension.
    pub fn with_last(&self, axis: Axis) -> Self {
        let mut dims = self.0.clone();
        if let Some(last) = dims.last_mut() {
            *last = vec![axis];
        }
        Self(dims)
    }

    /// Whether this is `[1, channels, rows, columns]`; dimensions of size 1 may be any axis.
    pub fn is_image(&self) -> bool {
        self.image_axes() == Some([Axis::Row, Axis::Column])
    }

    /// The same with a dimension of size 1.
    pub fn without(&self, dimension: usize) -> Self {
        let mut dims = self.0.clone();
        if let Some(axes) = dims.get_mut(dimension) {
            axes.clear();
        }
        Self(dims)
    }

    /// Whether a dimension, and no other, is the channels.
    pub fn is_only_channels(&self, dimension: usize) -> bool {
        self.0.get(dimension).is_some_and(|d| *d == [Axis::Channel])
    }

    /// Whether two layouts are the same on the dimensions for which a condition holds.
    pub fn agrees_where(&self, other: &Self, condition: impl Fn(usize) -> bool) -> bool {
        let dims = self.0.iter().zip(&other.0).enumerate();
        self.0.len() == other.0.len() && dims.into_iter().all(|(d, (a, b))| !condition(d) || a == b)
    }

    /// Whether this is `[1, channels, rows and columns]`.
    pub fn is_pixels_of_channels(&self) -> bool {
        self.0 == [vec![], vec![Axis::Channel], vec![Axis::Row, Axis::Column]]
    }

    /// Whether this is `[1, rows and columns, channels, 1]`.
    pub fn is_channels_of_pixels(&self) -> bool {
        self.0 == [vec![], vec![Axis::Row, Axis::Column], vec![Axis::Channel], vec![]]
    }

    /// The axis that a dimension runs over: the rows where it is of size 1; `None` where it runs over several, or the channels.
    pub fn spatial(&self, dimension: usize) -> Option<Axis> {
        match self.0.get(dimension)?[..] {
            [] => Some(Axis::Row),
            [axis] if axis != Axis::Channel => Some(axis),
            _ => None,
        }
    }

    /// The same with another axis, or none, on a dimension.
    pub fn with(&self, dimension: usize, axis: Option<Axis>) -> Self {
        let mut dims = self.0.clone();
        dims[dimension] = axis.into_iter().collect();
        Self(dims)
    }

    /// Whether a dimension is the channels and no other axis.
    pub fn is_channel(&self, dimension: usize) -> bool {
        self.0.get(dimension).is_some_and(|d| d.iter().all(|&a| a == Axis::Channel))
    }

    /// Whether a dimension runs over the channels.
    pub fn has_channels(&self, dimension: usize) -> bool {
        self.0.get(dimension).is_some_and(|d| d.contains(&Axis::Channel))
    }

    /// Rows, columns, channels of a value of this shape; axes that share a dimension are as long as they are in `like`.
    pub fn sizes(&self, shape: &[usize], like: [usize; 3]) -> [usize; 3] {
        let size = |axis: Axis| {
            let mut dims = self.0.iter().zip(shape).filter(|(d, _)| d.contains(&axis));
            dims.next().map_or(1, |(d, &size)| if d.len() == 1 { size } else { like[axis as usize] })
        };
        [size(Axis::Row), size(Axis::Column), size(Axis::Channel)]
    }

    /// Strides of rows, columns, channels in a value's elements, for a layout of several axes a dimension too; `sizes` are
    /// rows, columns, channels.
    pub fn axis_strides(&self, sizes: [usize; 3]) -> [usize; 3] {
        let mut strides = [0; 3];
        let mut stride = 1;
        for &axis in self.0.iter().flatten().rev() {
            strides[axis as usize] = stride;
            stride *= sizes[axis as usize];
        }
        strides
    }

    /// The layout after a transpose.
    pub fn transposed(&self, permutation: &[usize]) -> Self {
        Self(permutation.iter().map(|&p| self.0.get(p).cloned().unwrap_or_default()).collect())
    }

    /// The layout after a reshape from one shape to another; `sizes` are rows, columns, channels. `None` where a dimension
    /// would hold part of an axis.
    pub fn reshaped(&self, _from: &[usize], to: &[usize], sizes: &[usize; 3]) -> Option<Self> {
        let mut axes = self.0.iter().flatten().copied().filter(|&a| sizes[a as usize] > 1).peekable();
        let mut dims = Vec::new();
        for &size in to {
            let (mut dim, mut product) = (Vec::new(), 1);
            while product < size {
                let axis = axes.next()?;
                product *= sizes[axis as usize];
                dim.push(axis);
            }
            if product != size {
                return None;
            }
            dims.push(dim);
        }
        axes.peek().is_none().then_some(Self(dims))
    }
}

/// The weights of a dense layer in the input's row order, and the rows and columns that they span. `None` where the input's
/// last dimension lacks the channels, or holds part of an axis.
pub(super) fn dense_weights(layout: &Layout, input: &RowValue, weight: &Tensor) -> Option<(Vec<f32>, [usize; 2])> {
    let last = layout.0.last()?;
    let inputs = *weight.shape.get(1)?;
    let spanned = |axis: Axis| if last.contains(&axis) { input.shape[axis as usize] } else { 1 };
    let [rows, columns, channels] = [Axis::Row, Axis::Column, Axis::Channel].map(spanned);
    if channels != input.shape[Axis::Channel as usize] {
        return None;
    }
    // Position of an element in the flattened dimension, from the order of its axes.
    let mut strides = [0; 3];
    let mut stride = 1;
    for &axis in last.iter().rev() {
        strides[axis as usize] = stride;
        stride *= input.shape[axis as usize];
    }
    if stride != inputs {
        return None;
    }
    let mut out = Vec::with_capacity(weight.data.len());
    for kernel in weight.data.chunks_exact(inputs) {
        for r in 0..rows {
            for c in 0..columns {
                out.extend((0..channels).map(|k| kernel[r * strides[0] + c * strides[1] + k * strides[2]]));
            }
        }
    }
    Some((out, [rows, columns]))
}

/// The layout of a graph input, and its rows, columns and channels where they share dimensions: what the first operator that
/// cares makes of it.
pub(super) fn of_input(graph: &Graph, input: ValueId) -> (Layout, [usize; 3]) {
    // An input that is only taken apart, or put together, is laid out as what it becomes, whose elements come in the same order.
    let mut fed = input;
    while let [reader] = graph.consumers(fed)[..]
        && let Operator::Quantize { .. } = graph.nodes[reader].operator
    {
        fed = graph.nodes[reader].output;
    }
    if let [reader] = graph.consumers(fed)[..]
        && graph.nodes[reader].operator == Operator::Reshape
    {
        let parts = graph.nodes[reader].output;
        let (shape, whole) = (&graph.value(parts).shape, &graph.value(input).shape);
        if (whole.len() == 2 && whole[0] == 1 && shape.len() > 2) || whole.len() > 4 {
            let layout = of_value(graph, parts);
            let like = layout.sizes(shape, [1; 3]);
            let axes = layout.0.concat().into_iter().filter(|&axis| like[axis as usize] > 1).collect();
            let mut dims = vec![vec![]; whole.len()];
            dims[1] = axes;
            return (Layout(dims), like);
        }
    }
    (of_value(graph, input), [1; 3])
}

fn of_value(graph: &Graph, input: ValueId) -> Layout {
    let shape = &graph.value(input).shape;
    let dims: Vec<Vec<usize>> =
        shape.iter().enumerate().map(|(d, &size)| if size > 1 { vec![d] } else { vec![] }).collect();
    match imposed(graph, input, input, dims, &mut HashSet::new()) {
        Some(axes) => Layout(
            (0..shape.len())
                .map(|d| axes.iter().find(|(dim, _)| *dim == d).map(|&(_, axis)| vec![axis]).unwrap_or_default())
                .collect(),
        ),
        None if shape.len() == 2 && shape[0] == 1 => Layout::channels_last(2, true),
        None => Layout::default_of(shape),
    }
}

/// Follows a value whose dimensions hold input dimensions to the first operator that says which axes they are.
///
/// `origin` is the input; `seen` are values that were followed in vain: shortcuts lead to the same value on many ways.
fn imposed(
    graph: &Graph,
    origin: ValueId,
    value: ValueId,
    dims: Vec<Vec<usize>>,
    seen: &mut HashSet<(ValueId, Vec<Vec<usize>>)>,
) -> Option<Vec<(usize, Axis)>> {
    if !seen.insert((value, dims.clone())) {
        return None;
    }
    let all = |d: usize, axis: Axis| dims.get(d).into_iter().flatten().map(move |&i| (i, axis)).collect::<Vec<_>>();
    for node in graph.consumers(value).into_iter().map(|n| &graph.nodes[n]) {
        let next = match &node.operator {
            operator if operator.takes_image() => {
                return Some([all(1, Axis::Channel), all(2, Axis::Row), all(3, Axis::Column)].concat());
            }
            Operator::Dense { .. } if dims.len() == 2 => {
                // A flattened tensor keeps one axis a dimension: the channels innermost.
                let flat: Vec<usize> = dims[1].clone();
                let axes = [Axis::Channel, Axis::Column, Axis::Row];
                let fits = flat.len() + dims[0].len() <= 3;
                let flat = flat.into_iter().rev().zip(axes).chain(all(0, Axis::Row));
                return fits.then(|| flat.collect());
            }
            Operator::Recurrence(_) => return Some([all(0, Axis::Row), all(2, Axis::Channel)].concat()),
            Operator::Transpose { permutation } => permutation.iter().map(|&p| dims[p].clone()).collect(),
            Operator::Reshape => {
                let sizes = &graph.value(origin).shape;
                match regroup(&dims, &graph.value(node.output).shape, sizes) {
                    Some(dims) => dims,
                    None => continue,
                }
            }
            Operator::Part { .. } => continue,
            _ => dims.clone(),
        };
        if let Some(found) = imposed(graph, origin, node.output, next, seen) {
            return Some(found);
        }
    }
    None
}

fn regroup(dims: &[Vec<usize>], to: &[usize], sizes: &[usize]) -> Option<Vec<Vec<usize>>> {
    let mut flat = dims.iter().flatten().copied();
    to.iter()
        .map(|&size| {
            let (mut dim, mut product) = (Vec::new(), 1);
            while product < size {
                let d = flat.next()?;
                product *= sizes.get(d)?;
                dim.push(d);
            }
            (product == size).then_some(dim)
        })
        .collect()
}
