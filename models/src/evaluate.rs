//! The definition of the graph's operators: a naive float run, the oracle of imports, exports and rewrites.

use crate::graph::{Graph, Operator, PixelSource, ValueId, Window};

/// Every value of a graph, by [`ValueId`], for inputs in row-major order. Values that no node writes stay empty.
///
/// The graph must be well formed (see [`crate::shape::check`]) and the inputs of the right length.
pub fn evaluate(graph: &Graph, inputs: &[&[f32]]) -> Vec<Vec<f32>> {
    let mut values = vec![Vec::new(); graph.values.len()];
    for (id, input) in graph.inputs.iter().zip(inputs) {
        values[id.0] = input.to_vec();
    }
    for node in &graph.nodes {
        let shape = |id: ValueId| graph.value(id).shape.as_slice();
        let x = &values[node.inputs[0].0];
        let (from, to) = (shape(node.inputs[0]), shape(node.output));
        values[node.output.0] = match &node.operator {
            Operator::Convolution { weight, bias, window, groups, pad_value } => {
                let inputs_of_group = weight.shape[1];
                let outputs_of_group = bias.len() / groups;
                image(to, |o, y, x_out| {
                    let mut sum = f64::from(bias[o]);
                    for i in 0..inputs_of_group {
                        let c = o / outputs_of_group * inputs_of_group + i;
                        taps(window, y, x_out, |ky, kx, row, column| {
                            let pad = pad_value.as_ref().map_or(0.0, |p| p[c]);
                            let value = at(x, from, c, row, column).unwrap_or(pad);
                            let w = weight.data
                                [((o * inputs_of_group + i) * window.kernel[0] + ky) * window.kernel[1] + kx];
                            sum += f64::from(w) * f64::from(value);
                        });
                    }
                    sum as f32
                })
            }
            Operator::Dense { weight, bias } => {
                let inputs = weight.shape[1];
                let row = |x: &[f32], o: usize| -> f32 {
                    let kernel = &weight.data[o * inputs..(o + 1) * inputs];
                    let products = kernel.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                    (f64::from(bias[o]) + products.sum::<f64>()) as f32
                };
                x.chunks_exact(inputs).flat_map(|x| (0..bias.len()).map(move |o| row(x, o))).collect()
            }
            Operator::Affine { scale, offset } => {
                let inner: usize = from[2..].iter().product();
                let channel = |i: usize| i / inner % scale.len();
                x.iter().enumerate().map(|(i, x)| x * scale[channel(i)] + offset[channel(i)]).collect()
            }
            Operator::Add => binary(x, from, &values[node.inputs[1].0], shape(node.inputs[1]), to, |a, b| a + b),
            Operator::Subtract => binary(x, from, &values[node.inputs[1].0], shape(node.inputs[1]), to, |a, b| a - b),
            Operator::Multiply => binary(x, from, &values[node.inputs[1].0], shape(node.inputs[1]), to, |a, b| a * b),
            Operator::Function(function) => x.iter().map(|&x| function.apply(x)).collect(),
            Operator::Quantize { scale, zero_point } => {
                let zero = f32::from(*zero_point);
                let code = |x: f32| ((x / scale).round_ties_even() + zero).clamp(-128.0, 127.0);
                x.iter().map(|&x| (code(x) - zero) * scale).collect()
            }
            Operator::Concat { axis } => {
                let parts: Vec<_> = node.inputs.iter().map(|&i| (&values[i.0], shape(i))).collect();
                gather(to, |index| {
                    let (mut index, mut part) = (index.to_vec(), 0);
                    while index[*axis] >= parts[part].1[*axis] {
                        index[*axis] -= parts[part].1[*axis];
                        part += 1;
                    }
                    parts[part].0[flat(&index, parts[part].1)]
                })
            }
            Operator::Slice { axis, start, .. } => gather(to, |index| {
                let mut index = index.to_vec();
                index[*axis] += start;
                x[flat(&index, from)]
            }),
            Operator::Pad { axis, before, .. } => gather(to, |index| {
                let mut index = index.to_vec();
                index[*axis] = index[*axis].wrapping_sub(*before);
                if index[*axis] < from[*axis] { x[flat(&index, from)] } else { 0.0 }
            }),
            Operator::Upsample { factor, source } => upsample(x, from, to, *factor, *source),
            Operator::Resample { rows, columns } => image(to, |c, y, x_out| {
                if rows[y] < 0.0 || columns[x_out] < 0.0 {
                    return 0.0;
                }
                let around = |place: f32, size: usize| {
                    let before = place.floor();
                    let share = f64::from(place - before);
                    [(before as usize, 1.0 - share), ((before as usize + 1).min(size - 1), share)]
                };
                let mut sum = 0.0;
                for (row, row_share) in around(rows[y], from[2]) {
                    for (column, share) in around(columns[x_out], from[3]) {
                        sum += f64::from(at(x, from, c, row, column).unwrap_or(0.0)) * row_share * share;
                    }
                }
                sum as f32
            }),
            Operator::MaxOfChannels { outputs } => image(to, |c, y, x_out| {
                let channels = (c..from[1]).step_by(*outputs);
                channels.filter_map(|c| at(x, from, c, y, x_out)).fold(f32::NEG_INFINITY, f32::max)
            }),
            Operator::Clamp { min, max } => x.iter().map(|x| x.max(*min).min(*max)).collect(),
            Operator::MaxPool { window } => image(to, |c, y, x_out| {
                let mut largest = f32::NEG_INFINITY;
                taps(window, y, x_out, |_, _, row, column| {
                    largest = largest.max(at(x, from, c, row, column).unwrap_or(f32::NEG_INFINITY));
                });
                largest
            }),
            Operator::AveragePool { window, count_include_pad } => image(to, |c, y, x_out| {
                let (mut sum, mut count) = (0.0f64, 0.0);
                taps(window, y, x_out, |_, _, row, column| {
                    let value = at(x, from, c, row, column);
                    sum += f64::from(value.unwrap_or(0.0));
                    count += f64::from(u8::from(value.is_some() || *count_include_pad));
                });
                (sum / count) as f32
            }),
            Operator::Softmax { axis } => softmax(x, from, *axis),
            Operator::LogSoftmax { axis } => softmax(x, from, *axis).iter().map(|p| p.ln()).collect(),
            Operator::Recurrence(recurrence) => recurrence.run(x),
            Operator::Transpose { permutation } => {
                let strides = strides(from);
                (0..x.len())
                    .map(|flat| {
                        let mut rest = flat;
                        let source = (0..to.len()).rev().map(|axis| {
                            let index = rest % to[axis];
                            rest /= to[axis];
                            index * strides[permutation[axis]]
                        });
                        x[source.sum::<usize>()]
                    })
                    .collect()
            }
            Operator::Part { start } => x[*start..*start + to.iter().product::<usize>()].to_vec(),
            Operator::Reshape => x.clone(),
        };
    }
    values
}

/// Every element of `[1, channels, height, width]`.
fn image(to: &[usize], element: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(to.iter().product());
    for c in 0..to[1] {
        for y in 0..to[2] {
            out.extend((0..to[3]).map(|x| element(c, y, x)));
        }
    }
    out
}

/// Visits the taps of a window: kernel row and column, and the input row and column under them (before the first:
/// wrapped around to huge numbers).
fn taps(window: &Window, y: usize, x: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let row = (y * window.strides[0] + ky * window.dilations[0]).wrapping_sub(window.pads[0]);
            let column = (x * window.strides[1] + kx * window.dilations[1]).wrapping_sub(window.pads[1]);
            visit(ky, kx, row, column);
        }
    }
}

/// An element of an image, `None` in the padding.
fn at(x: &[f32], shape: &[usize], c: usize, row: usize, column: usize) -> Option<f32> {
    (row < shape[2] && column < shape[3]).then(|| x[(c * shape[2] + row) * shape[3] + column])
}

/// Every element, by its index.
fn gather(to: &[usize], element: impl Fn(&[usize]) -> f32) -> Vec<f32> {
    let mut index = vec![0; to.len()];
    (0..to.iter().product())
        .map(|at: usize| {
            let mut rest = at;
            for (index, &size) in index.iter_mut().zip(to).rev() {
                *index = rest % size;
                rest /= size;
            }
            element(&index)
        })
        .collect()
}

/// Where an index lies in a tensor; sizes of 1 take any index.
fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &size)| at * size + if size == 1 { 0 } else { i })
}

fn binary(
    a: &[f32],
    a_shape: &[usize],
    b: &[f32],
    b_shape: &[usize],
    to: &[usize],
    f: impl Fn(f32, f32) -> f32,
) -> Vec<f32> {
    gather(to, |index| f(a[flat(index, a_shape)], b[flat(index, b_shape)]))
}

fn upsample(x: &[f32], from: &[usize], to: &[usize], factor: usize, source: PixelSource) -> Vec<f32> {
    let pixel = |c: usize, row: usize, column: usize| x[(c * from[2] + row) * from[3] + column];
    let between = |place: usize, size: usize| {
        let at = (place as f64 + 0.5) / factor as f64 - 0.5;
        let share = at - at.floor();
        let within = |index: f64| (index.max(0.0) as usize).min(size - 1);
        [(within(at.floor()), 1.0 - share), (within(at.floor() + 1.0), share)]
    };
    image(to, |c, y, column| {
        let place = y % factor * factor + column % factor;
        match source {
            PixelSource::Nearest => pixel(c, y / factor, column / factor),
            PixelSource::DepthFirst => pixel(place * to[1] + c, y / factor, column / factor),
            PixelSource::ColumnFirst => pixel(c * factor * factor + place, y / factor, column / factor),
            PixelSource::Bilinear => {
                let columns = between(column, from[3]);
                let row = |y: usize| columns.iter().map(|&(x, w)| f64::from(pixel(c, y, x)) * w).sum::<f64>();
                between(y, from[2]).iter().map(|&(y, w)| row(y) * w).sum::<f64>() as f32
            }
        }
    })
}

fn softmax(x: &[f32], shape: &[usize], axis: usize) -> Vec<f32> {
    let inner: usize = shape[axis + 1..].iter().product();
    let size = shape[axis];
    let mut out = vec![0.0; x.len()];
    for outer in 0..x.len() / (inner * size) {
        for i in 0..inner {
            let indices = || (0..size).map(move |k| (outer * size + k) * inner + i);
            let largest = indices().map(|at| x[at]).fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = indices().map(|at| (x[at] - largest).exp()).sum();
            indices().for_each(|at| out[at] = (x[at] - largest).exp() / sum);
        }
    }
    out
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
