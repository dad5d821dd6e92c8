//! Recordings in WAV, FLAC or Ogg Vorbis, decoded to mono samples of 16 bits.

use std::fs::File;
use std::path::{Path, PathBuf};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Most samples that are decoded; a longer recording is taken for a damaged or hostile file.
pub const MAX_SAMPLES: usize = 1 << 28;

/// A decoded recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Samples a second.
    pub sample_rate: u32,
    /// Samples of the only channel, or the mean of all.
    pub samples: Vec<i16>,
}

/// Why a recording could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The file could not be opened.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is of another format, or damaged.
    #[error("{} is not a whole WAV, FLAC or Ogg Vorbis file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file holds no samples.
    #[error("{} holds no audio", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Decodes a file; its format is found from its content. Channels are averaged, the sample rate stays as it is.
///
/// # Errors
/// The file cannot be read, is not WAV, FLAC or Ogg Vorbis, is damaged or truncated, or holds no samples.
pub fn decode(path: &Path) -> Result<Recording, AudioError> {
    let file = File::open(path).map_err(|source| AudioError::Io { path: path.into(), source })?;
    let recording = decode_stream(file).map_err(|reason| AudioError::Format { path: path.into(), reason })?;
    if recording.samples.is_empty() { Err(AudioError::Empty { path: path.into() }) } else { Ok(recording) }
}

fn decode_stream(file: File) -> Result<Recording, String> {
    let text = |error: Error| error.to_string();
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(text)?;
    let track = format.default_track(TrackType::Audio).ok_or("it has no audio track")?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or("its codec is not declared")?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(text)?;
    let mut recording = Recording { sample_rate: parameters.sample_rate.unwrap_or(0), samples: vec![] };
    while let Some(packet) = format.next_packet().map_err(text)? {
        if packet.track_id == track_id {
            append(&mut recording, &decoder.decode(&packet).map_err(text)?)?;
        }
    }
    if recording.sample_rate == 0 {
        return Err("its sample rate is not declared".into());
    }
    Ok(recording)
}

/// Appends the mean of the channels.
fn append(recording: &mut Recording, buffer: &GenericAudioBufferRef<'_>) -> Result<(), String> {
    let channels = buffer.num_planes();
    if buffer.frames() == 0 || channels == 0 {
        return Ok(());
    }
    let rate = buffer.spec().rate();
    if recording.sample_rate != rate && !recording.samples.is_empty() {
        return Err(format!("its sample rate changes from {} to {rate}", recording.sample_rate));
    }
    recording.sample_rate = rate;
    if recording.samples.len().saturating_add(buffer.frames()) > MAX_SAMPLES {
        return Err(format!("it is longer than {MAX_SAMPLES} samples"));
    }
    let mut interleaved: Vec<i16> = vec![];
    buffer.copy_to_vec_interleaved(&mut interleaved);
    let mean = |frame: &[i16]| {
        let sum: i64 = frame.iter().map(|&s| i64::from(s)).sum();
        // A mean of 16-bit samples has 16 bits.
        (sum as f64 / frame.len() as f64).round() as i16
    };
    recording.samples.extend(interleaved.chunks_exact(channels).map(mean));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of 16-bit PCM.
    fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let data = samples.len() as u32 * 2;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + data).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend((rate * u32::from(channels) * 2).to_le_bytes());
        bytes.extend((channels * 2).to_le_bytes());
        bytes.extend(16u16.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend(data.to_le_bytes());
        bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        bytes
    }

    fn decode_bytes(bytes: &[u8]) -> Result<Recording, AudioError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip");
        std::fs::write(&path, bytes).unwrap();
        decode(&path)
    }

    #[test]
    fn mono_is_exact() {
        let samples: Vec<i16> = (0..5000).map(|i| (i * 7919 % 65536 - 32768) as i16).collect();
        let recording = decode_bytes(&wav(16_000, 1, &samples)).unwrap();
        assert_eq!(recording, Recording { sample_rate: 16_000, samples });
    }

    #[test]
    fn channels_are_averaged() {
        let recording = decode_bytes(&wav(44_100, 2, &[100, 300, -5, -7, 32767, 32767, -32768, -32768])).unwrap();
        assert_eq!(recording, Recording { sample_rate: 44_100, samples: vec![200, -6, 32767, -32768] });
    }

    #[test]
    fn bad_files_are_errors() {
        let missing = decode(Path::new("no-such-folder/clip.wav"));
        assert!(matches!(missing, Err(AudioError::Io { .. })), "{missing:?}");
        for bytes in [&b""[..], b"RIFF", b"not audio at all, only text that goes on for a while", &[0; 4096]] {
            let result = decode_bytes(bytes);
            assert!(matches!(result, Err(AudioError::Format { .. })), "{result:?}");
        }
        let result = decode_bytes(&wav(16_000, 1, &[]));
        assert!(matches!(result, Err(AudioError::Empty { .. } | AudioError::Format { .. })), "{result:?}");
    }

    #[test]
    fn speech_files_decode() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/speech_commands");
        if !folder.is_dir() {
            println!("skipped: no speech_commands beside the checkout");
            return;
        }
        for (class, extension) in [("train/yes", "ogg"), ("test/yes", "flac")] {
            let entry = std::fs::read_dir(folder.join(class)).unwrap().next().unwrap().unwrap();
            assert_eq!(entry.path().extension().unwrap(), extension);
            let recording = decode(&entry.path()).unwrap();
            assert_eq!(recording.sample_rate, 16_000);
            assert!((8_000..=16_000).contains(&recording.samples.len()), "{}", recording.samples.len());
            assert!(recording.samples.iter().any(|s| s.abs() > 500));
        }
    }
}
