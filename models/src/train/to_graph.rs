//! A trained network as a graph, with its norms as affine nodes.

use super::res8_narrow::{NormedConvolution, POOL, Res8Narrow};
use super::{Outcome, Recipe};
use crate::graph::{Graph, Node, Operator, Tensor, ValueId, Window};
use burn::tensor::Tensor as BurnTensor;

/// The graph of a trained model: features `[1, 1, frames, features]` to probabilities `[1, labels]`, with the front end and
/// the labels in its metadata. Norms are nodes of their own; [`rewrite::to_fixed_point`](crate::rewrite::to_fixed_point)
/// folds them.
pub fn to_graph(outcome: &Outcome, recipe: &Recipe) -> Graph {
    let (frames, features) = (outcome.frames, recipe.front_end.feature_count());
    let network: &Res8Narrow = &outcome.network;
    let mut builder = Builder::default();
    builder.graph.name = "res8_narrow".into();
    let input = builder.graph.add_value("features", vec![1, 1, frames, features]);
    builder.graph.inputs.push(input);
    let mut x = builder.convolution("first", input, &network.first);
    x = builder.relu("first.relu", x);
    x = builder.pool("pool", x, POOL, POOL);
    for (index, block) in network.blocks.iter().enumerate() {
        let name = |part: &str| format!("block{index}.{part}");
        let mut inner = builder.convolution(&name("first"), x, &block.first);
        inner = builder.relu(&name("first.relu"), inner);
        inner = builder.convolution(&name("second"), inner, &block.second);
        let shape = builder.shape(x);
        x = builder.node(&name("add"), Operator::Add, vec![x, inner], shape);
        x = builder.relu(&name("relu"), x);
    }
    let [_, channels, height, width] = builder.shape(x)[..] else { unreachable!("convolutions keep four dimensions") };
    x = builder.pool("mean", x, [height, width], [1, 1]);
    x = builder.node("flatten", Operator::Reshape, vec![x], vec![1, channels]);
    let classifier = &network.classifier;
    let labels = recipe.labels.len();
    let dense = Operator::Dense {
        weight: Tensor { shape: vec![labels, channels], data: numbers(&classifier.weight.val().transpose()) },
        bias: classifier.bias.as_ref().map_or_else(|| vec![0.0; labels], |bias| numbers(&bias.val())),
    };
    x = builder.node("classifier", dense, vec![x], vec![1, labels]);
    x = builder.node("probabilities", Operator::Softmax { axis: 1 }, vec![x], vec![1, labels]);
    let mut graph = builder.graph;
    graph.outputs.push(x);
    graph.metadata.insert("residua.front_end".into(), recipe.front_end.to_json());
    graph.metadata.insert("residua.labels".into(), recipe.labels.join(","));
    graph
}

#[derive(Default)]
struct Builder {
    graph: Graph,
}

impl Builder {
    fn shape(&self, value: ValueId) -> Vec<usize> {
        self.graph.value(value).shape.clone()
    }

    fn node(&mut self, name: &str, operator: Operator, inputs: Vec<ValueId>, shape: Vec<usize>) -> ValueId {
        let output = self.graph.add_value(name, shape);
        self.graph.nodes.push(Node { name: name.into(), operator, inputs, output });
        output
    }

    /// Convolution and norm.
    fn convolution(&mut self, name: &str, x: ValueId, layer: &NormedConvolution) -> ValueId {
        let weight = layer.convolution.weight.val();
        let mut shape = self.shape(x);
        shape[1] = weight.dims()[0];
        let operator = Operator::Convolution {
            bias: vec![0.0; shape[1]],
            window: Window { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1; 4] },
            groups: 1,
            pad_value: None,
            weight: Tensor { shape: weight.dims().to_vec(), data: numbers(&weight) },
        };
        let x = self.node(name, operator, vec![x], shape.clone());
        let norm = &layer.norm;
        let (gamma, beta) = (numbers(&norm.gamma.val()), numbers(&norm.beta.val()));
        let (mean, variance) = (numbers(&norm.running_mean.value()), numbers(&norm.running_var.value()));
        let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + norm.epsilon as f32).sqrt()).collect();
        let offset = beta.iter().zip(&scale).zip(&mean).map(|((b, s), m)| b - s * m).collect();
        self.node(&format!("{name}.norm"), Operator::Affine { scale, offset }, vec![x], shape)
    }

    fn relu(&mut self, name: &str, x: ValueId) -> ValueId {
        let shape = self.shape(x);
        self.node(name, Operator::Clamp { min: 0.0, max: f32::INFINITY }, vec![x], shape)
    }

    fn pool(&mut self, name: &str, x: ValueId, kernel: [usize; 2], strides: [usize; 2]) -> ValueId {
        let mut shape = self.shape(x);
        for axis in 0..2 {
            shape[axis + 2] = (shape[axis + 2] - kernel[axis]) / strides[axis] + 1;
        }
        let window = Window { kernel, strides, dilations: [1, 1], pads: [0; 4] };
        self.node(name, Operator::AveragePool { window, count_include_pad: false }, vec![x], shape)
    }
}

fn numbers<const D: usize>(tensor: &BurnTensor<D>) -> Vec<f32> {
    // Every backend holds floats, and reading them on the CPU cannot fail.
    tensor.try_to_vec_as::<f32>().unwrap_or_default()
}
