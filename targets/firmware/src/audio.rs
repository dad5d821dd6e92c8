//! Mode "audio": samples go through a queue, as from a microphone's interrupt, into the front end, and its feature rows
//! into the engine.

use crate::infer::refused;
use crate::report::Report;
use crate::{Job, Pool, markers, stack};
use embedded_hal::digital::OutputPin;
use heapless::spsc::Queue;
use residua::engine::{Engine, EngineError};
use residua::frontend::{FrontEnd, Stream};
use residua::plan::Plan;
use residua_mailbox::{Record, Status};

/// Samples that the driver hands over at once.
const CHUNK: usize = 256;

pub fn run(job: &Job<'_>, mut pool: Pool, report: &mut Report, led: impl OutputPin) -> Result<(), Status> {
    let plan = job.plan;
    let front_end = plan.front_end().ok_or(Status::NoFrontEnd)?;
    let samples: &[i16] = bytemuck::try_cast_slice(job.input).map_err(|_| Status::BadInput)?;
    let (arena_len, row_len) = (plan.arena_len(), plan.input().row_len());
    let scratch_len = front_end.scratch_len().saturating_mul(4);
    pool.check([arena_len, scratch_len, row_len], report)?;
    let engine = Engine::new(plan, pool.split(arena_len)?).map_err(refused)?;
    let scratch: &mut [i32] = bytemuck::try_cast_slice_mut(pool.split(scratch_len)?).map_err(|_| Status::NoMemory)?;
    let row = bytemuck::must_cast_slice_mut(pool.split(row_len)?);
    let detections = Detections::new(plan, led, pool.rest());
    let mut listener = Listener { engine, row, front_end, detections, result: Ok(()) };
    let mut stream = Stream::new(front_end, scratch).map_err(|_| Status::NoMemory)?;

    let depth = stack::depth(pool.end(), || {
        markers::start();
        listen(samples, &mut stream, &mut listener);
        markers::stop();
    });
    listener.result.map_err(refused)?;
    listener.detections.report(report);
    report.write(&Record::Stack(depth));
    Ok(())
}

/// Plays the driver and the application in turn: a chunk of samples into the queue, then all that is in the queue into
/// the front end.
#[inline(never)]
fn listen(samples: &[i16], stream: &mut Stream<'_, '_>, listener: &mut Listener<'_, '_, '_, impl OutputPin>) {
    // A queue of the standard kind holds one element less than its capacity.
    let mut queue: Queue<i16, { CHUNK + 1 }> = Queue::new();
    let (mut driver, mut application) = queue.split();
    let mut chunk = [0; CHUNK];
    for arriving in samples.chunks(CHUNK) {
        for &sample in arriving {
            // The application empties the queue before the next chunk: there is room.
            let _ = driver.enqueue(sample);
        }
        let mut len = 0usize;
        for (slot, sample) in chunk.iter_mut().zip(core::iter::from_fn(|| application.dequeue())) {
            *slot = sample;
            len = len.wrapping_add(1);
        }
        stream.push(chunk.get(..len).unwrap_or(&[]), |features| listener.hear(features));
        listener.detections.samples = listener.detections.samples.wrapping_add(len as u32);
    }
    stream.finish(|features| listener.hear(features));
}

/// Everything behind the front end.
struct Listener<'p, 'a, 'b, L> {
    engine: Engine<'p, 'a>,
    row: &'b mut [i8],
    front_end: FrontEnd<'p>,
    detections: Detections<'p, 'b, L>,
    result: Result<(), EngineError>,
}

impl<L: OutputPin> Listener<'_, '_, '_, L> {
    /// Takes one row of features. Where the model's window is full, the next begins.
    fn hear(&mut self, features: &[i32]) {
        self.front_end.quantize(features, self.row);
        let Self { engine, row, detections, result, .. } = self;
        let mut pushed = engine.push_row(row, |index, values| detections.add(index, values));
        if pushed == Err(EngineError::InputEnded) {
            engine.reset();
            pushed = engine.push_row(row, |index, values| detections.add(index, values));
        }
        if pushed.is_err() {
            *result = pushed;
        }
    }
}

/// Output rows of the stream: they light the LED at once, and are kept to be told when the counting is over.
struct Detections<'p, 'b, L> {
    plan: Plan<'p>,
    led: L,
    /// Records of (row, samples heard so far, output row), and how much of it is filled.
    kept: &'b mut [u8],
    filled: usize,
    /// Samples heard so far.
    samples: u32,
}

impl<'p, 'b, L: OutputPin> Detections<'p, 'b, L> {
    fn new(plan: Plan<'p>, led: L, memory: &'b mut [u8]) -> Self {
        Self { plan, led, kept: memory, filled: 0, samples: 0 }
    }

    fn record_len(&self) -> usize {
        self.plan.output().row_len().saturating_add(8)
    }

    fn add(&mut self, index: u32, values: &[i8]) {
        let lit = best(&self.plan, values).is_some_and(|(label, _)| !label.starts_with('_'));
        // A pin that fails shows nothing; the row is kept all the same.
        let _ = if lit { self.led.set_high() } else { self.led.set_low() };
        let len = self.record_len();
        let free = self.kept.get_mut(self.filled..).unwrap_or(&mut []);
        let Some((record, _)) = free.split_at_mut_checked(len) else { return };
        let fields = index.to_le_bytes().into_iter().chain(self.samples.to_le_bytes());
        let bytes = fields.chain(values.iter().map(|&value| value as u8));
        record.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        self.filled = self.filled.wrapping_add(len);
    }

    /// Tells all rows: to the log, and to the host's file.
    fn report(&self, report: &mut Report) {
        for record in self.kept.get(..self.filled).unwrap_or(&[]).chunks_exact(self.record_len()) {
            let Some((&index, rest)) = record.split_first_chunk() else { continue };
            let Some((&samples, values)) = rest.split_first_chunk() else { continue };
            let (index, samples) = (u32::from_le_bytes(index), u32::from_le_bytes(samples));
            if let Some((label, score)) = best(&self.plan, bytemuck::must_cast_slice(values)) {
                defmt::info!("row {} after {} samples: {} ({})", index, samples, label, score);
            }
            report.write(&Record::Row { index, values });
        }
    }
}

/// Label and real value of the largest element, the first where several are largest; `None` where the plan has no labels.
fn best<'p>(plan: &Plan<'p>, values: &[i8]) -> Option<(&'p str, f32)> {
    let output = plan.output();
    let (class, value) = output.elements(values).largest()?;
    let score = f32::from_bits(output.scale_bits) * value.wrapping_sub(output.zero_point) as f32;
    Some((plan.labels().nth(class)?, score))
}
