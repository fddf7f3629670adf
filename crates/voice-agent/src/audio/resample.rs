//! Other sample rates: whole recordings to any rate, and the telephone's live 8 kHz to 16 kHz.

use std::path::Path;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};

use super::frame::{round_to_i16, to_i16};

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The file is not there, or not a WAV file.
    #[error("not a readable WAV file")]
    Wav(#[from] hound::Error),
    /// The WAV header says something impossible.
    #[error("a WAV file of {channels} channels at {rate} Hz")]
    Format {
        /// Channels, by the header.
        channels: u16,
        /// Samples per second, by the header.
        rate: u32,
    },
    /// The resampler refused.
    #[error("it could not be resampled: {0}")]
    Resample(String),
}

/// Reads a WAV file (any rate, bit depth and number of channels) as mono PCM16 at `rate` Hz.
///
/// # Errors
/// [`WavError`] when it cannot be read or resampled.
pub fn read_wav(path: &Path, rate: u32) -> Result<Vec<i16>, WavError> {
    let reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    if spec.channels == 0 || spec.sample_rate == 0 {
        return Err(WavError::Format { channels: spec.channels, rate: spec.sample_rate });
    }
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.into_samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let full_scale = 2f32.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = |sample: Result<i32, hound::Error>| sample.map(|sample| sample as f32 / full_scale);
            reader.into_samples::<i32>().map(scaled).collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok(resample_f32(mono, spec.sample_rate, rate)?.into_iter().map(to_i16).collect())
}

/// Resamples a whole recording of PCM16 mono. Its length in time stays what it was, to a sample.
///
/// # Errors
/// [`WavError::Resample`] when a rate is 0.
pub fn resample(pcm: &[i16], from_rate: u32, to_rate: u32) -> Result<Vec<i16>, WavError> {
    let samples = pcm.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    Ok(resample_f32(samples, from_rate, to_rate)?.into_iter().map(to_i16).collect())
}

fn resample_f32(samples: Vec<f32>, from_rate: u32, to_rate: u32) -> Result<Vec<f32>, WavError> {
    if from_rate == to_rate || samples.is_empty() {
        return Ok(samples);
    }
    const CHUNK: usize = 1024;
    let refused = |error: &dyn std::fmt::Display| WavError::Resample(error.to_string());
    let mut resampler =
        Fft::new(from_rate as usize, to_rate as usize, CHUNK, 1, FixedSync::Both).map_err(|error| refused(&error))?;
    let input = SequentialSlice::new(&samples, 1, samples.len()).map_err(|error| refused(&error))?;
    let output = resampler.process_all(&input, samples.len(), None).map_err(|error| refused(&error))?;
    Ok(output.take_data())
}

/// Taps of the interpolation filter on each side of a new sample.
const HALF_TAPS: usize = 8;
/// Samples that are made side by side: a processor adds several at once, where the sum of one would wait for each of its products.
const BLOCK: usize = 16;

/// The telephone's 8 kHz as 16 kHz, live: each sample goes through, and a new one is put behind it by a windowed sinc over 16
/// neighbours. The audio comes out 1 ms late (8 samples at 8 kHz), which is what a filter that looks ahead costs.
#[derive(Debug, Clone)]
pub struct Upsampler {
    kernel: [f32; 2 * HALF_TAPS],
    /// The last samples taken, oldest first, one less than the kernel has taps; while audio is taken, that too. In units of PCM16.
    line: Vec<f32>,
}

impl Default for Upsampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Upsampler {
    /// An upsampler for a stream that begins now.
    pub fn new() -> Self {
        let mut kernel: [f32; 2 * HALF_TAPS] = std::array::from_fn(|tap| {
            // The new sample lies half way between its neighbours: distances 7.5, 6.5 … 0.5, 0.5 … 7.5.
            let distance = (tap as f32 - (HALF_TAPS as f32 - 0.5)) * std::f32::consts::PI;
            let window = (distance / (2.0 * HALF_TAPS as f32)).cos().powi(2);
            distance.sin() / distance * window
        });
        // A constant must stay what it is.
        let sum: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|tap| *tap /= sum);
        Self { kernel, line: vec![0.0; 2 * HALF_TAPS - 1] }
    }

    /// Takes 8 kHz samples and appends two 16 kHz samples for each of them.
    pub fn process(&mut self, pcm_8k: &[i16], pcm_16k: &mut Vec<i16>) {
        pcm_16k.reserve(pcm_8k.len() * 2);
        self.line.extend(pcm_8k.iter().map(|sample| f32::from(*sample)));
        let mut at = 0;
        while at < pcm_8k.len() {
            let count = BLOCK.min(pcm_8k.len() - at);
            let mut between = [0.0; BLOCK];
            for (tap, weight) in self.kernel.iter().enumerate() {
                let samples = &self.line[at + tap..][..count];
                between.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample * weight);
            }
            // The ones that were taken are as they were: no rounding can change them.
            let taken = &self.line[at + HALF_TAPS - 1..][..count];
            pcm_16k
                .extend(taken.iter().zip(between).flat_map(|(taken, between)| [*taken as i16, round_to_i16(between)]));
            at += count;
        }
        self.line.drain(..pcm_8k.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine of `seconds`, a tenth of full scale.
    fn sine(hz: f32, rate: u32, seconds: f32) -> Vec<i16> {
        let count = (rate as f32 * seconds) as usize;
        let phase = |n: usize| std::f32::consts::TAU * hz * n as f32 / rate as f32;
        (0..count).map(|n| to_i16(0.1 * phase(n).sin())).collect()
    }

    /// The largest difference of two recordings away from their ends, as a share of the sine's amplitude.
    fn difference(a: &[i16], b: &[i16]) -> f32 {
        let inner = 200..a.len().min(b.len()) - 200;
        let worst = inner.map(|n| (i32::from(a[n]) - i32::from(b[n])).abs()).max().expect("not empty");
        worst as f32 / 3276.8
    }

    #[test]
    fn a_sine_stays_a_sine_at_every_rate() {
        for (from, to) in [(44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (8_000, 24_000), (16_000, 24_000)] {
            let resampled = resample(&sine(440.0, from, 0.5), from, to).expect("sound rates");
            let ideal = sine(440.0, to, 0.5);
            assert!(resampled.len().abs_diff(ideal.len()) <= 1, "{from}: {} for {}", resampled.len(), ideal.len());
            // The resampler's delay is made up for in whole samples: half a sample of 440 Hz may remain.
            let tolerance = std::f32::consts::PI * 440.0 / to as f32;
            assert!(difference(&resampled, &ideal) < tolerance, "{from} → {to}: {}", difference(&resampled, &ideal));
        }
    }

    #[test]
    fn the_same_rate_is_left_alone_and_a_rate_of_zero_refused() {
        assert_eq!(resample(&[1, -2, 3], 16_000, 16_000).expect("nothing to do"), [1, -2, 3]);
        assert!(matches!(resample(&[1, 2, 3], 0, 16_000), Err(WavError::Resample(_))));
        assert!(resample(&[], 8_000, 16_000).expect("nothing to do").is_empty());
    }

    #[test]
    fn the_telephone_is_upsampled_in_frames_without_a_seam() {
        let (mut upsampler, mut upsampled) = (Upsampler::new(), Vec::new());
        for frame in sine(1_000.0, 8_000, 0.5).chunks(160) {
            upsampler.process(frame, &mut upsampled);
        }
        // Eight samples at 8 kHz of delay are sixteen at 16 kHz.
        assert_eq!(upsampled.len(), 8_000);
        let ideal = sine(1_000.0, 16_000, 0.5);
        assert!(difference(&upsampled[16..], &ideal) < 0.01, "{}", difference(&upsampled[16..], &ideal));
    }

    #[test]
    fn a_wav_file_is_mixed_down_and_resampled() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("stereo.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).expect("a new file");
        for sample in sine(440.0, 48_000, 0.5) {
            // The same tone, twice as loud in one channel: their mean is one and a half times the tone.
            writer.write_sample(i32::from(sample) * 256).expect("written");
            writer.write_sample(i32::from(sample) * 512).expect("written");
        }
        writer.finalize().expect("closed");
        let read = read_wav(&path, 16_000).expect("a WAV file");
        let ideal: Vec<i16> = sine(440.0, 16_000, 0.5).iter().map(|sample| sample + sample / 2).collect();
        assert!(difference(&read, &ideal) < 0.02, "{}", difference(&read, &ideal));
    }

    #[test]
    fn what_is_no_wav_file_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("text.wav");
        std::fs::write(&path, "not audio").expect("written");
        assert!(matches!(read_wav(&path, 16_000), Err(WavError::Wav(_))));
        assert!(matches!(read_wav(&folder.path().join("none.wav"), 16_000), Err(WavError::Wav(_))));
    }
}
