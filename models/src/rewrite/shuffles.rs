//! Shuffles that are written as reshape, transpose, reshape: pixels that become channels or the other way round, and
//! permutations of channels.

use super::only_producer;
use crate::graph::{Graph, Operator, PixelSource};

pub(super) fn apply(graph: &mut Graph, index: usize) -> bool {
    if graph.nodes[index].operator != Operator::Reshape {
        return false;
    }
    let Some(middle) = only_producer(graph, index) else { return false };
    let Operator::Transpose { permutation } = &graph.nodes[middle].operator else { return false };
    let Some(first) = only_producer(graph, middle).filter(|&n| graph.nodes[n].operator == Operator::Reshape) else {
        return false;
    };
    let input = graph.nodes[first].inputs[0];
    let (from, to) = (graph.value(input).shape.clone(), graph.value(graph.nodes[index].output).shape.clone());
    let (&[1, channels, rows, columns], &[1, channels_out, rows_out, columns_out]) = (from.as_slice(), to.as_slice())
    else {
        return false;
    };
    let parts = &graph.value(graph.nodes[first].output).shape;
    let shuffle = Shuffle::new(parts, permutation);
    // Element (channel, row, column) of the output comes from where?
    let source = |[c, y, x]: [usize; 3]| {
        let at = shuffle.source((c * rows_out + y) * columns_out + x);
        [at / columns / rows, at / columns % rows, at % columns]
    };
    let holds = |wanted: &dyn Fn([usize; 3]) -> [usize; 3]| {
        (0..channels_out)
            .all(|c| (0..rows_out).all(|y| (0..columns_out).all(|x| source([c, y, x]) == wanted([c, y, x]))))
    };
    let operator = if rows_out > rows {
        let factor = rows_out / rows;
        let block = factor * factor;
        let place = |y: usize, x: usize| y % factor * factor + x % factor;
        let fits = rows_out == rows * factor && columns_out == columns * factor && channels == channels_out * block;
        if !fits {
            return false;
        }
        if holds(&|[c, y, x]| [place(y, x) * channels_out + c, y / factor, x / factor]) {
            Operator::Upsample { factor, source: PixelSource::DepthFirst }
        } else if holds(&|[c, y, x]| [c * block + place(y, x), y / factor, x / factor]) {
            Operator::Upsample { factor, source: PixelSource::ColumnFirst }
        } else {
            return false;
        }
    } else {
        let block = rows / rows_out;
        if rows != rows_out * block || columns != columns_out * block || channels_out != channels * block * block {
            return false;
        }
        let origins: Vec<[usize; 3]> = (0..channels_out).map(|c| source([c, 0, 0])).collect();
        let within = origins.iter().all(|&[_, y, x]| y < block && x < block);
        let holds = within
            && holds(&|[c, y, x]| {
                let [channel, dy, dx] = origins[c];
                [channel, y * block + dy, x * block + dx]
            });
        let sources: Vec<(usize, usize)> = origins.iter().map(|&[c, dy, dx]| (c, dy * block + dx)).collect();
        let identity = block == 1 && sources.iter().enumerate().all(|(c, &source)| source == (c, 0));
        // Places outside of the block are none of a kernel's.
        if !holds || identity {
            return false;
        }
        match Operator::pick(channels, block, &sources) {
            Some(operator) => operator,
            None => return false,
        }
    };
    graph.nodes[index].operator = operator;
    graph.nodes[index].inputs = vec![input];
    let mut gone = [first, middle];
    gone.sort_unstable();
    gone.into_iter().rev().for_each(|node| drop(graph.nodes.remove(node)));
    true
}

/// A transpose of flat elements.
struct Shuffle {
    sizes: Vec<usize>,
    /// Strides in the input, by axis of the output.
    strides: Vec<usize>,
}

impl Shuffle {
    fn new(parts: &[usize], permutation: &[usize]) -> Self {
        let stride = |axis: usize| parts.iter().skip(axis + 1).product();
        Self {
            sizes: permutation.iter().map(|&axis| parts[axis]).collect(),
            strides: permutation.iter().map(|&axis| stride(axis)).collect(),
        }
    }

    /// Where an element of the output lies in the input.
    fn source(&self, at: usize) -> usize {
        let mut rest = at;
        let axes = self.sizes.iter().zip(&self.strides).rev();
        axes.map(|(&size, &stride)| {
            let index = rest % size;
            rest /= size;
            index * stride
        })
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, unchanged};
    use super::super::to_fixed_point;
    use super::*;

    fn shuffled(parts: &[usize], permutation: &[usize], to: &[usize]) -> Vec<&'static str> {
        let mut sketch = Sketch::new([1, 8, 4, 6]);
        sketch.then(Operator::Clamp { min: -1.0, max: 1.0 });
        sketch.reshape(parts.to_vec());
        sketch.then(Operator::Transpose { permutation: permutation.to_vec() });
        sketch.reshape(to.to_vec());
        sketch.then(Operator::Clamp { min: -0.5, max: 1.0 });
        let rewritten = unchanged(sketch.finish(), to_fixed_point);
        rewritten.nodes.iter().map(|n| n.operator.name()).collect()
    }

    #[test]
    fn pixels_from_channels_in_both_orders() {
        let wide = [1, 2, 8, 12];
        let names = ["Clip", "DepthToSpace", "Clip"];
        assert_eq!(shuffled(&[1, 2, 2, 2, 4, 6], &[0, 3, 4, 1, 5, 2], &wide), names);
        assert_eq!(shuffled(&[1, 2, 2, 2, 4, 6], &[0, 1, 4, 2, 5, 3], &wide), names);
    }

    #[test]
    fn channels_from_pixels_and_channels_among_themselves() {
        let names = ["Clip", "Conv", "Clip"];
        assert_eq!(shuffled(&[1, 8, 2, 2, 3, 2], &[0, 3, 5, 1, 2, 4], &[1, 32, 2, 3]), names);
        assert_eq!(shuffled(&[1, 2, 4, 4, 6], &[0, 2, 1, 3, 4], &[1, 8, 4, 6]), names);
    }

    #[test]
    fn others_stay() {
        let names = shuffled(&[1, 8, 4, 2, 3], &[0, 1, 4, 2, 3], &[1, 8, 12, 2]);
        assert_eq!(names, ["Clip", "Reshape", "Transpose", "Reshape", "Clip"]);
        // Channels from pixels that are not neighbours.
        let names = shuffled(&[1, 8, 2, 2, 2, 3], &[0, 1, 2, 4, 3, 5], &[1, 32, 2, 3]);
        assert_eq!(names, ["Clip", "Reshape", "Transpose", "Reshape", "Clip"]);
    }
}
