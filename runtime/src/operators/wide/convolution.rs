//! Convolutions of any window, stride, dilation and number of groups.

use super::super::geometry::{Geometry, fits};
use super::super::rows::RowWindow;
use super::super::{Context, RowOperator};
use super::{Input, WideRequantizer};
use crate::plan::format::NONE;
use crate::plan::{Elements, PlanError};

/// Most products in a sum, which then stays within 2^38.
const MAX_FAN_IN: usize = 1 << 16;
/// Multipliers have 24 bits, so that their product with a sum and its bias stays within 2^62 + 2^60.
const MAX_MULTIPLIER: i32 = (1 << 24) - 1;
/// Output channels that are summed at once.
const BLOCK: usize = 8;

/// `out[y, x, o] = clamp(zero_point + round_half_up((b[o] + Σ w[o, ky, kx, i] · in[row(y, ky), column(x, kx), i]) · m[o] / 2^shift))`,
/// `i` over the input channels of the group of `o`. Depthwise convolutions, 1×1 kernels, dense layers (whose window is the
/// whole input) and scales per channel are special cases.
///
/// In the constants: int8 weights `[o][ky][kx][i]`; all biases `b` (i32, the input's zero point folded in), then all
/// multipliers `m` (of 24 bits; one outside `0..2^24` counts as the nearest bound). Padding holds the input's zero point, or
/// a pixel of the input's type.
#[derive(Clone, Copy, Debug)]
pub struct WideConvolution<'p> {
    geometry: Geometry,
    input: Input,
    /// Channels of a group.
    inputs: usize,
    outputs: usize,
    weights: &'p [i8],
    biases: &'p [i32],
    multipliers: &'p [i32],
    padding: Option<Elements<'p>>,
    requantizer: WideRequantizer,
}

impl<'p> WideConvolution<'p> {
    /// A convolution over the geometry's shapes; `numbers` are biases, then multipliers. `None` where sizes do not match or a
    /// sum has more than 2^16 products.
    pub fn new(
        geometry: Geometry,
        input: Input,
        groups: usize,
        weights: &'p [i8],
        numbers: &'p [i32],
        padding: Option<&'p [i8]>,
        requantizer: WideRequantizer,
    ) -> Option<Self> {
        let [inputs, outputs] = Self::of_group(&geometry, groups)?;
        let (biases, multipliers) = numbers.split_at_checked(geometry.channels_out)?;
        let padding = padding.map(|pixel| Elements::new(pixel, input.element));
        let sound = weights.len() == Self::weights_len(&geometry, inputs)?
            && multipliers.len() == geometry.channels_out
            && padding.is_none_or(|p| p.run(0, geometry.channels_in).is_some());
        sound.then_some(Self { geometry, input, inputs, outputs, weights, biases, multipliers, padding, requantizer })
    }

    /// Input and output channels of a group.
    fn of_group(g: &Geometry, groups: usize) -> Option<[usize; 2]> {
        let [inputs, outputs] = [g.channels_in, g.channels_out].map(|channels| channels.checked_div(groups));
        let (inputs, outputs) = (inputs?, outputs?);
        let whole = inputs.checked_mul(groups)? == g.channels_in && outputs.checked_mul(groups)? == g.channels_out;
        (whole && inputs > 0 && outputs > 0).then_some([inputs, outputs])
    }

    fn weights_len(g: &Geometry, inputs: usize) -> Option<usize> {
        let fan_in = g.kernel[0].checked_mul(g.kernel[1])?.checked_mul(inputs)?;
        fan_in.checked_mul(g.channels_out).filter(|_| fan_in <= MAX_FAN_IN)
    }

    #[inline(never)]
    pub(crate) fn decode(context: &Context<'p>) -> Result<Self, PlanError> {
        let (geometry, input, step) = (context.geometry(), Input::from(context.input), context.step);
        fits(context.second.is_none(), context.index)?;
        let groups = usize::from(step.groups);
        let [inputs, _] = Self::of_group(&geometry, groups).ok_or(PlanError::Geometry(context.index))?;
        let len = Self::weights_len(&geometry, inputs).ok_or(PlanError::Accumulator(context.index))?;
        let wrong = PlanError::Constants(context.index);
        let count = geometry.channels_out.checked_mul(2).ok_or(wrong)?;
        let numbers = context.constants.get(step.channel_parameters, count).ok_or(wrong)?;
        let pixel = geometry.channels_in.checked_mul(input.element.size()).ok_or(wrong)?;
        let padding = match step.padding {
            NONE => None,
            offset => Some(context.constants.get(offset, pixel).ok_or(wrong)?),
        };
        Self::new(geometry, input, groups, context.weights(len)?, numbers, padding, context.wide_requantizer()?)
            .ok_or(PlanError::Geometry(context.index))
    }

    /// Products with the weights of a tap: of input elements, or of padding where there are none.
    #[inline]
    fn products(&self, weights: &[i8], elements: Option<Elements<'_>>, first: usize) -> i64 {
        let pixel = || self.padding.and_then(|padding| padding.run(first, self.inputs));
        match elements.or_else(pixel) {
            Some(elements) => elements.dot(weights),
            None => weights.iter().map(|&w| i64::from(w).wrapping_mul(self.input.zero_point.into())).sum(),
        }
    }

    /// Weights of an output channel.
    fn kernel_len(&self) -> usize {
        self.weights.len().checked_div(self.geometry.channels_out).unwrap_or(0).max(1)
    }

    /// Whether each channel has a kernel of its own: those of a block then have their inputs side by side.
    fn is_depthwise(&self) -> bool {
        self.inputs == 1 && self.outputs == 1
    }

    /// The sums of a block's output channels at column `x`; their inputs are those from channel `first` on.
    #[inline(never)]
    fn block(&self, window: &RowWindow<'_>, x: usize, weights: &[i8], first: usize) -> [i64; BLOCK] {
        let g = &self.geometry;
        let kernels = || weights.chunks_exact(self.kernel_len());
        // Taps of a row whose inputs lie side by side.
        let run = if self.inputs == g.channels_in && g.dilation[1] == 1 { g.kernel[1] } else { 1 };
        let mut sums = [0i64; BLOCK];
        for ky in 0..g.kernel[0] {
            let row = window.tap(ky).map(|row| Elements::new(row, self.input.element));
            let mut kx = 0usize;
            while kx < g.kernel[1] {
                let column = usize::try_from(g.column(x, kx)).ok();
                let start = column.and_then(|column| column.checked_mul(g.channels_in)?.checked_add(first));
                let elements = |len: usize| row.and_then(|row| row.run(start?, len));
                let tap = ky.wrapping_mul(g.kernel[1]).wrapping_add(kx).wrapping_mul(self.inputs);
                if self.is_depthwise() {
                    self.add_channels(&mut sums, kernels(), tap, elements(kernels().len()), first);
                    kx = kx.wrapping_add(1);
                    continue;
                }
                let whole = if kx == 0 { elements(run.wrapping_mul(self.inputs)) } else { None };
                let taps = if whole.is_some() { run } else { 1 };
                let len = taps.wrapping_mul(self.inputs);
                let elements = whole.or_else(|| elements(len));
                for (sum, weights) in sums.iter_mut().zip(kernels()) {
                    let weights = weights.get(tap..tap.wrapping_add(len)).unwrap_or(&[]);
                    *sum = sum.wrapping_add(self.products(weights, elements, first));
                }
                kx = kx.wrapping_add(taps);
            }
        }
        sums
    }

    /// Adds the products of a tap to the sums of channels from `first` on, each with a kernel of its own.
    #[inline]
    fn add_channels<'w>(
        &self,
        sums: &mut [i64],
        kernels: impl Iterator<Item = &'w [i8]>,
        tap: usize,
        elements: Option<Elements<'_>>,
        first: usize,
    ) {
        for (c, (sum, weights)) in sums.iter_mut().zip(kernels).enumerate() {
            let padding = || self.padding.and_then(|padding| padding.get(first.wrapping_add(c)));
            let value = elements.and_then(|elements| elements.get(c)).or_else(padding);
            let weight = weights.get(tap).copied().unwrap_or(0);
            let product = value.unwrap_or(self.input.zero_point).wrapping_mul(weight.into());
            *sum = sum.wrapping_add(product.into());
        }
    }

    fn requantized(&self, channel: usize, sum: i64) -> i32 {
        let [bias, multiplier] = [self.biases, self.multipliers].map(|n| n.get(channel).copied().unwrap_or(0));
        self.requantizer.apply(sum.wrapping_add(bias.into()), multiplier.clamp(0, MAX_MULTIPLIER))
    }
}

impl RowOperator for WideConvolution<'_> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn row(&self, window: &RowWindow<'_>, _scratch: &mut [u32], out: &mut [i8]) {
        let kernel = self.kernel_len();
        let outputs = if self.is_depthwise() { self.geometry.channels_out } else { self.outputs };
        let mut out = self.requantizer.output(out);
        let mut index = 0usize;
        for x in 0..self.geometry.columns_out as usize {
            let mut channel = 0usize;
            for (group, weights) in self.weights.chunks_exact(kernel.wrapping_mul(outputs)).enumerate() {
                for weights in weights.chunks(kernel.wrapping_mul(BLOCK)) {
                    let first = if self.is_depthwise() { channel } else { group.wrapping_mul(self.inputs) };
                    let sums = self.block(window, x, weights, first);
                    for (sum, _) in sums.iter().zip(weights.chunks_exact(kernel)) {
                        out.set(index, self.requantized(channel, *sum));
                        (index, channel) = (index.wrapping_add(1), channel.wrapping_add(1));
                    }
                }
            }
        }
    }

    fn reference(&self, input: &[i8], _second: &[i8], output: &mut [i8]) {
        let g = &self.geometry;
        let input = Elements::new(input, self.input.element);
        let mut out = self.requantizer.output(output);
        let mut index = 0usize;
        for y in 0..g.rows_out {
            for x in 0..g.columns_out as usize {
                for o in 0..g.channels_out {
                    let first = o.checked_div(self.outputs).unwrap_or(0).wrapping_mul(self.inputs);
                    let kernel = g.kernel[0].wrapping_mul(g.kernel[1]).wrapping_mul(self.inputs);
                    let mut weights = self.weights.iter().skip(o.wrapping_mul(kernel));
                    let mut sum = 0i64;
                    for ky in 0..g.kernel[0] {
                        for kx in 0..g.kernel[1] {
                            for i in first..first.wrapping_add(self.inputs) {
                                let place = g.place(g.row(y, ky), g.column(x, kx), i);
                                let value = place.and_then(|place| input.get(place));
                                let value = value.or_else(|| self.padding.and_then(|padding| padding.get(i)));
                                let value = i64::from(value.unwrap_or(self.input.zero_point));
                                let weight = weights.next().copied().unwrap_or(0);
                                sum = sum.wrapping_add(value.wrapping_mul(weight.into()));
                            }
                        }
                    }
                    out.set(index, self.requantized(o, sum));
                    index = index.wrapping_add(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{inputs, requantizers};
    use super::*;
    use crate::operators::testing::{Tensor, geometries, int8s, typed_rows_equal_reference};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_equal_the_reference(
            (geometry, groups) in geometries(1..=9, true), seed in any::<u64>(), per_channel in any::<bool>(),
            input in inputs(), requantizer in requantizers(46), multiplier in 1i32..1 << 24,
        ) {
            let mut bytes = int8s(seed);
            let kernel = geometry.channels_in / groups * geometry.kernel[0] * geometry.kernel[1];
            let weights = bytes(kernel * geometry.channels_out);
            let mut numbers: std::vec::Vec<i32> =
                bytes(geometry.channels_out).iter().map(|&b| i32::from(b) << 16).collect();
            numbers.resize(2 * geometry.channels_out, multiplier);
            let pixel = bytes(geometry.channels_in * input.element.size());
            let padding = per_channel.then_some(&pixel[..]);
            let operator =
                WideConvolution::new(geometry, input, groups, &weights, &numbers, padding, requantizer).unwrap();
            typed_rows_equal_reference(&operator, [input.element, requantizer.element()], &mut bytes, None)?;
        }
    }

    #[test]
    fn sums_that_could_overflow_are_refused() {
        let geometry = |channels_in| Geometry {
            rows_in: 1,
            columns_in: 1,
            channels_in,
            rows_out: 1,
            columns_out: 1,
            channels_out: 1,
            kernel: [1, 1],
            stride: [1, 1],
            upsampling: 1,
            dilation: [1, 1],
            pad: [0, 0],
        };
        let weights = std::vec![-128; MAX_FAN_IN + 1];
        let requantizer = WideRequantizer::new(crate::plan::Element::Int16, 62, 0, [-32768, 32767]).unwrap();
        let new = |inputs: usize| {
            let numbers = &[i32::MIN, i32::MAX];
            let input = Input { element: crate::plan::Element::Int16, zero_point: 0 };
            WideConvolution::new(geometry(inputs), input, 1, &weights[..inputs], numbers, None, requantizer)
        };
        assert!(new(MAX_FAN_IN + 1).is_none());
        // The largest sum that there can be, exactly.
        let operator = new(MAX_FAN_IN).unwrap();
        let input: std::vec::Vec<i8> =
            (0..MAX_FAN_IN).flat_map(|_| (-32768i16).to_le_bytes()).map(|b| b as i8).collect();
        let mut out = [0; 2];
        let input = Tensor::new(&input, input.len());
        operator.row(&input.window(&geometry(1), None, 0), &mut [], &mut out);
        let product = ((1i128 << 38) - (1 << 31)) * i128::from(MAX_MULTIPLIER);
        assert_eq!(i128::from(i16::from_le_bytes(out.map(|b| b as u8))), (product + (1 << 61)) >> 62);
    }
}
