//! Random residual graphs, run row by row and tensor by tensor: every value is equal bit for bit, at every split into
//! segments; and plans with random damage are refused or run without harm.

#[path = "random_graphs/streams.rs"]
mod streams;
#[path = "random_graphs/tiles.rs"]
mod tiles;

use proptest::prelude::*;
use residua::engine::Engine;
use residua::operators::{OPERATORS, has_epilogue};
use residua::plan::format::{HeaderRecord, STRUCTURE_START};
use residua::plan::{Checksum, Element, Plan, PlanError, state_len};
use residua_harness::{HarnessError, Options, Target};
use residua_models::function::Function;
use residua_models::graph::{PixelSource, Tensor, ValueId, Window};
use residua_models::recurrence::{Cell, Gives, Recurrence};
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::fuse::fuse;
use residua_quantize::gate::gate;
use residua_quantize::inspect::PlanReport;
use residua_quantize::lower::{RowGraph, RowNode, RowOperator, RowValue};
use residua_quantize::page::page;
use residua_quantize::qgraph::QGraph;
use residua_quantize::quantize::{Statistics, quantize};
use residua_quantize::schedule::{Heads, Memory, Objective, Schedule, ScheduleError, place, schedule, schedule_within};
use residua_quantize::write::{Extras, write};
use residua_quantize::{reference, simulate};

/// A deterministic stream of numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() % 2001) as f32 / 1000.0 - 1.0).collect()
    }
}

struct Builder {
    random: Random,
    graph: RowGraph,
}

impl Builder {
    fn value(&mut self, shape: [usize; 3]) -> usize {
        let index = self.graph.values.len();
        self.graph.values.push(RowValue {
            name: format!("v{index}"),
            shape,
            source: ValueId(index),
            strides: [0; 3],
            quantization: None,
        });
        index
    }

    fn node(&mut self, operator: RowOperator, inputs: Vec<usize>, window: Window, shape: [usize; 3]) -> usize {
        let output = self.value(shape);
        let clamp = if self.random.below(2) == 0 { [0.0, f32::INFINITY] } else { [f32::NEG_INFINITY, f32::INFINITY] };
        let name = format!("n{output}");
        self.graph.nodes.push(RowNode { name, operator, inputs, output, window, clamp, macs: 0 });
        output
    }

    fn window(&mut self, [rows, columns, _]: [usize; 3]) -> Window {
        let mut window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        for (axis, size) in [rows, columns].into_iter().enumerate() {
            window.kernel[axis] = 1 + self.random.below(4);
            window.strides[axis] = 1 + self.random.below(3);
            window.dilations[axis] = 1 + self.random.below(2);
            let extent = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
            window.pads[axis] = self.random.below(extent);
            window.pads[axis + 2] = self.random.below(extent).max(extent.saturating_sub(size + window.pads[axis]));
            // The last window starts inside the input.
            let over =
                |w: &Window| (size + w.pads[axis] + w.pads[axis + 2] - extent) / w.strides[axis] * w.strides[axis];
            while over(&window) >= size + window.pads[axis] {
                window.strides[axis] += 1;
            }
        }
        window
    }

    fn convolution(&mut self, input: usize, outputs: usize, window: Window, groups: usize) -> usize {
        let [rows, columns, inputs] = self.graph.values[input].shape;
        let [r, c] = window.output_size([rows, columns]).unwrap();
        let fan_in = inputs / groups * window.kernel[0] * window.kernel[1];
        // Few large weights among small ones, as trained layers have them, in half of the layers.
        let power = if outputs.is_multiple_of(2) { 15 } else { 1 };
        let weights = self.random.reals(fan_in * outputs).iter().map(|w| w.powi(power)).collect();
        let bias = self.random.reals(outputs);
        let pad_value = (self.random.below(3) == 0).then(|| self.random.reals(inputs));
        let operator = RowOperator::Convolution { weights, bias, groups, pad_value };
        self.node(operator, vec![input], window, [r, c, outputs])
    }

    fn pool(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        let mut window = self.window(shape);
        window.dilations = [1, 1];
        if self.random.below(2) == 0 {
            window.strides[0] = window.strides[0].max(window.kernel[0]);
        }
        for (axis, size) in shape.into_iter().take(2).enumerate() {
            window.pads[axis] = window.pads[axis].min(window.kernel[axis] - 1);
            window.pads[axis + 2] = window.kernel[axis].saturating_sub(size + window.pads[axis]);
        }
        let [r, c] = window.output_size([shape[0], shape[1]]).unwrap();
        let operator = match self.random.below(3) {
            0 => RowOperator::MaxPool,
            n => RowOperator::AveragePool { count_include_pad: n == 1 },
        };
        self.node(operator, vec![input], window, [r, c, shape[2]])
    }

    fn point(&mut self, operator: RowOperator, inputs: Vec<usize>) -> usize {
        let shape = self.graph.values[inputs[0]].shape;
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        self.node(operator, inputs, window, shape)
    }

    /// A residual block whose branch keeps the shape; the shortcut waits for it.
    fn residual(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        let [kernel, dilation] = [1 + 2 * self.random.below(3), 1 + self.random.below(2)];
        let same = (kernel - 1) / 2 * dilation;
        let window = Window { kernel: [kernel; 2], strides: [1; 2], dilations: [dilation; 2], pads: [same; 4] };
        let mut branch = input;
        for _ in 0..1 + self.random.below(2) {
            let groups = if self.random.below(2) == 0 { shape[2] } else { 1 };
            branch = self.convolution(branch, shape[2], window, groups);
        }
        self.point(RowOperator::Add { signs: [1.0, 1.0] }, vec![input, branch])
    }

    /// A residual block that is left out where its gate, worked out from the block's input, is closed (SkipNet).
    fn gated(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        let window = Window { kernel: [shape[0], shape[1]], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let mean = RowOperator::AveragePool { count_include_pad: false };
        let mean = self.node(mean, vec![input], window, [1, 1, shape[2]]);
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let score = self.convolution(mean, 1, window, 1);
        let gate = self.point(RowOperator::Function(Function::Step { threshold: 0.0 }), vec![score]);
        let window = Window { kernel: [3; 2], strides: [1; 2], dilations: [1; 2], pads: [1; 4] };
        let groups = if self.random.below(2) == 0 { shape[2] } else { 1 };
        let inner = self.convolution(input, shape[2], window, groups);
        let inner = self.point(RowOperator::Clamp, vec![inner]);
        let inner = self.convolution(inner, shape[2], window, 1);
        let product = self.point(RowOperator::Multiply, vec![inner, gate]);
        self.point(RowOperator::Add { signs: [1.0, 1.0] }, vec![input, product])
    }

    /// Two inputs of which the second may be narrower: the sums of a squeeze, or a whole tensor.
    fn pair(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        let second = if self.random.below(2) == 0 {
            let window = Window { kernel: [shape[0], shape[1]], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
            let operator = RowOperator::AveragePool { count_include_pad: false };
            self.node(operator, vec![input], window, [1, 1, shape[2]])
        } else {
            let window = Window { kernel: [3; 2], strides: [1; 2], dilations: [1; 2], pads: [1; 4] };
            let outputs = if self.random.below(2) == 0 { 1 } else { shape[2] };
            self.convolution(input, outputs, window, 1)
        };
        let operator = match self.random.below(3) {
            0 => RowOperator::Add { signs: [-1.0, 1.0] },
            1 => RowOperator::Add { signs: [1.0, -1.0] },
            _ => RowOperator::Multiply,
        };
        self.point(operator, vec![input, second])
    }

    /// Branches of different lag side by side.
    fn concat(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        let window = Window { kernel: [3; 2], strides: [1; 2], dilations: [1; 2], pads: [1; 4] };
        let outputs = 1 + self.random.below(4);
        let branch = self.convolution(input, outputs, window, 1);
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let inputs = if self.random.below(2) == 0 { vec![input, branch] } else { vec![branch, input] };
        self.node(RowOperator::Concat, inputs, window, [shape[0], shape[1], shape[2] + outputs])
    }

    fn channels(&mut self, input: usize) -> usize {
        let [rows, columns, channels] = self.graph.values[input].shape;
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let start = self.random.below(channels + 2) as i32 - 2;
        let shape = [rows, columns, 1 + self.random.below(channels + 2)];
        self.node(RowOperator::Channels { start }, vec![input], window, shape)
    }

    fn upsample(&mut self, input: usize) -> usize {
        let [rows, columns, channels] = self.graph.values[input].shape;
        let factor = 1 + self.random.below(3);
        let (kernel, pads) = ([1; 2], [0; 4]);
        let mut window = Window { kernel, strides: [1; 2], dilations: [1; 2], pads };
        let (input, source, channels) = match self.random.below(4) {
            0 => (input, PixelSource::Nearest, channels),
            1 => {
                (window.kernel, window.pads) = ([3; 2], [1; 4]);
                (input, PixelSource::Bilinear, channels)
            }
            n => {
                let outputs = 1 + self.random.below(3);
                let deep = self.convolution(input, outputs * factor * factor, window, 1);
                (deep, if n == 2 { PixelSource::DepthFirst } else { PixelSource::ColumnFirst }, outputs)
            }
        };
        let shape = [rows * factor, columns * factor, channels];
        self.node(RowOperator::Upsample { factor, source }, vec![input], window, shape)
    }

    /// The largest of some channels.
    fn max_of_channels(&mut self, input: usize) -> usize {
        let [rows, columns, channels] = self.graph.values[input].shape;
        let divisors: Vec<usize> = (1..=channels).filter(|d| channels % d == 0).collect();
        let outputs = divisors[self.random.below(divisors.len())];
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        self.node(RowOperator::MaxOfChannels, vec![input], window, [rows, columns, outputs])
    }

    /// Rows and columns at any places.
    fn resample(&mut self, input: usize) -> usize {
        let [rows, columns, channels] = self.graph.values[input].shape;
        let [rows_out, columns_out] = [rows, columns].map(|size| 1 + self.random.below(2 * size));
        let mut places = |count: usize, size: usize| {
            let steps = (0..count).map(|_| self.random.below(8 * (size - 1) + 1) as f32 / 8.0);
            steps.collect::<Vec<f32>>()
        };
        let (row_places, column_places) = (places(rows_out, rows), places(columns_out, columns));
        let highest = row_places.iter().map(|place| place.ceil() as usize).max().unwrap_or(0);
        let window = Window {
            kernel: [highest + 1, columns_out + 1],
            strides: [1; 2],
            dilations: [1; 2],
            pads: [0, columns_out, 0, 0],
        };
        let operator = RowOperator::Resample { rows: row_places, columns: column_places, upsampling: rows_out };
        self.node(operator, vec![input], window, [rows_out, columns_out, channels])
    }

    /// A recurrent layer behind its projection: from row to row, along the columns, or over all rows of one column.
    fn recurrent(&mut self, input: usize) -> usize {
        let [rows, columns, _] = self.graph.values[input].shape;
        let units = 1 + self.random.below(5);
        let cell = match self.random.below(3) {
            0 => Cell::Lstm,
            n => Cell::Gru { reset_product: n == 1 },
        };
        let mut window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let width = cell.gates() * units;
        let projected = self.convolution(input, width, window, 1);
        let carried = self.random.below(2) == 0;
        let turned = !carried && columns == 1 && self.random.below(2) == 0;
        let gives = match self.random.below(4) {
            0 => Gives::Hidden,
            1 if cell == Cell::Lstm => Gives::Memory,
            _ => Gives::Steps,
        };
        let last = gives != Gives::Steps;
        if turned || carried && last {
            window.kernel[0] = rows;
        }
        let shape = match (carried, turned) {
            (true, _) => [if last { 1 } else { rows }, columns, units],
            (_, true) => [1, if last { 1 } else { rows }, units],
            _ => [rows, if last { 1 } else { columns }, units],
        };
        let starts = if self.random.below(2) == 0 { 0.0 } else { 1.0 };
        let mut state = |len: usize| self.random.reals(len).into_iter().map(|x| x * starts).collect();
        let recurrence = Recurrence {
            cell,
            hidden: state(units),
            memory: state(if cell == Cell::Lstm { units } else { 0 }),
            bias: state(if cell == (Cell::Gru { reset_product: true }) { units } else { 0 }),
            weight: Tensor { shape: vec![width, units], data: self.random.reals(width * units) },
            reverse: !carried && self.random.below(2) == 0,
            gives,
        };
        assert!(recurrence.is_sound());
        self.node(RowOperator::Recurrence { recurrence, carried }, vec![projected], window, shape)
    }

    /// The graph with random ranges; `wide` of two values are int16.
    fn quantized(mut self, wide: usize) -> QGraph {
        let ranges = (0..self.graph.values.len()).map(|_| {
            let low = -(self.random.below(40) as f32) / 10.0;
            let element = if self.random.below(2) < wide { Element::Int16 } else { Element::Int8 };
            Statistics { element, ..Statistics::from([low, low.abs() + 0.5]) }
        });
        let statistics: Vec<Statistics> = ranges.collect();
        quantize(&self.graph, &statistics).unwrap()
    }

    fn step(&mut self, input: usize) -> usize {
        let shape = self.graph.values[input].shape;
        match self.random.below(18) {
            0 => {
                let window = self.window(shape);
                let outputs = 1 + self.random.below(12);
                self.convolution(input, outputs, window, 1)
            }
            1 => {
                let window = self.window(shape);
                self.convolution(input, shape[2], window, shape[2])
            }
            2 => {
                let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
                let outputs = 1 + self.random.below(12);
                self.convolution(input, outputs, window, 1)
            }
            3 => self.pool(input),
            4 => {
                let (scale, offset) = (self.random.reals(shape[2]), self.random.reals(shape[2]));
                self.point(RowOperator::Affine { scale, offset }, vec![input])
            }
            5 => self.point(RowOperator::Clamp, vec![input]),
            // A shortcut from any earlier value of the same shape, across whatever lies between.
            6 => {
                let earlier = self.random.below(self.graph.values.len());
                let earlier = (earlier..input).find(|&v| self.graph.values[v].shape == shape).unwrap_or(input);
                self.point(RowOperator::Add { signs: [1.0, 1.0] }, vec![earlier, input])
            }
            7 => self.pair(input),
            8 => self.concat(input),
            9 => self.channels(input),
            10 if shape[0] * shape[1] < 200 => self.upsample(input),
            11 => self.point(RowOperator::Function(Function::hard_swish()), vec![input]),
            12 => self.point(RowOperator::LogSoftmax, vec![input]),
            13 => self.gated(input),
            15 => self.max_of_channels(input),
            14 if shape[0] * shape[1] < 200 => self.resample(input),
            16 => self.recurrent(input),
            _ => self.residual(input),
        }
    }
}

/// A quantized graph of `steps` random steps, possibly ending in a dense layer and a softmax.
fn random_graph(seed: u64, steps: usize) -> QGraph {
    // None, some or all of the values are int16.
    random_graph_of(seed, steps, seed as usize % 3)
}

/// The same with `wide` halves of the values int16.
fn random_graph_of(seed: u64, steps: usize, wide: usize) -> QGraph {
    let mut b = Builder { random: Random(seed | 1), graph: RowGraph::default() };
    for _ in 0..8 {
        b.random.next();
    }
    let shape = [1 + b.random.below(14), 1 + b.random.below(9), 1 + b.random.below(5)];
    let mut last = b.value(shape);
    for _ in 0..steps {
        last = b.step(last);
    }
    if b.random.below(2) == 0 {
        let [rows, columns, channels] = b.graph.values[last].shape;
        let (weights, bias) = (b.random.reals(rows * columns * channels * 3), b.random.reals(3));
        let window = Window { kernel: [rows, columns], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        last = b.node(RowOperator::Dense { weights, bias }, vec![last], window, [1, 1, 3]);
        last = b.point(RowOperator::Softmax, vec![last]);
    }
    b.graph.outputs = vec![last];
    // Some graphs hand out values from their middle too.
    if b.random.below(3) == 0 && last > 1 {
        let other = 1 + b.random.below(last - 1);
        b.graph.outputs.push(other);
    }
    b.quantized(wide)
}

/// The same graph with gates and residual adds in convolutions.
fn random_fused_graph(seed: u64, steps: usize) -> QGraph {
    fuse(gate(random_graph(seed, steps)))
}

fn input(plan: &Plan<'_>, seed: u64) -> Vec<i8> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..plan.input().len()).map(|_| random.next() as i8).collect()
}

/// Buffers that are live at once lie apart, none lies across the fast region's end, nothing ever needs more than the lower bound, and constants add up.
fn report_is_sound(plan: &Plan<'_>, schedule: &Schedule) {
    let report = PlanReport::of(plan);
    assert_eq!(report.arena_lower_bound, schedule.lower_bound as usize);
    let fast = schedule.fast as usize;
    for buffer in &report.memory {
        let [start, end] = [0, buffer.bytes].map(|len| buffer.offset as usize + len);
        assert!(end <= fast || start >= fast, "{buffer:?} lies across {fast}");
    }
    assert_eq!(report.steps.iter().map(|s| s.constants_bytes).sum::<usize>(), report.constants_bytes);
    let mut most = 0;
    for (step, index) in report.steps.iter().zip(0..) {
        let mut live: Vec<_> = report.memory.iter().filter(|b| b.is_live(index, step.segment)).collect();
        live.sort_by_key(|b| b.offset);
        for pair in live.windows(2) {
            assert!(pair[0].offset as usize + pair[0].bytes <= pair[1].offset as usize, "{pair:?} at step {index}");
        }
        assert!(live.last().is_some_and(|b| b.offset as usize + b.bytes <= report.arena_bytes));
        most = most.max(live.iter().map(|b| b.bytes.next_multiple_of(4)).sum());
    }
    assert!(report.peak.bytes <= most && most <= report.arena_lower_bound);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_equal_tensors(seed in any::<u64>(), steps in 1usize..10, splits in any::<u64>()) {
        let graph = random_fused_graph(seed, steps);
        let mut segment = 0;
        let random_split: Vec<u16> = (0..graph.steps.len()).map(|s| {
            segment += u16::from(s > 0 && splits >> (s % 64) & 1 == 1);
            segment
        }).collect();
        let [passing, all] = [Heads::Passing, Heads::All].map(|heads| place(&graph, &random_split, heads));
        let smallest = schedule(&graph);
        let budget = smallest.arena_len + splits as u32 % 500;
        let within = |objective| schedule_within(&graph, objective, &Memory { ram: Some(budget), fast: 0 }).unwrap();
        let [latency, flash] = [Objective::Latency, Objective::Flash].map(within);
        prop_assert!(latency.arena_len <= budget && flash.arena_len <= budget);
        prop_assert!(flash.segment_count() <= smallest.segment_count());
        prop_assert_eq!(schedule_within(&graph, Objective::Flash, &Memory::default()).unwrap().segment_count(), 1);
        let fast = splits as u32 >> 16 & 0x7ff;
        let hot = schedule_within(&graph, Objective::Ram, &Memory { ram: None, fast });
        if let Err(error) = &hot {
            let needed = state_len(graph.values.len(), graph.steps.len()) as u32;
            prop_assert!(matches!(error, ScheduleError::Fast { needed: n, .. } if *n > fast && *n >= needed), "{error}");
        }
        for schedule in [passing, all, smallest, latency, flash].into_iter().chain(hot) {
            prop_assert!(schedule.arena_len >= schedule.lower_bound);
            let bytes = write(&graph, &schedule, &Extras::default()).unwrap();
            let plan = Plan::load(&bytes).unwrap();
            report_is_sound(&plan, &schedule);
            let input = input(&plan, seed);
            let rows = simulate::run_values(&plan, &input).unwrap();
            for (index, (rows, tensor)) in rows.iter().zip(reference::run_values(&plan, &input)).enumerate() {
                let step = index.checked_sub(1).and_then(|s| graph.steps.get(s));
                prop_assert!(*rows == tensor, "value {} of {:?}: {:?} instead of {:?}", index, step.map(|s| (&s.name, &s.record)), rows, tensor);
            }
            let mut arena = AlignedBytes::zeroed(plan.arena_len());
            Engine::new(plan, &mut arena).unwrap().self_test().unwrap();
        }
    }

    #[test]
    fn fusing_changes_no_bit(seed in any::<u64>(), steps in 1usize..10) {
        let graph = random_graph(seed, steps);
        let fused = fuse(gate(graph.clone()));
        let macs = |graph: &QGraph| graph.steps.iter().map(|s| s.macs).sum::<u64>();
        prop_assert_eq!(macs(&graph), macs(&fused));
        let outputs = |graph: &QGraph| {
            let bytes = write(graph, &schedule(graph), &Extras::default()).unwrap();
            let plan = Plan::load(&bytes).unwrap();
            let values = simulate::run_values(&plan, &input(&plan, seed)).unwrap();
            (graph.first_output() == usize::from(plan.output_value()), graph.outputs.iter().map(|&o| values[o].clone()).collect::<Vec<_>>())
        };
        prop_assert_eq!(outputs(&graph), outputs(&fused));
    }

    /// Random bytes of the structure are changed and the checksum is made to match again: the plan is refused, or it runs
    /// to the end without a panic, and can be described.
    #[test]
    fn damage_behind_the_checksum_does_no_harm(
        seed in any::<u64>(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let graph = random_fused_graph(seed, 3);
        let mut bytes = write(&graph, &schedule(&graph), &Extras::default()).unwrap();
        let mut header = HeaderRecord::read(&bytes).unwrap();
        let structure = STRUCTURE_START..header.constants as usize;
        for (at, value) in damage {
            bytes[structure.start + at.index(structure.len())] = value;
        }
        header = HeaderRecord::read(&bytes).unwrap();
        if let Some(structure) = bytes.get(STRUCTURE_START..header.constants as usize) {
            let sum = Checksum::of(structure);
            bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        }
        if let Ok(plan) = Plan::load(&bytes) {
            page(&PlanReport::of(&plan), None);
        }
        if let Ok(plan) = Plan::load(&bytes) && plan.arena_len() < 1 << 24 && plan.input().len() < 1 << 20 && plan.input().rows < 1000 {
            let mut arena = AlignedBytes::zeroed(plan.arena_len());
            let mut engine = Engine::new(plan, &mut arena).unwrap();
            let row = vec![1i8; plan.input().row_len()];
            let mut total = 0u64;
            for _ in 0..plan.input().rows.min(200) {
                engine.push_row(&row, |_, row| total += row.len() as u64).unwrap();
            }
        }
    }

    /// A value that is made int16 behind the back of the operators that read and write it.
    #[test]
    fn operators_refuse_types_that_they_do_not_take(seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let mut graph = random_graph_of(seed, 3, 0);
        let value = at.index(graph.values.len());
        let touching = graph.steps.iter().filter(|s| s.output == value || s.inputs.contains(&value));
        // Recurrent layers take both types, each port by itself.
        prop_assume!(!touching.map(|s| name(s.record.operator)).all(|name| name.starts_with("Recurrent")));
        (graph.values[value].element, graph.values[value].zero_point) = (Element::Int16, 0);
        let refused = write(&graph, &schedule(&graph), &Extras::default()).unwrap_err();
        prop_assert!(matches!(refused, PlanError::Element(_) | PlanError::Geometry(_)), "{refused}");
    }

    #[test]
    fn a_flipped_bit_is_noticed(seed in any::<u64>(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let graph = random_graph(seed, 2);
        let mut bytes = write(&graph, &schedule(&graph), &Extras::default()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Plan::load(&bytes).and_then(|p| p.verify_constants()).is_err());
    }
}

fn name(code: u8) -> &'static str {
    OPERATORS.iter().find(|(c, _)| *c == code).unwrap().1
}

/// Both convolutions of a gated block wait for the gate, unless the model hands out what they compute.
#[test]
fn convolutions_learn_of_their_gate() {
    let gated = |outputs: &[usize]| {
        let mut b = Builder { random: Random(5), graph: RowGraph::default() };
        let input = b.value([6, 5, 3]);
        let last = b.gated(input);
        b.graph.outputs = outputs.iter().map(|back| last - back).collect();
        gate(b.quantized(0)).steps.iter().filter(|s| has_epilogue(s.record.operator) && s.inputs.len() == 2).count()
    };
    // Before the last value come the product, and before that the second convolution.
    assert_eq!([gated(&[0]), gated(&[0, 1]), gated(&[0, 2])], [2, 2, 0]);
}

/// The kernels of each instruction set compute what the host does.
#[test]
fn emulated_cores_equal_the_host() {
    residua_harness::install().unwrap();
    let options = Options { all_operators: true, ..Options::default() };
    for seed in 0..20 {
        let graph = random_fused_graph(seed, 8);
        let bytes = write(&graph, &schedule(&graph), &Extras::default()).unwrap();
        let plan = Plan::load(&bytes).unwrap();
        let input = input(&plan, seed);
        let (mut arena, mut expected) = (AlignedBytes::zeroed(plan.arena_len()), vec![0; plan.output().len()]);
        Engine::new(plan, &mut arena).unwrap().run(&input, &mut expected).unwrap();
        for &target in Target::ALL {
            match residua_harness::run(target, &bytes, std::slice::from_ref(&input), &options) {
                Ok(on_core) => assert_eq!(on_core.outputs, [&expected[..]], "seed {seed} on {target}"),
                // The smallest boards do not take every graph.
                Err(HarnessError::NoMemory { .. } | HarnessError::TooLarge { .. }) => {}
                Err(error) => panic!("seed {seed} on {target}: {error}"),
            }
        }
    }
}

/// Weights are packed for the core that a plan is put on; cores that read another packing say so.
#[test]
fn a_plan_for_another_core_is_refused_with_a_remedy() {
    residua_harness::install().unwrap();
    let graph = random_graph(5, 8);
    let lanes = write(&graph, &schedule(&graph), &Extras::default()).unwrap();
    let vectors = residua_harness::packed_for(Target::CortexM55, &lanes).unwrap();
    let halves = residua_harness::packed_for(Target::Riscv32Imc, &lanes).unwrap();
    let quads = residua_harness::packed_for(Target::CortexM3, &lanes).unwrap();
    assert_eq!(residua_harness::packed_for(Target::CortexM4, &lanes).unwrap(), lanes.to_vec());
    assert_eq!(Plan::load(&AlignedBytes::from(&vectors)).unwrap_err(), PlanError::Packing(1));
    assert_eq!(Plan::load(&AlignedBytes::from(&halves)).unwrap_err(), PlanError::Packing(2));
    assert_eq!(Plan::load(&AlignedBytes::from(&quads)).unwrap_err(), PlanError::Packing(3));
    residua_harness::load(Target::CortexM55, &vectors).unwrap();
    residua_harness::load(Target::Riscv32Imc, &halves).unwrap();
    residua_harness::load(Target::CortexM3, &quads).unwrap();
    // Says that it is in lanes; the host cannot load it and leaves it as it is.
    let mut header = HeaderRecord::read(&vectors).unwrap();
    header.packing = 0;
    let mut mislabelled = vectors.clone();
    header.write(&mut mislabelled).unwrap();
    for (target, plan, packing, remedy) in [
        (Target::CortexM4, &vectors, 1, "`residua compile`"),
        (Target::CortexM4, &halves, 2, "`residua compile`"),
        (Target::CortexM4, &quads, 3, "`residua compile`"),
        (Target::CortexM55, &mislabelled, 0, "`residua pack --target`"),
    ] {
        let error = PlanError::Packing(packing);
        assert!(error.to_string().contains(remedy), "{error}");
        match residua_harness::load(target, plan) {
            Err(HarnessError::Refused { log, .. }) => {
                assert!(log.iter().any(|line| line.contains(&format!("{error:?}"))), "{log:?}");
            }
            other => panic!("{target}: {other:?}"),
        }
    }
}

#[test]
fn cut_off_and_foreign_bytes_are_refused() {
    let graph = random_graph(3, 3);
    let bytes = write(&graph, &schedule(&graph), &Extras::default()).unwrap();
    for len in 0..bytes.len() {
        assert!(Plan::load(&AlignedBytes::from(&bytes[..len])).is_err(), "{len}");
    }
    assert_eq!(Plan::load(&AlignedBytes::from(vec![7; 500])).unwrap_err(), PlanError::NotAPlan);
    let mut shifted = AlignedBytes::zeroed(bytes.len() + 1);
    shifted[1..].copy_from_slice(&bytes);
    assert_eq!(Plan::load(&shifted[1..]).unwrap_err(), PlanError::Misaligned);
}
