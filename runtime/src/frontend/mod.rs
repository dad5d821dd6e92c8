//! The audio front end: samples to log-mel or MFCC features in fixed point, frame by frame.
//!
//! A frame of `window_len` samples is taken every `hop` samples, multiplied by a window, transformed (real FFT), summed
//! into mel bands and turned into logarithms; an optional orthonormal DCT-II gives MFCC. All parameters and tables come
//! from one section of the plan, so that training, host and device compute the same bits.
//!
//! Features are i32 with [`FRACTION_BITS`] fraction bits.
//!
//! # Section
//! A [`FrontEndRecord`], then, each at a multiple of 4 bytes:
//!
//! | table | elements | unit |
//! |---|---|---|
//! | window | `window_len` × u16 | Q15 |
//! | cosines | `fft_len / 4 + 1` × i32 | Q30, the first quarter of one turn |
//! | bands | `mel_count` × [`BandRecord`] | where each band's weights are |
//! | weights | `weight_count` × u16 | Q16, at most 1 in sum over a band |
//! | dct | `dct_count · mel_count` × i16 | Q16, row by row |

mod fft;
mod log;
pub(crate) use log::ln;
mod stream;

pub use stream::Stream;

use crate::plan::format::records;
use crate::requantize::Requantizer;

/// Fraction bits of features.
pub const FRACTION_BITS: u32 = 16;
/// Version of the section's layout.
pub const VERSION: u16 = 1;
/// Longest transform.
const MAX_FFT: usize = 4096;

records! {
    /// The first bytes of the section.
    FrontEndRecord {
        /// [`VERSION`].
        version: u16,
        /// 1 if frame `t` is centred on sample `t · hop`, the signal being reflected at its ends; 0 if it starts there.
        centered: u16,
        /// Samples a frame, even, at most `fft_len`.
        window_len: u16,
        /// Samples between frames.
        hop: u16,
        /// Length of the transform: a multiple of 4 without prime factors above 5.
        fft_len: u16,
        /// Mel bands.
        mel_count: u16,
        /// DCT coefficients kept; 0 for log-mel features.
        dct_count: u16,
        /// Weights of all bands.
        weight_count: u16,
        /// Samples a second.
        sample_rate: u32,
        /// Log-mel value of a band without energy.
        silence: i32,
        /// Smallest log-mel value of a band with energy.
        floor: i32,
        /// Multiplier from features to the model's int8 input.
        multiplier: i32,
        /// Shift from features to the model's int8 input.
        shift: u16,
        /// Zero point of the model's input.
        zero_point: i16,
    }

    /// One mel band.
    BandRecord {
        /// First bin of the spectrum.
        first: u16,
        /// Number of weights.
        count: u16,
        /// Natural logarithm of the band's gain, plus a constant of the user's choice.
        offset: i32,
    }
}

/// A front end section that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FrontEndError {
    /// The section ends before its tables do.
    Truncated,
    /// The section is of another version.
    Version(u16),
    /// Window, hop, transform length or counts are out of range.
    Parameters,
    /// A band reaches beyond the spectrum or its weights.
    Band(u16),
    /// The lent memory is shorter than [`FrontEnd::scratch_len`].
    Scratch,
}

impl core::fmt::Display for FrontEndError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => write!(f, "the front end section is cut off"),
            Self::Version(v) => write!(f, "front end version {v} is not supported: compile the model again"),
            Self::Parameters => write!(f, "window, hop, transform length or counts of the front end are out of range"),
            Self::Band(b) => write!(f, "mel band {b} reaches beyond the spectrum or its weights"),
            Self::Scratch => write!(f, "the memory lent to the front end is too short"),
        }
    }
}

impl core::error::Error for FrontEndError {}

/// A checked front end; copies share the section's bytes.
#[derive(Clone, Copy, Debug)]
pub struct FrontEnd<'p> {
    record: FrontEndRecord,
    window: &'p [u16],
    cosines: &'p [i32],
    bands: &'p [u8],
    weights: &'p [u16],
    dct: &'p [i16],
    requantizer: Requantizer,
}

impl<'p> FrontEnd<'p> {
    /// Checks a section, which must start at a multiple of 4 bytes.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn load(section: &'p [u8]) -> Result<Self, FrontEndError> {
        let record = FrontEndRecord::read(section).ok_or(FrontEndError::Truncated)?;
        if record.version != VERSION {
            return Err(FrontEndError::Version(record.version));
        }
        let fft_len = usize::from(record.fft_len);
        let sound = record.centered <= 1
            && record.window_len >= 4
            && record.window_len.is_multiple_of(2)
            && record.window_len <= record.fft_len
            && record.hop > 0
            && record.hop <= record.window_len
            && fft_len <= MAX_FFT
            && fft_len.is_multiple_of(4)
            && fft::is_smooth(fft_len >> 1)
            && (1..=256).contains(&record.mel_count)
            && record.dct_count <= record.mel_count
            && record.multiplier > 0;
        let (min, max) = (-128, 127);
        let requantizer = u8::try_from(record.shift)
            .ok()
            .and_then(|shift| Requantizer::new(shift, record.zero_point.into(), min, max))
            .filter(|_| sound)
            .ok_or(FrontEndError::Parameters)?;
        let mut tables = Tables { rest: section.get(FrontEndRecord::LEN..).unwrap_or(&[]) };
        let front_end = Self {
            record,
            window: tables.take(record.window_len.into())?,
            cosines: tables.take((fft_len >> 2).wrapping_add(1))?,
            bands: tables.take(BandRecord::LEN.wrapping_mul(record.mel_count.into()))?,
            weights: tables.take(record.weight_count.into())?,
            dct: tables.take(usize::from(record.dct_count).wrapping_mul(record.mel_count.into()))?,
            requantizer,
        };
        front_end.check_bands()?;
        Ok(front_end)
    }

    /// Bands lie within the spectrum, their weights within the table, and no sum of weights exceeds one.
    fn check_bands(&self) -> Result<(), FrontEndError> {
        let bins = (usize::from(self.record.fft_len) >> 1).wrapping_add(1);
        let mut used = 0usize;
        for (index, band) in self.bands().enumerate() {
            let end = usize::from(band.first).wrapping_add(band.count.into());
            let weights = self.weights.get(used..used.wrapping_add(band.count.into()));
            let sum = weights.map(|w| w.iter().map(|&w| u32::from(w)).fold(0, u32::saturating_add));
            if end > bins || sum.is_none_or(|sum| sum > 1 << 16) {
                return Err(FrontEndError::Band(index as u16));
            }
            used = used.wrapping_add(band.count.into());
        }
        Ok(())
    }

    fn bands(&self) -> impl Iterator<Item = BandRecord> + use<'p> {
        self.bands.chunks_exact(BandRecord::LEN).filter_map(BandRecord::read)
    }

    /// Parameters.
    pub fn record(&self) -> &FrontEndRecord {
        &self.record
    }

    /// Features a frame.
    pub fn feature_count(&self) -> usize {
        let FrontEndRecord { dct_count, mel_count, .. } = self.record;
        if dct_count > 0 { dct_count.into() } else { mel_count.into() }
    }

    /// Number of i32 that a [`Stream`] needs.
    pub fn scratch_len(&self) -> usize {
        let ring = usize::from(self.record.window_len) >> 1;
        let transforms = usize::from(self.record.fft_len).wrapping_mul(2);
        ring.wrapping_add(transforms).wrapping_add(usize::from(self.record.mel_count).wrapping_mul(2))
    }

    /// Frames of a whole signal of `samples` samples.
    pub fn frame_count(&self, samples: usize) -> usize {
        let hop = usize::from(self.record.hop);
        let whole = |n: usize| n.checked_div(hop).unwrap_or(0);
        match (self.record.centered, samples.checked_sub(self.record.window_len.into())) {
            (1, _) if samples > 0 => whole(samples).wrapping_add(1),
            (0, Some(rest)) => whole(rest).wrapping_add(1),
            _ => 0,
        }
    }

    /// Features as the model's int8 input, by the requantization formula.
    pub fn quantize(&self, features: &[i32], out: &mut [i8]) {
        for (out, &feature) in out.iter_mut().zip(features) {
            *out = self.requantizer.apply(feature, self.record.multiplier);
        }
    }
}

/// Takes typed tables off a section.
struct Tables<'p> {
    rest: &'p [u8],
}

impl<'p> Tables<'p> {
    fn take<T: bytemuck::AnyBitPattern>(&mut self, count: usize) -> Result<&'p [T], FrontEndError> {
        let len = count.checked_mul(size_of::<T>()).ok_or(FrontEndError::Truncated)?;
        let (table, rest) = self.rest.split_at_checked(len).ok_or(FrontEndError::Truncated)?;
        // The next table starts at a multiple of 4; behind the last there may be less.
        let padding = len.wrapping_neg() & 3;
        self.rest = rest.get(padding..).unwrap_or(&[]);
        bytemuck::try_cast_slice(table).map_err(|_| FrontEndError::Truncated)
    }
}
