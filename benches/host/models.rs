//! Loading and running of plans.

use crate::fixture::{Fixture, int8s, load};
use criterion::{Criterion, Throughput};
use residua::engine::Engine;
use residua::plan::Plan;
use residua_quantize::aligned::AlignedBytes;

pub fn all(c: &mut Criterion) {
    let fixture = Fixture::new();
    let mut group = c.benchmark_group("res8_narrow");
    group.throughput(Throughput::Bytes(fixture.window.len() as u64));
    group.bench_function("load", |b| b.iter(|| Plan::load(&fixture.window)));

    let plan = load(&fixture.window);
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut engine = Engine::new(plan, &mut arena).expect("an arena of the plan's size");
    let (input, mut output) = (int8s(plan.input().len()), vec![0; plan.output().len()]);
    group.throughput(Throughput::Elements(1));
    group.bench_function("window", |b| b.iter(|| engine.run(&input, &mut output)));

    let plan = load(&fixture.stream);
    let mut arena = AlignedBytes::zeroed(plan.arena_len());
    let mut engine = Engine::new(plan, &mut arena).expect("an arena of the plan's size");
    let row = int8s(plan.input().row_len());
    group.bench_function("frame of a stream", |b| {
        b.iter(|| engine.push_row(&row, |_, row| _ = std::hint::black_box(row)))
    });
}
