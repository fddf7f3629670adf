//! smart-turn v3.2: how likely it is, by the sound of the voice, that the caller has finished.
//!
//! The model hears the last eight seconds as a Whisper log-mel spectrogram. The features must be exactly those it was
//! trained on, which are `transformers.WhisperFeatureExtractor(chunk_length=8, do_normalize=True)`: audio padded with zeros **in
//! front**, zero mean and unit variance, a reflect-padded STFT (periodic Hann 400, hop 160), 80 Slaney mels up to 8 kHz,
//! log10, clamped to 8 below the largest, (x + 4) / 4. A call takes some 60 ms of CPU, so it belongs on a model pool.

use std::sync::Arc;

use ort::session::Session;
use ort::value::Tensor;
use realfft::num_complex::Complex64;
use realfft::{RealFftPlanner, RealToComplex};

use crate::model::runtime::{ModelError, Runtime};

/// The model's place below the models' folder.
const FILE: &str = "smart-turn/smart-turn-v3.2-cpu.onnx";
/// The audio that the model hears, in ms.
pub const HEARD_MS: u64 = 8_000;
const SAMPLES: usize = 128_000;
const FFT: usize = 400;
const HOP: usize = 160;
const BINS: usize = FFT / 2 + 1;
const MELS: usize = 80;
const FRAMES: usize = SAMPLES / HOP;

/// The model, with its own session: one thread's use at a time.
#[derive(Debug)]
pub struct SmartTurn {
    session: Session,
    features: Features,
}

impl SmartTurn {
    /// Opens the model.
    ///
    /// # Errors
    /// [`ModelError`] when the file is missing or is not a model.
    pub fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        Ok(Self { session: runtime.open(FILE)?, features: Features::new() })
    }

    /// The probability (0 to 1) that the turn is complete, given its audio up to now: 16 kHz, of which the last
    /// [`HEARD_MS`] are heard, with the silence that followed the speech.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when the inference fails.
    pub fn score(&mut self, pcm16k: &[i16]) -> Result<f32, ModelError> {
        let features = Tensor::from_array(([1, MELS, FRAMES], self.features.compute(pcm16k)))?;
        let outputs = self.session.run(ort::inputs!["input_features" => features])?;
        // It is called "logits", and has been through the sigmoid already.
        let (_, scores) = outputs["logits"].try_extract_tensor::<f32>()?;
        scores.first().copied().ok_or_else(|| ModelError::Runtime("smart-turn answered nothing".to_owned()))
    }
}

/// Whisper's log-mel features.
struct Features {
    fft: Arc<dyn RealToComplex<f64>>,
    hann: Vec<f64>,
    mels: Vec<Mel>,
}

/// A triangular filter: the weights of neighbouring bins, from `first_bin` on.
struct Mel {
    first_bin: usize,
    weights: Vec<f64>,
}

impl std::fmt::Debug for Features {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Features").finish_non_exhaustive()
    }
}

impl Features {
    fn new() -> Self {
        let hann = |n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / FFT as f64).cos();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FFT),
            hann: (0..FFT).map(hann).collect(),
            mels: mel_filters(),
        }
    }

    /// The features `[mel][frame]` of the last eight seconds.
    fn compute(&self, pcm: &[i16]) -> Vec<f32> {
        let audio = normalised(&pcm[pcm.len().saturating_sub(SAMPLES)..]);
        let (mut frame, mut bins) = (vec![0.0; FFT], vec![Complex64::ZERO; BINS]);
        let mut scratch = self.fft.make_scratch_vec();
        let mut features = vec![0.0f64; MELS * FRAMES];
        for number in 0..FRAMES {
            for (n, (to, weight)) in frame.iter_mut().zip(&self.hann).enumerate() {
                *to = f64::from(audio[reflected(number * HOP + n)]) * weight;
            }
            let done = self.fft.process_with_scratch(&mut frame, &mut bins, &mut scratch);
            debug_assert!(done.is_ok(), "buffers of the planned lengths");
            for (mel, filter) in self.mels.iter().enumerate() {
                let power: f64 = filter
                    .weights
                    .iter()
                    .zip(&bins[filter.first_bin..])
                    .map(|(weight, bin)| weight * bin.norm_sqr())
                    .sum();
                features[mel * FRAMES + number] = power.max(1e-10).log10();
            }
        }
        let floor = features.iter().copied().fold(f64::NEG_INFINITY, f64::max) - 8.0;
        features.into_iter().map(|value| ((value.max(floor) + 4.0) / 4.0) as f32).collect()
    }
}

/// Eight seconds of zero mean and unit variance, zero-padded in front (before the normalisation, as in training).
fn normalised(pcm: &[i16]) -> Vec<f32> {
    let mut audio = vec![0.0f32; SAMPLES - pcm.len()];
    audio.extend(pcm.iter().map(|sample| f32::from(*sample) / 32_768.0));
    let mean = audio.iter().copied().map(f64::from).sum::<f64>() / SAMPLES as f64;
    let variance = audio.iter().map(|sample| (f64::from(*sample) - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
    let deviation = (variance + 1e-7).sqrt();
    audio.iter_mut().for_each(|sample| *sample = ((f64::from(*sample) - mean) / deviation) as f32);
    audio
}

/// The index of a sample of the audio reflected at both ends by half a frame (its last sample is not repeated).
fn reflected(padded: usize) -> usize {
    const HALF: usize = FFT / 2;
    match padded.checked_sub(HALF) {
        None => HALF - padded,
        Some(index) if index < SAMPLES => index,
        Some(index) => 2 * (SAMPLES - 1) - index,
    }
}

/// Slaney's mel scale is linear up to 1 kHz (15 mels) and logarithmic above.
const MELS_PER_HZ: f64 = 3.0 / 200.0;
const LINEAR_MELS: f64 = 15.0;

fn mel_to_hz(mel: f64) -> f64 {
    let log_step = 6.4f64.ln() / 27.0;
    if mel < LINEAR_MELS { mel / MELS_PER_HZ } else { 1_000.0 * (log_step * (mel - LINEAR_MELS)).exp() }
}

/// 80 triangles of equal area from 0 to 8 kHz.
fn mel_filters() -> Vec<Mel> {
    let top = LINEAR_MELS + 8.0f64.ln() * 27.0 / 6.4f64.ln();
    let edges: Vec<f64> = (0..MELS + 2).map(|n| mel_to_hz(top * n as f64 / (MELS + 1) as f64)).collect();
    let filter = |edges: &[f64]| {
        let (low, centre, high) = (edges[0], edges[1], edges[2]);
        let weight = |bin: usize| {
            let hz = bin as f64 * 8_000.0 / (BINS - 1) as f64;
            ((hz - low) / (centre - low)).min((high - hz) / (high - centre)).max(0.0) * 2.0 / (high - low)
        };
        let first_bin = (0..BINS).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
        Mel { first_bin, weights: (first_bin..BINS).map(weight).take_while(|weight| *weight > 0.0).collect() }
    };
    edges.windows(3).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::resample::read_wav;
    use crate::model::runtime::default_models_dir;

    /// Every 7th mel and 13th frame of the reference implementation's features, and the model's score of them.
    #[derive(serde::Deserialize)]
    struct Reference {
        mel_stride: usize,
        frame_stride: usize,
        score: f32,
        values: Vec<f32>,
    }

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    fn speech(name: &str) -> Vec<i16> {
        read_wav(&fixture("audio").join(name), 16_000).expect(name)
    }

    fn reference() -> Reference {
        let json = std::fs::read(fixture("smart_turn/features_add_a_task_by_friday.json")).expect("the fixture");
        serde_json::from_slice(&json).expect("the fixture's JSON")
    }

    fn model() -> SmartTurn {
        let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
        SmartTurn::load(&runtime).expect("the model; `make models` fetches it")
    }

    #[test]
    fn the_features_are_those_of_the_reference() {
        let reference = reference();
        let features = Features::new().compute(&speech("add_a_task_by_friday.wav"));
        let ours = (0..MELS)
            .step_by(reference.mel_stride)
            .flat_map(|mel| (0..FRAMES).step_by(reference.frame_stride).map(move |frame| (mel, frame)));
        let mut worst = 0.0f32;
        let mut compared = 0;
        for ((mel, frame), theirs) in ours.zip(&reference.values) {
            worst = worst.max((features[mel * FRAMES + frame] - theirs).abs());
            compared += 1;
        }
        assert_eq!(compared, 12 * 62);
        assert!(worst < 1e-4, "they differ by {worst}");
    }

    #[test]
    fn the_score_is_that_of_the_reference() {
        let score = model().score(&speech("add_a_task_by_friday.wav")).expect("an inference");
        assert!((score - reference().score).abs() < 0.02, "{score}");
    }

    #[test]
    fn only_the_last_eight_seconds_are_heard() {
        let tail: Vec<i16> = speech("add_a_task_by_friday.wav").into_iter().cycle().take(SAMPLES).collect();
        let longer = [vec![9_000; 50_000], tail.clone()].concat();
        let features = Features::new();
        assert_eq!(features.compute(&longer), features.compute(&tail));
    }

    #[test]
    fn no_audio_and_silence_are_scored_too() {
        let mut model = model();
        for pcm in [vec![], vec![0; 16_000]] {
            let score = model.score(&pcm).expect("an inference");
            assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }

    #[test]
    fn the_filters_cover_the_spectrum_and_each_has_the_area_of_a_mel_band() {
        let filters = mel_filters();
        assert_eq!(filters.len(), MELS);
        for (number, filter) in filters.iter().enumerate() {
            assert!(!filter.weights.is_empty(), "filter {number}");
            assert!(filter.first_bin + filter.weights.len() <= BINS, "filter {number}");
        }
        // A triangle of height 2 / width has the area 1; the widest are sampled finely enough to show it.
        let area: f64 = filters[MELS - 1].weights.iter().sum::<f64>() * 40.0;
        assert!((area - 1.0).abs() < 0.05, "{area}");
    }
}
