//! Activations to the form that they take in a product.

use crate::kernels::Runs;

/// Offset of every other activation, see [`crate::kernels`].
pub(super) const OFFSET: u32 = 0x0080_0080;

/// Writes the fours of each run, with the offset, to every `stride`-th word of `out`, the first run from the first word on,
/// the second from the second, and so on: as many as fit.
#[inline(never)]
pub fn expand(runs: &Runs<'_>, stride: usize, out: &mut [u32]) {
    for index in 0..runs.count {
        let out = out.get_mut(index..).unwrap_or(&mut []);
        for (out, &four) in out.chunks_mut(stride.max(1)).zip(runs.get(index).as_chunks::<4>().0) {
            if let Some(out) = out.first_mut() {
                *out = bytemuck::must_cast::<_, u32>(four) ^ OFFSET;
            }
        }
    }
}

/// Copies each run to `out`, the next one `stride` elements behind the last.
#[inline(never)]
pub fn gather(runs: &Runs<'_>, stride: usize, out: &mut [i8]) {
    for index in 0..runs.count {
        let out = out.get_mut(index.wrapping_mul(stride)..).unwrap_or(&mut []);
        out.iter_mut().zip(runs.get(index)).for_each(|(to, from)| *to = *from);
    }
}
