//! Convolutions of 3×3 taps by tiles: a plan packed for a core that computes them so gives the same outputs, on the host and on
//! emulated cores, and so does a plan that is packed from it for another core.

use super::{Builder, Random, input};
use residua::plan::Plan;
use residua_harness::{Options, Target, packed_for};
use residua_models::graph::Window;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::inspect::PlanReport;
use residua_quantize::lower::RowGraph;
use residua_quantize::qgraph::QGraph;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, place};
use residua_quantize::simulate;
use residua_quantize::write::{Extras, write};

/// Two convolutions that tiles fit, with any padding, then one whose scratch is enough for them.
fn graph(seed: u64) -> QGraph {
    let mut b = Builder { random: Random(seed | 1), graph: RowGraph::default() };
    for _ in 0..8 {
        b.random.next();
    }
    let shape = [3 + b.random.below(6), 4 * (1 + b.random.below(3)), 8 * (1 + b.random.below(2))];
    let mut last = b.value(shape);
    for _ in 0..2 {
        let left = b.random.below(3);
        let (strides, dilations) = ([1 + b.random.below(2), 1], [1 + b.random.below(2), 1]);
        let window = Window { kernel: [3, 3], strides, dilations, pads: [2, left, 2, 2 - left] };
        let outputs = 8 * (1 + b.random.below(2));
        last = b.convolution(last, outputs, window, 1);
    }
    let window = Window { kernel: [3, 3], strides: [1, 2], dilations: [1; 2], pads: [2; 4] };
    last = b.convolution(last, 48, window, 1);
    last = b.convolution(last, 4, window, 1);
    b.graph.outputs = vec![last];
    let statistics: Vec<Statistics> = b.graph.values.iter().map(|_| [-2.0, 2.0].into()).collect();
    quantize(&b.graph, &statistics).unwrap()
}

fn tiled(plan: &Plan<'_>) -> usize {
    PlanReport::of(plan).steps.iter().filter(|step| step.operator == "Winograd").count()
}

#[test]
fn tiles_equal_convolutions() {
    residua_harness::install().unwrap();
    let mut total = 0;
    for seed in 0..40 {
        let graph = graph(seed);
        let segments = vec![0; graph.steps.len()];
        let bytes = write(&graph, &place(&graph, &segments, Heads::All), &Extras::default()).unwrap();
        let plan = Plan::load(&bytes).unwrap();
        let input = input(&plan, seed);
        let expected = simulate::run(&plan, &input).unwrap();
        let packed = AlignedBytes::from(packed_for(Target::CortexM4, &bytes).unwrap());
        let by_tiles = Plan::load(&packed).unwrap();
        assert_eq!((tiled(&plan), by_tiles.arena_len()), (0, plan.arena_len()), "seed {seed}");
        assert_eq!(simulate::run(&by_tiles, &input).unwrap(), expected, "seed {seed}");
        total += tiled(&by_tiles);
        if seed < 4 {
            for target in [Target::CortexM4, Target::CortexM33, Target::CortexM3, Target::CortexM55] {
                let options = Options::default();
                let run = residua_harness::run(target, &packed, std::slice::from_ref(&input), &options).unwrap();
                assert_eq!(run.outputs, [&expected[..]], "seed {seed} on {target}");
            }
        }
    }
    assert!(total >= 40, "{total} convolutions by tiles");
}
