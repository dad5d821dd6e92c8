//! The narrow keyword-spotting ResNet with eight layers (Tang and Lin, "Deep Residual Learning for Small-Footprint Keyword
//! Spotting", 2018), with the norm before the activation (He et al., "Deep Residual Learning", 2016) so that it folds.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Channels of all convolutions.
pub const CHANNELS: usize = 19;
/// Residual blocks.
pub const BLOCKS: usize = 3;
/// Frames and features that are averaged behind the first convolution.
pub const POOL: [usize; 2] = [4, 3];

/// Features `[batch, 1, frames, features]` to scores `[batch, labels]`.
#[derive(Module, Debug)]
pub struct Res8Narrow {
    /// First convolution.
    pub first: NormedConvolution,
    pool: AvgPool2d,
    /// Residual blocks.
    pub blocks: Vec<Block>,
    /// Scores of the mean over all positions.
    pub classifier: Linear,
}

/// Convolution of 3×3 and norm.
#[derive(Module, Debug)]
pub struct NormedConvolution {
    /// Without bias.
    pub convolution: Conv2d,
    /// Per channel.
    pub norm: BatchNorm,
}

/// `relu(x + norm(conv(relu(norm(conv(x))))))`.
#[derive(Module, Debug)]
pub struct Block {
    /// Convolution that reads the block's input.
    pub first: NormedConvolution,
    /// Convolution that the input is added to.
    pub second: NormedConvolution,
}

impl Res8Narrow {
    /// A network with random weights.
    pub fn new(labels: usize, device: &Device) -> Self {
        Self {
            first: NormedConvolution::new(1, device),
            pool: AvgPool2dConfig::new(POOL).init(),
            blocks: (0..BLOCKS)
                .map(|_| Block {
                    first: NormedConvolution::new(CHANNELS, device),
                    second: NormedConvolution::new(CHANNELS, device),
                })
                .collect(),
            classifier: LinearConfig::new(CHANNELS, labels).init(device),
        }
    }

    /// Scores before the softmax.
    pub fn forward(&self, features: Tensor<4>) -> Tensor<2> {
        let mut x = self.pool.forward(relu(self.first.forward(features)));
        for block in &self.blocks {
            let inner = block.second.forward(relu(block.first.forward(x.clone())));
            x = relu(x + inner);
        }
        let [batch, channels, height, width] = x.dims();
        let mean = x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]);
        self.classifier.forward(mean)
    }
}

impl NormedConvolution {
    fn new(inputs: usize, device: &Device) -> Self {
        let convolution = Conv2dConfig::new([inputs, CHANNELS], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false)
            .with_initializer(Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true });
        Self { convolution: convolution.init(device), norm: BatchNormConfig::new(CHANNELS).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.convolution.forward(x))
    }
}
