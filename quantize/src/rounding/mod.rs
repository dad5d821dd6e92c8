//! Rounding of weights so that a layer's output changes least, instead of each weight to the nearest integer.
//!
//! What rounding a kernel by `e` adds to the layer's output has the variance `eᵀ C e`, where `C` is the covariance of what the
//! kernel meets; its mean goes into the bias. With weights that are integers but for their scale, the least of it is a closest
//! vector problem: Babai's nearest plane algorithm solves it nearly, one weight after another, each making up for those before it. (Frantar
//! et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022; Chen et al., "The
//! Geometry of LLM Quantization: GPTQ as Babai's Nearest Plane Algorithm", 2025.)

mod moments;
mod nearest_plane;

use crate::calibrate::in_order;
use crate::compile::{CompileError, Model};
use crate::lower::{RowNode, RowOperator};
use crate::quantize::{Statistics, activations, weight_scale};
use moments::Moments;
use nearest_plane::Lattice;
use rayon::prelude::*;
use residua::plan::Element;
use residua_models::execute::GraphExecutor;
use std::ops::{AddAssign, Mul};

/// Most weights of a kernel that are rounded together: time and memory grow with their square.
const MAX_FAN_IN: usize = 1536;

/// Replaces the weights of a model by multiples of their scales, and takes from the biases what that adds on average; `inputs`
/// (flat, in the layout that the ONNX model declares) are calibration inputs. Kernels that are too large stay as they are.
///
/// # Errors
/// The float model cannot be run on an input.
pub fn round_weights(model: &mut Model, statistics: &[Statistics], inputs: &[Vec<f32>]) -> Result<(), CompileError> {
    let rows = &model.rows;
    let layers = rows.nodes.iter().enumerate().filter_map(|(index, node)| {
        let (weights, bias) = node.operator.weights()?;
        let ends = [node.inputs[0], node.output].map(|value| &rows.values[value]);
        let fits = weights.len() <= MAX_FAN_IN * bias.len();
        let means = &statistics[node.inputs[0]].means;
        fits.then(|| Moments::new(node, ends, means, inputs.len())).flatten().map(|moments| (index, moments))
    });
    let mut layers: Vec<(usize, Moments)> = layers.collect();
    let executor = GraphExecutor::new(&model.graph)?;
    in_order(&executor, inputs, |values| {
        layers.par_iter_mut().for_each(|(index, moments)| {
            let value = &rows.values[rows.nodes[*index].inputs[0]];
            moments.add(&value.to_rows(&values[value.source.0]));
        });
    })?;
    let values = activations(rows, statistics);
    let rounded: Vec<_> = layers
        .into_par_iter()
        .filter_map(|(index, moments)| {
            let node = &rows.nodes[index];
            let [input, output] = [node.inputs[0], node.output].map(|value| &values[value]);
            let wide = [input, output].iter().any(|value| value.element == Element::Int16);
            let layer = round(node, &moments, f64::from(input.scale), wide)?;
            Some((index, layer))
        })
        .collect();
    for (index, (new_weights, new_bias)) in rounded {
        if let RowOperator::Convolution { weights, bias, .. } | RowOperator::Dense { weights, bias } =
            &mut model.rows.nodes[index].operator
        {
            (*weights, *bias) = (new_weights, new_bias);
        }
    }
    Ok(())
}

/// Weights and biases of a layer whose input has this scale.
fn round(node: &RowNode, moments: &Moments, input_scale: f64, wide: bool) -> Option<(Vec<f32>, Vec<f32>)> {
    let (weights, bias) = node.operator.weights()?;
    let (mut weights, mut bias) = (weights.to_vec(), bias.to_vec());
    let groups = match node.operator {
        RowOperator::Convolution { groups, .. } => groups,
        _ => 1,
    };
    let fan_in = weights.len() / bias.len();
    let outputs = bias.len() / groups;
    let kernels = weights.chunks_mut(fan_in * outputs).zip(bias.chunks_mut(outputs));
    for (group, (kernels, bias)) in kernels.enumerate() {
        // The input's own rounding is noise that no kernel can make use of.
        let lattice = Lattice::new(&moments.covariance(group, input_scale * input_scale / 12.0));
        for (kernel, bias) in kernels.chunks_mut(fan_in).zip(bias) {
            let scale = weight_scale(kernel, *bias, input_scale, wide);
            let rounded = lattice.nearest(kernel, scale);
            let added = rounded.iter().zip(&*kernel).map(|(r, &w)| r - f64::from(w));
            *bias -= added.zip(moments.means(group)).map(|(error, mean)| error * mean).sum::<f64>() as f32;
            kernel.iter_mut().zip(rounded).for_each(|(w, r)| *w = r as f32);
        }
    }
    Some((weights, bias))
}

/// Sum of products, in an order that the processor can add in parallel.
fn dot<T: Copy + Default + AddAssign + Mul<Output = T>>(a: &[T], b: &[T]) -> T {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [T::default(); 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let [mut sum, rest @ ..] = lanes;
    rest.into_iter().chain(rest_a.iter().zip(rest_b).map(|(&a, &b)| a * b)).for_each(|term| sum += term);
    sum
}
