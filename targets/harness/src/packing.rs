//! Packs a plan's weights anew for a core whose kernels read another packing than that of plans on disk.

use crate::Target;
use crate::aligned::aligned;
use residua::kernels::halves::{self, HalvesMatrix};
use residua::kernels::nines::{Nine, PackedNines};
use residua::kernels::packed::{self, PackedMatrix};
use residua::kernels::quads::{self, QuadMatrix};
use residua::kernels::taps::PackedTaps;
use residua::kernels::tiles::{self, PackedTiles};
use residua::kernels::vectors::{VectorMatrix, VectorTaps, pack_matrix, pack_taps};
use residua::kernels::{PACKING, Packing};
use residua::operators::geometry::Geometry;
use residua::operators::{OPERATORS, Operator, Winograd};
use residua::plan::format::{HeaderRecord, NONE, STRUCTURE_START, StepRecord};
use residua::plan::{Checksum, Plan, PlanError};
use std::collections::{BTreeMap, BTreeSet};

/// A plan, as it lies on disk, in the packing that the kernels of a core read. It starts at a multiple of 16, and constants
/// of its steps follow one another, as the compiler writes them.
///
/// Its steps then compute what they did, the same rows in the same buffers, so that the checksums of the golden input hold.
/// A plan that cannot be loaded is given back as it is: the core refuses it too.
///
/// # Errors
/// A step's constants are not those of its shapes, a depthwise kernel has a weight of −128, or a multiplier is negative or too large.
pub fn packed_for(target: Target, plan: &[u8]) -> Result<Vec<u8>, PlanError> {
    match (target.packing(), Plan::load(plan)) {
        (Packing::Lanes, Ok(plan)) if target.description().tiles && PACKING == Packing::Lanes => tiled(plan),
        (packing, Ok(plan)) if packing != Packing::Lanes && PACKING == Packing::Lanes => {
            Packed::new(plan, packing, BTreeSet::new()).pack()
        }
        _ => Ok(plan.to_vec()),
    }
}

/// Fewest input channels of a convolution that pays by tiles: transforming costs more, for each product, the fewer there are.
const TILED_INPUTS: usize = 8;

/// A plan whose convolutions of 3×3 taps are computed by tiles where the scratch that it has is enough: the arena stays as it is.
fn tiled(plan: Plan<'_>) -> Result<Vec<u8>, PlanError> {
    let (mut best, mut tiled) = (plan.bytes().to_vec(), BTreeSet::new());
    for index in 0..plan.step_count() {
        let Some(Operator::Convolution(_)) = plan.operator(index) else { continue };
        let fits = |step: &StepRecord| {
            let geometry = geometry(&plan, step);
            step.groups == 1 && geometry.is_some_and(|g| g.channels_in >= TILED_INPUTS && Winograd::fits(&g))
        };
        if plan.step(index).as_ref().is_some_and(fits) {
            tiled.insert(index);
            let packed = Packed::new(plan, Packing::Lanes, tiled.clone()).pack()?;
            if Plan::load(aligned(&packed).bytes()).is_ok() {
                best = packed;
            } else {
                tiled.remove(&index);
            }
        }
    }
    Ok(best)
}

/// The geometry of a step.
fn geometry(plan: &Plan<'_>, step: &StepRecord) -> Option<Geometry> {
    Some(Geometry::of(step, &plan.value(step.input)?, &plan.value(step.output)?))
}

/// The code of an operator in a plan.
fn code_of(name: &str) -> Option<u8> {
    OPERATORS.iter().find(|&&(_, other)| other == name).map(|&(code, _)| code)
}

/// Numbers of the channels of a layer.
#[derive(Default)]
struct Channels {
    /// Output channel outermost.
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<i32>,
}

impl Channels {
    /// `channels` output channels of `fan_in` weights each; `weight` is asked for channel and place.
    fn of(
        channels: usize,
        fan_in: usize,
        weight: impl Fn(usize, usize) -> i8,
        bias: impl Fn(usize) -> i32,
        multiplier: impl Fn(usize) -> i32,
    ) -> Self {
        let mut of = Self::default();
        (0..channels).for_each(|o| of.push(bias(o), (0..fan_in).map(|k| weight(o, k)), multiplier(o)));
        of
    }

    fn push(&mut self, bias: i32, weights: impl IntoIterator<Item = i8>, multiplier: i32) {
        self.biases.push(bias);
        self.weights.extend(weights);
        self.multipliers.push(multiplier);
    }

    fn matrix(&self, packing: Packing) -> Option<Vec<u8>> {
        let channels = self.biases.len();
        let fan_in = self.weights.len().checked_div(channels)?;
        let len = match packing {
            Packing::Lanes => PackedMatrix::len(fan_in, channels),
            Packing::Vectors => VectorMatrix::len(fan_in, channels),
            Packing::Halves => HalvesMatrix::len(fan_in, channels),
            Packing::Quads => QuadMatrix::len(fan_in, channels),
        };
        let pack = match packing {
            Packing::Lanes => packed::pack,
            Packing::Vectors => pack_matrix,
            Packing::Halves => halves::pack,
            Packing::Quads => quads::pack,
        };
        let mut words = vec![0; len?];
        pack(&self.weights, &self.biases, &self.multipliers, &mut words)?;
        Some(bytes(&words))
    }

    fn tiles(&self, inputs: usize) -> Option<Vec<u8>> {
        let mut words = vec![0; PackedTiles::len(inputs, self.biases.len())?];
        tiles::pack(&self.weights, &self.biases, &self.multipliers, &mut words)?;
        Some(bytes(&words))
    }

    fn taps(&self) -> Option<Vec<u8>> {
        let channels = self.biases.len();
        let mut words = vec![0; VectorTaps::len(self.weights.len().checked_div(channels)?, channels)?];
        pack_taps(&self.weights, &self.biases, &self.multipliers, &mut words)?;
        Some(bytes(&words))
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A plan on the way from lanes to another packing.
struct Packed<'p> {
    plan: Plan<'p>,
    packing: Packing,
    /// Steps that are to be computed by tiles.
    tiled: BTreeSet<u16>,
    header: HeaderRecord,
    constants: &'p [u8],
    /// Where constants begin, and where the last ones end.
    bounds: Vec<u32>,
    /// The new constants.
    out: Vec<u8>,
    /// Where those are now that are kept.
    moved: BTreeMap<u32, u32>,
}

impl<'p> Packed<'p> {
    fn new(plan: Plan<'p>, packing: Packing, tiled: BTreeSet<u16>) -> Self {
        let header = HeaderRecord::read(plan.bytes()).unwrap_or_default();
        let constants = plan.bytes().get(header.constants as usize..).unwrap_or_default();
        let steps = (0..plan.step_count()).filter_map(|index| plan.step(index));
        let offsets = steps.flat_map(|step| [step.channel_parameters, step.weights, step.padding]);
        let mut bounds: Vec<u32> = offsets.filter(|&offset| offset != NONE).chain([constants.len() as u32]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        Self { plan, packing, tiled, header, constants, bounds, out: Vec::new(), moved: BTreeMap::new() }
    }

    fn pack(mut self) -> Result<Vec<u8>, PlanError> {
        let mut bytes = self.plan.bytes().get(..self.header.constants as usize).unwrap_or_default().to_vec();
        for index in 0..self.plan.step_count() {
            let step = self.step(index).ok_or(PlanError::Constants(index))?;
            let start = self.header.steps as usize + usize::from(index) * StepRecord::LEN;
            bytes.get_mut(start..).and_then(|bytes| step.write(bytes)).ok_or(PlanError::Section)?;
        }
        self.header.packing = self.packing as u32;
        self.header.total_len = (bytes.len() + self.out.len()) as u32;
        self.header.constants_checksum = Checksum::of(&self.out);
        // The checksum is over what stands behind it.
        self.header.write(&mut bytes).ok_or(PlanError::Section)?;
        self.header.structure_checksum = Checksum::of(bytes.get(STRUCTURE_START..).unwrap_or_default());
        self.header.write(&mut bytes).ok_or(PlanError::Section)?;
        bytes.append(&mut self.out);
        Ok(bytes)
    }

    /// A step whose constants are added to the new ones; `None` where they are not those of its shapes.
    fn step(&mut self, index: u16) -> Option<StepRecord> {
        let mut step = self.plan.step(index)?;
        let input = self.plan.value(step.input)?;
        let g = geometry(&self.plan, &step)?;
        let taps = g.kernel.iter().product::<usize>();
        let at = step.weights;
        let vectors = self.packing == Packing::Vectors;
        let lanes = self.packing == Packing::Lanes;
        let weights = match self.plan.operator(index)? {
            Operator::Convolution(_) if self.tiled.contains(&index) => {
                step.operator = code_of("Winograd")?;
                Some(self.channels(at, 9 * g.channels_in, g.channels_out)?.tiles(g.channels_in)?)
            }
            Operator::Winograd(_) if !lanes => {
                step.operator = code_of("Convolution")?;
                Some(self.channels_of_tiles(at, g.channels_in, g.channels_out)?.matrix(self.packing)?)
            }
            _ if lanes => None,
            Operator::Convolution(_) => {
                let groups = usize::from(step.groups);
                let (inputs, outputs) = (g.channels_in.checked_div(groups)?, g.channels_out.checked_div(groups)?);
                Some(self.matrices(at, groups, outputs, [1, taps * inputs])?)
            }
            Operator::Pointwise(_) => Some(self.matrices(at, 1, g.channels_out, [1, g.channels_in])?),
            Operator::Dense(_) => Some(self.matrices(at, 1, g.channels_out, [g.rows_in as usize, g.row_in()])?),
            Operator::Depthwise(_) if vectors => Some(self.taps(at, taps, g.channels_in)?),
            Operator::Depthwise3(_) if vectors => Some(self.nines(at, g.channels_in)?),
            _ => None,
        };
        step.padding = match self.plan.operator(index)? {
            Operator::Depthwise(_) if vectors && step.padding == NONE => {
                self.add(&vec![input.zero_point as u8; g.channels_in])
            }
            Operator::Depthwise3(_) if vectors => {
                let padding = self.kernels_of_nine(at, g.channels_in)?.map(|nine| nine.padding as u8);
                self.add(&padding.collect::<Vec<_>>())
            }
            _ => self.keep(step.padding)?,
        };
        step.weights = match weights {
            Some(weights) => self.add(&weights),
            None => self.keep(at)?,
        };
        step.channel_parameters = self.keep(step.channel_parameters)?;
        Some(step)
    }

    /// The matrices of groups of output channels, each input of so many pieces of so many elements.
    fn matrices(&self, offset: u32, groups: usize, outputs: usize, [pieces, piece]: [usize; 2]) -> Option<Vec<u8>> {
        // A single piece is filled up by the form itself.
        let filled = |grain| if pieces > 1 { piece.next_multiple_of(grain) } else { piece };
        let grain = if self.packing == Packing::Vectors { VectorMatrix::GRAIN } else { PackedMatrix::GRAIN };
        let (from, to) = (filled(PackedMatrix::GRAIN), filled(grain));
        let len = PackedMatrix::len(from * pieces, outputs)?;
        let words = self.words(offset, len.checked_mul(groups)?)?;
        let mut out = Vec::new();
        for words in words.chunks_exact(len) {
            let matrix = PackedMatrix::new(words, from * pieces, outputs)?;
            let weight = |o: usize, k: usize| {
                let (y, i) = (k / to, k % to);
                if i < piece { matrix.weight(o, y * from + i) } else { 0 }
            };
            let channels = Channels::of(outputs, to * pieces, weight, |o| matrix.bias(o), |o| matrix.multiplier(o));
            out.extend(channels.matrix(self.packing)?);
        }
        Some(out)
    }

    /// The output channels of a matrix in one piece.
    fn channels(&self, offset: u32, fan_in: usize, outputs: usize) -> Option<Channels> {
        let words = self.words(offset, PackedMatrix::len(fan_in, outputs)?)?;
        let matrix = PackedMatrix::new(&words, fan_in, outputs)?;
        let weight = |o: usize, k: usize| matrix.weight(o, k);
        Some(Channels::of(outputs, fan_in, weight, |o| matrix.bias(o), |o| matrix.multiplier(o)))
    }

    /// The output channels of transformed weights.
    fn channels_of_tiles(&self, offset: u32, inputs: usize, outputs: usize) -> Option<Channels> {
        let words = self.words(offset, PackedTiles::len(inputs, outputs)?)?;
        let tiles = PackedTiles::new(&words, inputs, outputs)?;
        let weight = |o: usize, k: usize| tiles.weight(o, [k / inputs / 3, k / inputs % 3], k % inputs) as i8;
        Some(Channels::of(outputs, 9 * inputs, weight, |o| tiles.bias(o), |o| tiles.multiplier(o)))
    }

    fn taps(&self, offset: u32, taps: usize, channels: usize) -> Option<Vec<u8>> {
        let words = self.words(offset, PackedTaps::len(taps, channels)?)?;
        let packed = PackedTaps::new(&words, taps, channels)?;
        let mut of = Channels::default();
        for (bias, weights, multiplier) in (0..channels).filter_map(|c| packed.channel(c)) {
            of.push(bias, weights, multiplier);
        }
        of.taps()
    }

    fn nines(&self, offset: u32, channels: usize) -> Option<Vec<u8>> {
        let mut of = Channels::default();
        self.kernels_of_nine(offset, channels)?
            .for_each(|nine| of.push(nine.bias, nine.weights.into_iter().flatten(), nine.multiplier));
        of.taps()
    }

    fn kernels_of_nine(&self, offset: u32, channels: usize) -> Option<impl Iterator<Item = Nine> + use<>> {
        let words = self.words(offset, PackedNines::len(channels)?)?;
        let kernels: Vec<Nine> = PackedNines::new(&words, channels)?.kernels().collect();
        Some(kernels.into_iter())
    }

    fn words(&self, offset: u32, len: usize) -> Option<Vec<u32>> {
        let bytes = self.constants.get(offset as usize..)?.get(..len.checked_mul(4)?)?;
        Some(bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect())
    }

    /// Appends constants; their offset.
    fn add(&mut self, bytes: &[u8]) -> u32 {
        self.out.resize(self.out.len().next_multiple_of(4), 0);
        let offset = self.out.len() as u32;
        self.out.extend_from_slice(bytes);
        offset
    }

    /// Keeps the constants that begin at an offset, if it is one; their new offset.
    fn keep(&mut self, offset: u32) -> Option<u32> {
        if offset == NONE {
            return Some(NONE);
        }
        if let Some(&moved) = self.moved.get(&offset) {
            return Some(moved);
        }
        let end = *self.bounds.iter().find(|&&bound| bound > offset)?;
        let moved = self.add(self.constants.get(offset as usize..end as usize)?);
        self.moved.insert(offset, moved);
        Some(moved)
    }
}
