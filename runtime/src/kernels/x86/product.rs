//! Matrix products: four inputs of two channels are 16-bit lanes of a vector, as the packed words give them.
//!
//! Dual multiplications with `y` and `−y`, and of low bytes `v` and `−v` with lanes `256·x + y`, give the products of
//! [`crate::kernels`].

// Vectors of weights are read where they lie; those of activations are initialized where they are read.
#![allow(unsafe_code)]

use super::outputs::{EIGHT, high_words, store};
use crate::kernels::Output;
use crate::kernels::packed::PackedMatrix;
use crate::kernels::portable::{self, OFFSET};
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

/// Steps of a vector.
const STEPS: usize = 4;
/// Most vectors of a pixel: larger products take the portable form.
const VECTORS: usize = 256;
/// Pairs of channels that are summed at once: with three pixels, sums and activations fill the registers.
const PAIRS: usize = 2;
/// Pairs of eight channels.
const BLOCK: usize = 2 * PAIRS;
/// Initial accumulators at the start of a run, and multipliers at its end, in words.
const EDGE: usize = 2;

/// Activations of a step.
type Four = [i8; 4];
/// Activations of a vector: low bytes, for lanes of weights, and lanes, for low bytes of weights.
type Laid = [__m256i; 2];

/// Multiplies `count` (2 or 3) expanded pixels with all channels.
#[target_feature(enable = "avx2")]
pub fn multiply(count: usize, matrix: &PackedMatrix<'_>, pixels: &[u32], out: &mut Output<'_>) {
    let fours: &[Four] = bytemuck::must_cast_slice(pixels);
    match count {
        3 if matrix.steps() <= VECTORS * STEPS => outputs::<3>(matrix, fours.as_chunks().0, 0, out),
        2 if matrix.steps() <= VECTORS * STEPS => outputs::<2>(matrix, fours.as_chunks().0, 0, out),
        _ => portable::multiply(count, matrix, pixels, out),
    }
}

/// Multiplies one pixel, not expanded, with all channels; `pixel` has four activations for each step.
#[target_feature(enable = "avx2")]
pub fn multiply_one(matrix: &PackedMatrix<'_>, pixel: &[i8], out: &mut Output<'_>) {
    if matrix.steps() <= VECTORS * STEPS {
        outputs::<1>(matrix, pixel.as_chunks().0.as_chunks().0, OFFSET, out);
    } else {
        portable::multiply_one(matrix, pixel, out);
    }
}

/// Adds the products of a row of activations with the steps of all channels from step `first` on to `sums`.
#[target_feature(enable = "avx2")]
pub fn accumulate(matrix: &PackedMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]) {
    let (fours, rest) = row.as_chunks();
    let mut room = Room::new();
    let mut step = index.wrapping_mul(row.len().div_ceil(PackedMatrix::GRAIN));
    for pixel in fours.as_chunks::<1>().0.chunks(VECTORS * STEPS) {
        let products = Products::new(matrix, step, pixel, OFFSET, &mut room);
        for (sums, pair) in sums.chunks_mut(EIGHT).zip((0..matrix.pairs()).step_by(BLOCK)) {
            let [of_eight] = products.of(pair);
            let of_eight: [i32; EIGHT] = bytemuck::must_cast(of_eight);
            sums.iter_mut().zip(of_eight).for_each(|(sum, product)| *sum = sum.wrapping_add(product));
        }
        step = step.wrapping_add(pixel.len());
    }
    if !rest.is_empty() {
        portable::accumulate_from(matrix, step, rest, sums);
    }
}

/// Products of `P` pixels with all channels, requantized.
#[target_feature(enable = "avx2")]
fn outputs<const P: usize>(matrix: &PackedMatrix<'_>, pixels: &[[Four; P]], offset: u32, out: &mut Output<'_>) {
    let mut room = Room::new();
    let products = Products::new(matrix, 0, pixels, offset, &mut room);
    for first in (0..matrix.channels()).step_by(EIGHT) {
        let kept = matrix.channels().wrapping_sub(first);
        let [init, multiplier] = products.edges(first >> 1);
        let mut start = first;
        for products in products.of(first >> 1) {
            let outputs = high_words(_mm256_add_epi32(init, products), multiplier, out.zero_point);
            store(outputs, kept, out.elements.get_mut(start..).unwrap_or_default());
            start = start.wrapping_add(out.stride);
        }
    }
}

/// Room for the vectors of `P` pixels.
struct Room<const P: usize>([MaybeUninit<[Laid; P]>; VECTORS]);

impl<const P: usize> Room<P> {
    #[inline]
    fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; VECTORS])
    }

    /// Lays pixels out in vectors, each step twice, for two channels; zeros behind the last step. As many as there is room
    /// for.
    #[target_feature(enable = "avx2")]
    fn lay_out(&mut self, pixels: &[[Four; P]], offset: u32) -> &[[Laid; P]] {
        let (whole, rest) = pixels.as_chunks::<STEPS>();
        for (laid, steps) in self.0.iter_mut().zip(whole) {
            laid.write(vectors(steps, offset));
        }
        let mut len = whole.len().min(VECTORS);
        if let (Some(laid), false) = (self.0.get_mut(len), rest.is_empty()) {
            let zero = bytemuck::must_cast(offset);
            let mut last = [[zero; P]; STEPS];
            last.iter_mut().zip(rest).for_each(|(last, &step)| *last = step);
            laid.write(vectors(&last, offset));
            len = len.wrapping_add(1);
        }
        // SAFETY: as many have been written.
        unsafe { self.0.get(..len).unwrap_or_default().assume_init_ref() }
    }
}

/// The products of `P` pixels with weights.
struct Products<'a, const P: usize> {
    matrix: &'a PackedMatrix<'a>,
    /// First step.
    first: usize,
    laid: &'a [[Laid; P]],
    /// Vectors whose weights are all there.
    whole: usize,
    /// Words of the vector behind them that belong to its weights.
    mask: __m256i,
}

impl<'a, const P: usize> Products<'a, P> {
    /// Those of the steps from `first` on.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new(
        matrix: &'a PackedMatrix<'a>,
        first: usize,
        pixels: &[[Four; P]],
        offset: u32,
        room: &'a mut Room<P>,
    ) -> Self {
        let steps = matrix.steps().saturating_sub(first);
        let laid = room.lay_out(pixels.get(..steps).unwrap_or(pixels), offset);
        let last = (steps.wrapping_mul(2) & (2 * STEPS - 1)) as i32;
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(last), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        Self { matrix, first, laid, whole: laid.len().min(steps >> 2), mask }
    }

    /// The run of a pair of channels; behind the last one, that one.
    #[inline]
    fn run(&self, pair: usize) -> *const u32 {
        let pair = pair.min(self.matrix.pairs().wrapping_sub(1));
        self.matrix.words().as_ptr().wrapping_add(pair.wrapping_mul(self.matrix.run_len()))
    }

    /// Initial accumulators and multipliers of four pairs of channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn edges(&self, pair: usize) -> [__m256i; 2] {
        let mut edges = [[0u64; BLOCK]; 2];
        let [init, multiplier] = &mut edges;
        for (index, (init, multiplier)) in init.iter_mut().zip(multiplier).enumerate() {
            let run = self.run(pair.wrapping_add(index));
            let end = run.wrapping_add(self.matrix.run_len().wrapping_sub(EDGE));
            // SAFETY: a run begins with two words of initial accumulators and ends with two of multipliers.
            (*init, *multiplier) = unsafe { (run.cast::<u64>().read_unaligned(), end.cast::<u64>().read_unaligned()) };
        }
        let [init, multiplier] = edges;
        [bytemuck::must_cast(init), bytemuck::must_cast(multiplier)]
    }

    /// Those of four pairs of channels, from `pair` on, for each pixel, with 8 fraction bits; any behind the last channel.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(&self, pair: usize) -> [__m256i; P] {
        let zero = _mm256_setzero_si256();
        let mut sums = [[[zero; PAIRS]; P]; 2];
        let skipped = self.first.wrapping_mul(2).wrapping_add(EDGE);
        for (half, sums) in sums.iter_mut().enumerate() {
            let pair = pair.wrapping_add(half.wrapping_mul(PAIRS));
            let [mut lower, mut upper] = [self.run(pair), self.run(pair.wrapping_add(1))];
            (lower, upper) = (lower.wrapping_add(skipped), upper.wrapping_add(skipped));
            let mut acc = [[zero; PAIRS]; P];
            for laid in self.laid.iter().take(self.whole) {
                // SAFETY: there are weights for `whole` vectors.
                let weights = unsafe { [_mm256_loadu_si256(lower.cast()), _mm256_loadu_si256(upper.cast())] };
                multiply_add(weights, laid, &mut acc);
                (lower, upper) = (lower.wrapping_add(2 * STEPS), upper.wrapping_add(2 * STEPS));
            }
            if let Some(laid) = self.laid.get(self.whole) {
                let [lower, upper] = [lower, upper].map(<*const u32>::cast);
                // SAFETY: the mask is that of the words that are left of the run's weights.
                let weights =
                    unsafe { [_mm256_maskload_epi32(lower, self.mask), _mm256_maskload_epi32(upper, self.mask)] };
                multiply_add(weights, laid, &mut acc);
            }
            *sums = acc;
        }
        let mut reduced = [zero; P];
        let [lower, upper] = sums;
        for ((reduced, [a, b]), [c, d]) in reduced.iter_mut().zip(lower).zip(upper) {
            *reduced = reduce([a, b, c, d]);
        }
        reduced
    }
}

/// Sums the lanes of each channel: the vectors of four pairs of channels become one of eight channels.
#[target_feature(enable = "avx2")]
#[inline]
fn reduce([a, b, c, d]: [__m256i; BLOCK]) -> __m256i {
    let ab = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let cd = _mm256_add_epi32(_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    _mm256_add_epi32(_mm256_permute2x128_si256::<0x20>(ab, cd), _mm256_permute2x128_si256::<0x31>(ab, cd))
}

/// Adds the products of a vector of weights of each pair of channels.
#[target_feature(enable = "avx2")]
#[inline]
fn multiply_add<const P: usize>(lanes: [__m256i; PAIRS], laid: &[Laid; P], sums: &mut [[__m256i; PAIRS]; P]) {
    // The low bytes, those of lower lanes negated.
    let mut low = lanes;
    for low in &mut low {
        *low = _mm256_mulhi_epi16(_mm256_slli_epi16::<8>(*low), _mm256_set1_epi32(0x0100_ff00));
    }
    for (sums, [of_lanes, of_low]) in sums.iter_mut().zip(laid) {
        for ((sum, lanes), low) in sums.iter_mut().zip(lanes).zip(low) {
            let products = _mm256_add_epi32(_mm256_madd_epi16(lanes, *of_lanes), _mm256_madd_epi16(low, *of_low));
            *sum = _mm256_add_epi32(*sum, products);
        }
    }
}

/// The vectors of four steps of each pixel. Lanes are swapped in pairs; of their low bytes one of each pair is negated.
#[target_feature(enable = "avx2")]
#[inline]
fn vectors<const P: usize>(steps: &[[Four; P]; STEPS], offset: u32) -> [Laid; P] {
    let mut vectors = [[_mm256_setzero_si256(); 2]; P];
    for (pixel, vectors) in vectors.iter_mut().enumerate() {
        let mut twice = [[[0; 4]; 2]; STEPS];
        for (twice, step) in twice.iter_mut().zip(steps) {
            *twice = [step.get(pixel).copied().unwrap_or_default(); 2];
        }
        let words = _mm256_xor_si256(bytemuck::must_cast(twice), _mm256_set1_epi32(offset as i32));
        let swapped = _mm256_or_si256(_mm256_slli_epi32::<16>(words), _mm256_srli_epi32::<16>(words));
        let low = _mm256_and_si256(swapped, _mm256_set1_epi16(0xff));
        *vectors = [_mm256_sign_epi16(low, _mm256_set1_epi32(0xffff_0001_u32 as i32)), swapped];
    }
    vectors
}
