//! Runs of words, one for each block of four output channels: the four biases, words of four int8 weights, the four
//! multipliers.

/// Channels of a block.
pub const BLOCK: usize = 4;
/// Words of a run beside its weights.
pub(super) const FRAME: usize = 2 * BLOCK;

/// A block of channels.
#[derive(Clone, Copy, Debug)]
pub struct Run<'p> {
    /// Biases.
    pub bias: [i32; BLOCK],
    /// Four weights a word, that of the first channel lowest.
    pub weights: &'p [u32],
    /// Multipliers.
    pub multiplier: [i32; BLOCK],
}

/// The runs in these words, of `len` words of weights each.
#[inline(always)]
pub(super) fn runs<'p>(words: &'p [u32], len: usize) -> impl Iterator<Item = Run<'p>> + use<'p> {
    words.chunks_exact(len.wrapping_add(FRAME).max(1)).filter_map(|words| {
        let (bias, rest) = words.split_first_chunk::<BLOCK>()?;
        let (weights, multiplier) = rest.split_last_chunk::<BLOCK>()?;
        Some(Run { bias: bias.map(|b| b as i32), weights, multiplier: multiplier.map(|m| m as i32) })
    })
}

/// Packs `kernels` (`[channel][weight]`) with their biases and multipliers into runs of `len` words of weights, with zeros
/// behind the last; `None` where lengths do not match.
pub(super) fn pack(kernels: &[i8], len: usize, biases: &[i32], multipliers: &[i32], out: &mut [u32]) -> Option<()> {
    let channels = biases.len();
    let size = kernels.len().checked_div(channels)?;
    let words = channels.div_ceil(BLOCK).checked_mul(len.checked_add(FRAME)?)?;
    let whole = multipliers.len() == channels && size.checked_mul(channels)? == kernels.len();
    if !(whole && size <= len && words == out.len()) {
        return None;
    }
    for (block, run) in out.chunks_exact_mut(len.checked_add(FRAME)?).enumerate() {
        run.fill(0);
        for lane in 0..BLOCK {
            let channel = block.checked_mul(BLOCK)?.checked_add(lane)?;
            let (Some(&bias), Some(&multiplier)) = (biases.get(channel), multipliers.get(channel)) else { continue };
            let kernel = kernels.get(channel.checked_mul(size)?..)?;
            *run.get_mut(lane)? = bias as u32;
            *run.get_mut(BLOCK.checked_add(len)?.checked_add(lane)?)? = multiplier as u32;
            for (word, &weight) in run.get_mut(BLOCK..)?.iter_mut().zip(kernel).take(size) {
                *word |= u32::from(weight as u8) << ((lane as u32) << 3);
            }
        }
    }
    Some(())
}
