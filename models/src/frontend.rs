//! Design of the audio front end: parameters, the tables that the runtime reads, and the same computation in f64.

use residua::frontend::{BandRecord, FrontEnd, FrontEndError, FrontEndRecord, Stream, VERSION};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// How frequencies map to mels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// Linear below 1 kHz, logarithmic above (Slaney, Auditory Toolbox, 1998).
    Slaney,
    /// `2595 log10(1 + f / 700)` (HTK).
    Htk,
}

/// Parameters of a front end. Samples are taken as fractions of full scale (i16 / 32768).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEndSpec {
    /// Samples a second.
    pub sample_rate: u32,
    /// Samples a frame, with a periodic Hann window.
    pub window: u16,
    /// Samples between frames.
    pub hop: u16,
    /// Length of the Fourier transform.
    pub fft: u16,
    /// Whether frame `t` is centred on sample `t · hop`, the signal reflected at its ends.
    pub centered: bool,
    /// Number of mel bands.
    pub mels: u16,
    /// Lower edge of the first band in Hz.
    pub low_hz: f64,
    /// Upper edge of the last band in Hz.
    pub high_hz: f64,
    /// Mel scale.
    pub scale: MelScale,
    /// Whether each band is divided by its width (area normalization).
    pub area_normalized: bool,
    /// Smallest log-mel value, which digital silence has too; `None`: the logarithm is taken where the power is positive
    /// and 0 stands elsewhere.
    pub floor: Option<f64>,
    /// Coefficients of an orthonormal DCT-II over the log-mel values; `None` for log-mel features.
    pub dct: Option<u16>,
}

/// Parameters that do not make a front end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontEndSpecError {
    /// The text is not a front end's JSON.
    #[error("not a front end description: {0}")]
    Json(String),
    /// Frequencies are out of order or above half the sample rate.
    #[error("mel bands from {low} to {high} Hz do not fit below half the sample rate, {half} Hz")]
    Frequencies {
        /// Lower edge.
        low: f64,
        /// Upper edge.
        high: f64,
        /// Half the sample rate.
        half: f64,
    },
    /// The runtime refuses the parameters.
    #[error("front end: {0}")]
    Runtime(FrontEndError),
}

impl FrontEndSpec {
    /// 40 log-mel features over frames of 30 ms every 10 ms at 16 kHz.
    pub fn log_mel_40() -> Self {
        Self {
            sample_rate: 16_000,
            window: 480,
            hop: 160,
            fft: 512,
            centered: true,
            mels: 40,
            low_hz: 20.0,
            high_hz: 7600.0,
            scale: MelScale::Slaney,
            area_normalized: false,
            floor: Some(-7.0),
            dct: None,
        }
    }

    /// The MFCC that the published keyword-spotting ResNets were trained with ("Honk", Tang and Lin, 2017).
    pub fn mfcc_honk() -> Self {
        Self { fft: 480, high_hz: 4000.0, area_normalized: true, floor: None, dct: Some(40), ..Self::log_mel_40() }
    }

    /// Reads a description.
    ///
    /// # Errors
    /// The text is not such JSON, or the parameters do not make a front end.
    pub fn from_json(json: &str) -> Result<Self, FrontEndSpecError> {
        let spec: Self = serde_json::from_str(json).map_err(|e| FrontEndSpecError::Json(e.to_string()))?;
        spec.section(1.0, 0)?;
        Ok(spec)
    }

    /// Writes the description.
    pub fn to_json(&self) -> String {
        // A struct of numbers always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Features a frame.
    pub fn feature_count(&self) -> usize {
        self.dct.unwrap_or(self.mels).into()
    }

    /// The plan section, for a model whose int8 input has this scale and zero point.
    ///
    /// # Errors
    /// The parameters do not make a front end.
    pub fn section(&self, input_scale: f32, zero_point: i8) -> Result<Vec<u8>, FrontEndSpecError> {
        self.check()?;
        let filters = self.filters();
        let mut weights: Vec<u16> = vec![];
        let mut bands: Vec<u8> = vec![];
        for filter in &filters {
            let total: f64 = filter.weights.iter().sum();
            let own: Vec<u16> =
                filter.weights.iter().map(|w| (w / total * 65536.0).floor().min(65535.0) as u16).collect();
            let sum: f64 = own.iter().map(|&w| f64::from(w) / 65536.0).sum();
            let gain = if own.is_empty() { 1.0 } else { total / sum };
            let record = BandRecord { first: filter.first as u16, count: own.len() as u16, offset: fixed(gain.ln()) };
            let mut bytes = [0; BandRecord::LEN];
            let _ = record.write(&mut bytes);
            bands.extend(bytes);
            weights.extend(own);
        }
        // q = feature / 2^16 / scale, with a multiplier of 31 bits.
        let factor = 1.0 / (65536.0 * f64::from(input_scale));
        let shift = (30.0 - factor.log2()).floor().clamp(1.0, 62.0);
        let record = FrontEndRecord {
            version: VERSION,
            centered: self.centered.into(),
            window_len: self.window,
            hop: self.hop,
            fft_len: self.fft,
            mel_count: self.mels,
            dct_count: self.dct.unwrap_or(0),
            weight_count: weights.len() as u16,
            sample_rate: self.sample_rate,
            silence: fixed(self.floor.unwrap_or(0.0)),
            floor: self.floor.map_or(i32::MIN, fixed),
            multiplier: (factor * shift.exp2()).round().clamp(1.0, f64::from(i32::MAX)) as i32,
            shift: shift as u16,
            zero_point: zero_point.into(),
        };
        let mut section = vec![0; FrontEndRecord::LEN];
        let _ = record.write(&mut section);
        let q15 = self.window_values().into_iter().map(|w| (w * 32768.0).round() as u16);
        append(&mut section, q15.flat_map(u16::to_le_bytes));
        let quarter = usize::from(self.fft) / 4;
        let cosines =
            (0..=quarter).map(|k| ((TAU * k as f64 / f64::from(self.fft)).cos() * f64::from(1 << 30)).round() as i32);
        append(&mut section, cosines.flat_map(i32::to_le_bytes));
        append(&mut section, bands);
        append(&mut section, weights.into_iter().flat_map(u16::to_le_bytes));
        let dct = self.dct_rows().into_iter().flatten().map(|c| (c * 65536.0).round().clamp(-32768.0, 32767.0) as i16);
        append(&mut section, dct.flat_map(i16::to_le_bytes));
        FrontEnd::load(&section).map_err(FrontEndSpecError::Runtime)?;
        Ok(section)
    }

    fn check(&self) -> Result<(), FrontEndSpecError> {
        let half = f64::from(self.sample_rate) / 2.0;
        let ordered = 0.0 <= self.low_hz && self.low_hz < self.high_hz && self.high_hz <= half;
        if !ordered || !self.high_hz.is_finite() {
            return Err(FrontEndSpecError::Frequencies { low: self.low_hz, high: self.high_hz, half });
        }
        let sane = self.window > 0 && self.hop > 0 && self.fft >= 4 && (1..=256).contains(&self.mels);
        if sane { Ok(()) } else { Err(FrontEndSpecError::Runtime(FrontEndError::Parameters)) }
    }

    /// Features of a whole signal by the runtime's fixed-point code, one vector a frame.
    ///
    /// # Errors
    /// The parameters do not make a front end.
    pub fn features(&self, samples: &[i16]) -> Result<Vec<Vec<f32>>, FrontEndSpecError> {
        let section = self.section(1.0, 0)?;
        let front_end = FrontEnd::load(&section).map_err(FrontEndSpecError::Runtime)?;
        let mut scratch = vec![0; front_end.scratch_len()];
        let mut stream = Stream::new(front_end, &mut scratch).map_err(FrontEndSpecError::Runtime)?;
        let mut frames = vec![];
        let mut keep = |features: &[i32]| frames.push(features.iter().map(|&f| f as f32 / 65536.0).collect());
        stream.push(samples, &mut keep);
        stream.finish(&mut keep);
        Ok(frames)
    }

    /// The same features in f64, straight from the definitions.
    pub fn features_f64(&self, samples: &[i16]) -> Vec<Vec<f64>> {
        let (window, hop, n) = (usize::from(self.window), usize::from(self.hop), usize::from(self.fft));
        let frames = match samples.len().checked_sub(window) {
            _ if self.centered => {
                if samples.is_empty() {
                    0
                } else {
                    samples.len() / hop + 1
                }
            }
            Some(rest) => rest / hop + 1,
            None => 0,
        };
        let last = samples.len() as i64 - 1;
        let sample = |i: i64| {
            let i = i.abs();
            let i = if i > last { (2 * last - i).max(0) } else { i };
            f64::from(samples.get(i as usize).copied().unwrap_or(0)) / 32768.0
        };
        let (values, filters, dct) = (self.window_values(), self.filters(), self.dct_rows());
        (0..frames)
            .map(|t| {
                let start = (t * hop) as i64 - if self.centered { window as i64 / 2 } else { 0 };
                let frame: Vec<f64> = (0..window).map(|i| sample(start + i as i64) * values[i]).collect();
                let power: Vec<f64> = (0..=n / 2)
                    .map(|k| {
                        let angle = |i: usize| TAU * ((i * k) % n) as f64 / n as f64;
                        let re: f64 = frame.iter().enumerate().map(|(i, x)| x * angle(i).cos()).sum();
                        let im: f64 = frame.iter().enumerate().map(|(i, x)| x * angle(i).sin()).sum();
                        re * re + im * im
                    })
                    .collect();
                let mel: Vec<f64> = filters
                    .iter()
                    .map(|f| {
                        let sum: f64 = f.weights.iter().zip(&power[f.first..]).map(|(w, p)| w * p).sum();
                        match self.floor {
                            Some(floor) => sum.ln().max(floor),
                            None if sum > 0.0 => sum.ln(),
                            None => 0.0,
                        }
                    })
                    .collect();
                if dct.is_empty() {
                    return mel;
                }
                dct.iter().map(|row| row.iter().zip(&mel).map(|(c, m)| c * m).sum()).collect()
            })
            .collect()
    }

    /// The periodic Hann window.
    fn window_values(&self) -> Vec<f64> {
        let n = f64::from(self.window);
        (0..self.window).map(|i| 0.5 - 0.5 * (TAU * f64::from(i) / n).cos()).collect()
    }

    /// Triangles between neighbouring mel frequencies.
    fn filters(&self) -> Vec<Filter> {
        let (low, high) = (self.scale.mel(self.low_hz), self.scale.mel(self.high_hz));
        let edge = |i: usize| self.scale.hz(low + (high - low) * i as f64 / f64::from(self.mels + 1));
        let bin_hz = f64::from(self.sample_rate) / f64::from(self.fft);
        let bins = usize::from(self.fft) / 2 + 1;
        (0..usize::from(self.mels))
            .map(|band| {
                let [left, middle, right] = [edge(band), edge(band + 1), edge(band + 2)];
                let gain = if self.area_normalized { 2.0 / (right - left) } else { 1.0 };
                let weight = |k: usize| {
                    let hz = k as f64 * bin_hz;
                    gain * ((hz - left) / (middle - left)).min((right - hz) / (right - middle)).max(0.0)
                };
                let first = (0..bins).find(|&k| weight(k) > 0.0).unwrap_or(0);
                let weights = (first..bins).map(weight).take_while(|&w| w > 0.0).collect();
                Filter { first, weights }
            })
            .collect()
    }

    /// Rows of the orthonormal DCT-II.
    fn dct_rows(&self) -> Vec<Vec<f64>> {
        let n = f64::from(self.mels);
        (0..self.dct.unwrap_or(0))
            .map(|k| {
                let gain = if k == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
                (0..self.mels).map(|m| gain * (PI * f64::from(k) * (f64::from(m) + 0.5) / n).cos()).collect()
            })
            .collect()
    }
}

struct Filter {
    first: usize,
    weights: Vec<f64>,
}

impl MelScale {
    const SLANEY_HZ_A_MEL: f64 = 200.0 / 3.0;
    /// Mel of 1 kHz on Slaney's scale.
    const SLANEY_KNEE: f64 = 15.0;

    fn slaney_step() -> f64 {
        6.4f64.ln() / 27.0
    }

    fn mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < 1000.0 => hz / Self::SLANEY_HZ_A_MEL,
            Self::Slaney => Self::SLANEY_KNEE + (hz / 1000.0).ln() / Self::slaney_step(),
        }
    }

    fn hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < Self::SLANEY_KNEE => mel * Self::SLANEY_HZ_A_MEL,
            Self::Slaney => 1000.0 * ((mel - Self::SLANEY_KNEE) * Self::slaney_step()).exp(),
        }
    }
}

/// Q16.
fn fixed(value: f64) -> i32 {
    (value * 65536.0).round() as i32
}

/// Appends a table at the next multiple of 4.
fn append(section: &mut Vec<u8>, bytes: impl IntoIterator<Item = u8>) {
    section.extend(bytes);
    section.resize(section.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Signal to error ratio of the fixed-point features in dB, their mean left out.
    fn snr_db(spec: &FrontEndSpec, samples: &[i16]) -> f64 {
        let (fixed, real) = (spec.features(samples).unwrap(), spec.features_f64(samples));
        assert_eq!((fixed.len(), fixed[0].len()), (real.len(), spec.feature_count()));
        let real: Vec<f64> = real.into_iter().flatten().collect();
        let mean = real.iter().sum::<f64>() / real.len() as f64;
        let signal: f64 = real.iter().map(|r| (r - mean).powi(2)).sum();
        let error: f64 = fixed.iter().flatten().zip(&real).map(|(&f, r)| (f64::from(f) - r).powi(2)).sum();
        10.0 * (signal / error).log10()
    }

    /// Three tones over noise.
    fn signal(amplitude: f64, len: usize, seed: u64) -> Vec<i16> {
        let mut state = seed | 1;
        (0..len)
            .map(|i| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
                let tones: f64 = [200.0, 1300.0, 3100.0].iter().map(|f| (TAU * f * i as f64 / 16000.0).sin()).sum();
                (amplitude * (tones / 3.0 + noise * 0.5)).round() as i16
            })
            .collect()
    }

    #[test]
    fn loud_and_quiet_signals_are_close_to_f64() {
        for spec in [FrontEndSpec::log_mel_40(), FrontEndSpec::mfcc_honk()] {
            for amplitude in [20_000.0, 300.0, 20.0] {
                let snr = snr_db(&spec, &signal(amplitude, 4000, 5));
                assert!(snr > 60.0, "amplitude {amplitude}: {snr} dB");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

        #[test]
        fn any_length_of_signal(len in 0usize..1500, centered in any::<bool>(), seed in any::<u64>()) {
            let spec = FrontEndSpec { centered, ..FrontEndSpec::log_mel_40() };
            let samples = signal(1000.0, len, seed);
            let (fixed, real) = (spec.features(&samples).unwrap(), spec.features_f64(&samples));
            prop_assert_eq!(fixed.len(), real.len());
            for (f, r) in fixed.iter().flatten().zip(real.iter().flatten()) {
                prop_assert!((f64::from(*f) - r).abs() < 0.01, "{} {}", f, r);
            }
        }
    }

    #[test]
    fn a_second_has_101_frames() {
        assert_eq!(FrontEndSpec::mfcc_honk().features(&[1; 16_000]).unwrap().len(), 101);
    }

    #[test]
    fn silence_is_the_floor() {
        let features = FrontEndSpec::log_mel_40().features(&[0; 480]).unwrap();
        assert!(features.iter().flatten().all(|&f| f == -7.0));
    }

    #[test]
    fn json_round_trip_and_bad_parameters() {
        let spec = FrontEndSpec::mfcc_honk();
        assert_eq!(FrontEndSpec::from_json(&spec.to_json()).unwrap(), spec);
        assert!(matches!(FrontEndSpec::from_json("{}"), Err(FrontEndSpecError::Json(_))));
        let with = |change: fn(&mut FrontEndSpec)| {
            let mut spec = FrontEndSpec::log_mel_40();
            change(&mut spec);
            spec.section(1.0, 0)
        };
        assert!(with(|s| s.high_hz = 9000.0).is_err());
        assert!(with(|s| s.fft = 448).is_err());
        assert!(with(|s| s.hop = 0).is_err());
        assert!(with(|s| s.window = 600).is_err());
    }
}
