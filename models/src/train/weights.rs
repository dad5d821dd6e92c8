//! Parameters and running statistics of a network outside the network.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Numbers of every tensor, in the order in which the network lists them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weights(Vec<Vec<f32>>);

impl Weights {
    /// Those of a network.
    pub fn of<M: Module>(network: &M) -> Self {
        let mut reader = Reader(vec![]);
        network.visit(&mut reader);
        Self(reader.0)
    }

    /// The network with these numbers in place of its own; `None` where they are of a network of other shapes.
    pub fn put_into<M: Module>(&self, network: M) -> Option<M> {
        let lengths = |weights: &Self| weights.0.iter().map(Vec::len).collect::<Vec<_>>();
        if lengths(self) != lengths(&Self::of(&network)) {
            return None;
        }
        Some(network.map(&mut Writer(self.0.iter())))
    }

    /// Moves towards others: `self = decay · self + (1 − decay) · others`.
    pub fn blend(&mut self, others: &Self, decay: f32) {
        for (own, other) in self.0.iter_mut().flatten().zip(others.0.iter().flatten()) {
            *own = decay * *own + (1.0 - decay) * other;
        }
    }
}

struct Reader(Vec<Vec<f32>>);

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Every backend holds floats, and reading them on the CPU cannot fail.
        self.0.push(param.val().try_to_vec_as::<f32>().unwrap_or_default());
    }
}

struct Writer<'a>(std::slice::Iter<'a, Vec<f32>>);

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(numbers) = self.0.next() else { return param };
        let numbers = numbers.clone();
        param.map(|tensor| {
            let data = TensorData::new(numbers, tensor.dims());
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}
