//! Kernels: the portable form, and that of the host's instruction set, side by side. Throughput is in MACs.

use crate::fixture::int8s;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use residua::kernels::nines::{Nine, PackedNines, ThreeRows};
use residua::kernels::packed::{PackedMatrix, pack};
use residua::kernels::taps::{PackedTaps, pack_taps};
use residua::kernels::{Output, portable};

#[cfg(not(target_arch = "x86_64"))]
use residua::kernels::portable as host;
#[cfg(target_arch = "x86_64")]
use residua::kernels::x86 as host;

/// What spreads outputs of a few hundred products over the int8 range.
const MULTIPLIER: i32 = 1 << 13;

pub fn all(c: &mut Criterion) {
    for (name, fan_in, channels) in [("1×1, 24 to 144", 24, 144), ("1×1, 96 to 24", 96, 24), ("3×3, 19 to 19", 171, 19)]
    {
        products(&mut group(c, name, 3 * fan_in * channels), fan_in, channels);
    }
    one(&mut group(c, "one pixel, 1280 to 1001", 1280 * 1001), 1280, 1001);
    dense(&mut group(c, "a row of a dense layer, 640 to 128", 640 * 128), 640, 128);
    depthwise3(&mut group(c, "3×3 depthwise, 56 columns of 144 channels", 9 * 56 * 144), 56, 144);
    depthwise(&mut group(c, "depthwise pixel, 9 taps of 64 channels", 9 * 64), 9, 64);
}

fn group<'c>(c: &'c mut Criterion, name: &str, macs: usize) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(format!("kernels/{name}"));
    group.throughput(Throughput::Elements(macs as u64));
    group
}

/// Packed words of random weights.
fn packed(fan_in: usize, channels: usize) -> Vec<u32> {
    let weights: Vec<i8> = int8s(fan_in * channels).into_iter().map(|weight| weight.max(-127)).collect();
    let mut words = vec![0; PackedMatrix::len(fan_in, channels).expect("a size that is no overflow")];
    pack(&weights, &vec![0; channels], &vec![MULTIPLIER; channels], &mut words).expect("sizes that match");
    words
}

fn products(group: &mut BenchmarkGroup<'_, WallTime>, fan_in: usize, channels: usize) {
    let words = packed(fan_in, channels);
    let matrix = PackedMatrix::new(&words, fan_in, channels).expect("sizes that match");
    let pixels: Vec<u32> = int8s(3 * matrix.steps()).into_iter().map(|x| x as u32 * 0x0101_0101).collect();
    let mut out = vec![0; 3 * channels];
    for (name, multiply) in
        [("portable", portable::multiply as fn(_, &_, &_, &mut Output<'_>)), ("host", host::multiply)]
    {
        let mut out = Output { elements: &mut out, stride: channels, zero_point: 0 };
        group.bench_function(name, |b| b.iter(|| multiply(3, &matrix, &pixels, &mut out)));
    }
}

fn one(group: &mut BenchmarkGroup<'_, WallTime>, fan_in: usize, channels: usize) {
    let words = packed(fan_in, channels);
    let matrix = PackedMatrix::new(&words, fan_in, channels).expect("sizes that match");
    let (pixel, mut out) = (int8s(4 * matrix.steps()), vec![0; channels]);
    for (name, multiply) in
        [("portable", portable::multiply_one as fn(&_, &_, &mut Output<'_>)), ("host", host::multiply_one)]
    {
        let mut out = Output { elements: &mut out, stride: channels, zero_point: 0 };
        group.bench_function(name, |b| b.iter(|| multiply(&matrix, &pixel, &mut out)));
    }
}

fn dense(group: &mut BenchmarkGroup<'_, WallTime>, row_len: usize, channels: usize) {
    let words = packed(row_len, channels);
    let matrix = PackedMatrix::new(&words, row_len, channels).expect("sizes that match");
    let (row, mut sums) = (int8s(row_len), vec![0; channels]);
    for (name, accumulate) in [("portable", portable::accumulate as fn(&_, _, &_, &mut _)), ("host", host::accumulate)]
    {
        group.bench_function(name, |b| b.iter(|| accumulate(&matrix, 0, &row, &mut sums)));
    }
}

fn depthwise3(group: &mut BenchmarkGroup<'_, WallTime>, columns: usize, channels: usize) {
    let weights: Vec<[[i8; 3]; 3]> = int8s(9 * channels).as_chunks().0.as_chunks().0.to_vec();
    let kernel = |&weights| Nine { bias: 0, multiplier: MULTIPLIER, weights, padding: 0 }.pack();
    let words: Vec<u32> = weights.iter().flat_map(kernel).collect();
    let kernels = PackedNines::new(&words, channels).expect("sizes that match");
    let row = int8s(columns * channels);
    let window = ThreeRows { rows: [Some(&row); 3], stride: 1, left: true, right: true };
    let mut out = vec![0; columns * channels];
    for (name, depthwise3) in [("portable", portable::depthwise3 as fn(&_, &_, _, &mut _)), ("host", host::depthwise3)]
    {
        group.bench_function(name, |b| b.iter(|| depthwise3(&kernels, &window, 0, &mut out)));
    }
}

fn depthwise(group: &mut BenchmarkGroup<'_, WallTime>, taps: usize, channels: usize) {
    let mut words = vec![0; PackedTaps::len(taps, channels).expect("a size that is no overflow")];
    pack_taps(&int8s(taps * channels), &vec![0; channels], &vec![MULTIPLIER; channels], &mut words)
        .expect("sizes that match");
    let kernels = PackedTaps::new(&words, taps, channels).expect("sizes that match");
    let pixel = int8s(channels);
    let pixels: Vec<&[i8]> = vec![&pixel; taps];
    let mut out = vec![0; channels];
    for (name, depthwise) in [("portable", portable::depthwise as fn(&_, &_, _, &mut _)), ("host", host::depthwise)] {
        group.bench_function(name, |b| b.iter(|| depthwise(&kernels, &pixels, 0, &mut out)));
    }
}
