//! Activations to the two words that four of them take in a product.

/// Odd activations of four, in 16-bit lanes.
#[inline(always)]
fn odd(four: [i8; 4]) -> [i16; 2] {
    let [_, a1, _, a3] = four;
    [a1.into(), a3.into()]
}

/// `256·a0 + 127 − a1`, `256·a2 + 127 − a3`.
#[inline(always)]
fn even(four: [i8; 4]) -> [i16; 2] {
    let [a0, a1, a2, a3] = four.map(i16::from);
    [a0.wrapping_mul(256).wrapping_add(127).wrapping_sub(a1), a2.wrapping_mul(256).wrapping_add(127).wrapping_sub(a3)]
}

/// Both words of four activations.
#[inline(always)]
pub(super) fn four(four: [i8; 4]) -> [[i16; 2]; 2] {
    [odd(four), even(four)]
}

/// Expands the first `pixels` (2 or 3) of the sources: for each four activations, the odd word of each pixel, then the even
/// word of each.
///
/// Takes as many whole fours as all sources have and `out` has room for (`2 pixels` words each).
pub fn expand(pixels: usize, sources: [&[i8]; 3], out: &mut [u32]) {
    let [a, b, _] = sources;
    match pixels {
        3 => expand_all(sources, out),
        2 => expand_all([a, b], out),
        _ => {}
    }
}

fn expand_all<const P: usize>(sources: [&[i8]; P], out: &mut [u32]) {
    let mut fours = sources.map(|source| source.as_chunks::<4>().0.iter());
    for out in out.chunks_exact_mut(P.wrapping_mul(2)) {
        let (odds, evens) = out.split_at_mut_checked(P).unwrap_or_default();
        for ((source, to_odd), to_even) in fours.iter_mut().zip(odds).zip(evens) {
            let Some(&values) = source.next() else { return };
            *to_odd = bytemuck::must_cast(odd(values));
            *to_even = bytemuck::must_cast(even(values));
        }
    }
}
