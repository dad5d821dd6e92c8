//! Activations to the form that they take in a product.

use crate::kernels::Runs;

/// Offset of every other activation in products of lanes, see [`crate::kernels`].
pub(in crate::kernels) const OFFSET: u32 = 0x0080_0080;
/// What activations are expanded with.
const EXPANDED: u32 = if cfg!(any(residua_quads, residua_rv32)) { 0 } else { OFFSET };

/// Writes the fours of each run, in products of lanes with the offset, to every `stride`-th word of `out`, the first run from
/// the first word on, the second from the second, and so on: as many as fit.
#[inline(never)]
pub fn expand(runs: &Runs<'_>, stride: usize, out: &mut [u32]) {
    for index in 0..runs.count {
        let out = out.get_mut(index..).unwrap_or(&mut []);
        let (fours, _) = runs.get(index).as_chunks::<4>();
        // Many cores read aligned words only.
        match bytemuck::try_cast_slice::<_, u32>(fours) {
            Ok(words) => spread(words.iter().copied(), stride, out),
            Err(_) => spread(fours.iter().map(|&four| bytemuck::must_cast(four)), stride, out),
        }
    }
}

#[inline(always)]
fn spread(words: impl Iterator<Item = u32>, stride: usize, out: &mut [u32]) {
    let mut at = 0usize;
    for word in words {
        let Some(out) = out.get_mut(at) else { return };
        *out = word ^ EXPANDED;
        at = at.wrapping_add(stride);
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
