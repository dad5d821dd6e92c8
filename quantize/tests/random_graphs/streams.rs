//! Random graphs as streams: whatever has been pushed, every row of every value is that of the whole-frame run over a longer
//! input, bit for bit; rows of one window are those of the model's own run wherever padding below does not reach.

use super::{Random, random_graph};
use proptest::prelude::*;
use residua::engine::{Engine, Observer};
use residua::plan::Plan;
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::fuse::fuse;
use residua_quantize::qgraph::QGraph;
use residua_quantize::schedule::{Heads, place, schedule};
use residua_quantize::stream::{Reach, Sliding, Timing};
use residua_quantize::write::{Extras, write};
use residua_quantize::{reference, simulate};

/// Rows of every value so far.
struct Kept(Vec<Vec<i8>>);

impl Observer for Kept {
    fn row(&mut self, _step: u16, value: u16, _row: u32, elements: &[i8]) {
        self.0[usize::from(value)].extend_from_slice(elements);
    }
}

/// A graph that can stream, from this seed or the next that gives one.
fn streamable(seed: u64, steps: usize) -> (QGraph, Sliding) {
    let graphs = (0..).map(|more| random_graph(seed.wrapping_add(more << 32), steps));
    let mut slide = graphs.filter_map(|graph| Sliding::new(&graph).ok().map(|sliding| (graph, sliding)));
    slide.next().unwrap()
}

fn plan_bytes(graph: &QGraph) -> AlignedBytes {
    write(graph, &schedule(graph), &Extras::default()).unwrap()
}

/// The plan with one operator a segment: quick to make for graphs of many rows.
fn tensors(graph: &QGraph) -> AlignedBytes {
    let segments: Vec<u16> = (0..graph.steps.len() as u16).collect();
    write(graph, &place(graph, &segments, Heads::Passing), &Extras::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_equal_whole_frames(
        seed in any::<u64>(), steps in 1usize..9, extra in 0u32..60, chunks in proptest::collection::vec(1usize..9, 1..5),
    ) {
        let (graph, sliding) = streamable(seed, steps);
        let timing = Timing::of(&sliding);
        let endless = sliding.endless();
        let bytes = plan_bytes(&endless);
        let stream = Plan::load(&bytes).unwrap();
        prop_assert!(stream.input().rows > 1 << 24);

        // A finite stream that reaches further than what is pushed.
        let pushed = timing.window + timing.delay + extra;
        let long = fuse(sliding.over(u64::from(timing.first + pushed) / sliding.period()[0] + 2));
        let long_bytes = tensors(&long);
        let whole = Plan::load(&long_bytes).unwrap();
        let mut random = Random(seed | 1);
        let input: Vec<i8> = (0..whole.input().len()).map(|_| random.next() as i8).collect();
        let expected = reference::run_values(&whole, &input);

        let row_len = stream.input().row_len();
        let fed = &input[..pushed as usize * row_len];
        let mut arena = AlignedBytes::zeroed(stream.arena_len());
        let mut engine = Engine::new(stream, &mut arena).unwrap();
        let mut kept = Kept(vec![vec![]; stream.value_count().into()]);
        let mut rest = fed;
        let mut output_rows = 0u32;
        let reach = Reach::new(&endless);
        let output = usize::from(stream.output_value());
        for &chunk in chunks.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(chunk * row_len));
            for row in now.chunks_exact(row_len) {
                engine.push_with(|slot| slot.copy_from_slice(row), &mut kept).unwrap();
            }
            rest = later;
            // Each output row comes with the last input row that it needs.
            let so_far = (fed.len() - rest.len()) / row_len;
            let rows = kept.0[output].len() / stream.output().row_len();
            while output_rows < rows as u32 {
                prop_assert!(reach.of(output_rows).needed as usize <= so_far);
                output_rows += 1;
            }
            prop_assert!(reach.of(output_rows).needed as usize > so_far);
            if rest.is_empty() {
                break;
            }
        }
        kept.0[0] = fed.to_vec();
        for (index, (rows, tensor)) in kept.0.iter().zip(&expected).enumerate() {
            let step = index.checked_sub(1).map(|step| &long.steps[step].record);
            prop_assert!(tensor.starts_with(rows), "value {}: {:?}: {:?} instead of {:?}", index, step, rows, tensor);
        }

        // The model's own run over the first window.
        let own_bytes = plan_bytes(&graph);
        let own = Plan::load(&own_bytes).unwrap();
        prop_assert_eq!((own.input().rows, own.output().rows), (timing.window, timing.outputs));
        let window = timing.window as usize * row_len;
        let len = timing.exact as usize * own.output().row_len();
        let of_window = simulate::run(&own, &input[..window]).unwrap();
        prop_assert_eq!(&of_window[..len], &kept.0[output][..len]);
        prop_assert!(kept.0[output].len() >= own.output().len());

        // Later windows, where nothing is padded or remembered.
        let first = reach.of(0);
        if timing.exact == timing.outputs && !first.padded && !first.carried {
            let [inputs, outputs] = sliding.period().map(|n| n as usize);
            let windows = fed.windows(window).step_by(inputs * row_len);
            for (at, window) in windows.enumerate() {
                let start = at * outputs * own.output().row_len();
                let rows = kept.0[output].get(start..start + own.output().len()).unwrap();
                prop_assert_eq!(simulate::run(&own, window).unwrap(), rows);
            }
        }

        engine.self_test().unwrap();
    }
}
