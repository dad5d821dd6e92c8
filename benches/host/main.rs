//! What the host computes, by criterion: `cargo bench -p residua-benches`; a part by name, as `-- kernels`.

mod fixture;
mod front_end;
mod kernels;
mod models;

criterion::criterion_group!(benches, kernels::all, models::all, front_end::all);
criterion::criterion_main!(benches);
