//! The audio front end.

use crate::fixture::{Fixture, int8s, load};
use criterion::{Criterion, Throughput};
use residua::frontend::Stream;

pub fn all(c: &mut Criterion) {
    let fixture = Fixture::new();
    let front_end = load(&fixture.window).front_end().expect("the model takes audio");
    let samples: Vec<i16> =
        int8s(front_end.record().sample_rate as usize).into_iter().map(|s| i16::from(s) * 256).collect();
    let mut scratch = vec![0; front_end.scratch_len()];
    let mut group = c.benchmark_group("front end");
    group.throughput(Throughput::Elements(samples.len() as u64));
    group.bench_function("a second of audio", |b| {
        b.iter(|| {
            let mut frames = 0;
            let mut stream = Stream::new(front_end, &mut scratch).expect("scratch of the front end's size");
            stream.push(&samples, |_| frames += 1);
            frames
        });
    });
}
