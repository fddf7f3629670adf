//! From the network's spectra to a waveform: a pulse train at the pitch, filtered by the harmonic part, plus shaped
//! noise, plus a part with free phase, through one inverse STFT:
//!
//! `S = exp(lh) · e^{iπ tanh(theta)} · STFT(pulses(f0)) + exp(ln) · Z + exp(lr) · e^{i phi}`

use std::f32::consts::{PI, TAU};
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Samples a second of the voice.
pub(super) const SAMPLE_RATE: u32 = 24_000;
/// Samples from one spectrum to the next: 12.5 ms.
pub(super) const HOP: usize = 300;
/// Samples of one spectrum's window; four hops.
pub(super) const WINDOW: usize = 1200;
/// Frequencies of one spectrum.
pub(super) const BINS: usize = WINDOW / 2 + 1;
/// Below this pitch a frame is unvoiced, in Hz.
const VOICED_HZ: f32 = 40.0;
/// Harmonics above this frequency are left to the noise, in Hz.
const TOP_HARMONIC_HZ: f32 = 11_000.0;
/// Log magnitudes are capped, so that a wrong one cannot become a bang.
const MAX_LOG: f32 = 7.0;

/// One sentence's network outputs. All but `f0` are `BINS` rows of `f0.len()` frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spectra<'a> {
    /// Log magnitude of the harmonic part.
    pub(super) harmonic: &'a [f32],
    /// Phase shift of the harmonic part before `π tanh`.
    pub(super) theta: &'a [f32],
    /// Log magnitude of the noise.
    pub(super) noise: &'a [f32],
    /// Log magnitude of the free part.
    pub(super) free: &'a [f32],
    /// Phase of the free part, radians.
    pub(super) phase: &'a [f32],
    /// Pitch, Hz, one value a frame.
    pub(super) f0: &'a [f32],
}

impl Spectra<'_> {
    /// Whether every part has its size.
    pub(super) fn is_whole(&self) -> bool {
        let size = BINS * self.f0.len();
        [self.harmonic, self.theta, self.noise, self.free, self.phase].iter().all(|part| part.len() == size)
    }
}

/// The synthesiser: FFT plans and windows.
pub(super) struct Synthesizer {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    window: Vec<f32>,
}

impl std::fmt::Debug for Synthesizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Synthesizer").finish_non_exhaustive()
    }
}

impl Synthesizer {
    /// Plans the transforms.
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        // The window is computed in double precision, as it was for training.
        let angle = |index: usize| std::f64::consts::TAU * index as f64 / WINDOW as f64;
        let window = (0..WINDOW).map(|index| (0.5 - 0.5 * angle(index).cos()) as f32).collect();
        Self { forward: planner.plan_fft_forward(WINDOW), inverse: planner.plan_fft_inverse(WINDOW), window }
    }

    /// The waveform of a sentence: `HOP` samples a frame. `seed` fixes the noise; `None` leaves the noise out.
    ///
    /// # Errors
    /// [`realfft::FftError`], which would be a mistake in the buffers' sizes.
    pub(super) fn synthesize(&self, spectra: &Spectra<'_>, seed: Option<u64>) -> Result<Vec<f32>, realfft::FftError> {
        let frames = spectra.f0.len();
        let padded = reflect_pad(&pulses(spectra.f0));
        let mut noise = seed.map(Noise::new);
        let mut samples = self.forward.make_input_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut forward_scratch = self.forward.make_scratch_vec();
        let mut inverse_scratch = self.inverse.make_scratch_vec();
        let mut out = vec![0.0_f32; (frames + 3) * HOP];
        let to_unit = 1.0 / HOP as f32;
        for frame in 0..frames {
            let source = &padded[frame * HOP..frame * HOP + WINDOW];
            for ((sample, value), weight) in samples.iter_mut().zip(source).zip(&self.window) {
                *sample = value * weight * to_unit;
            }
            self.forward.process_with_scratch(&mut samples, &mut spectrum, &mut forward_scratch)?;
            for (bin, value) in spectrum.iter_mut().enumerate() {
                let at = bin * frames + frame;
                let shift = Complex32::from_polar(magnitude(spectra.harmonic[at]), PI * spectra.theta[at].tanh());
                *value = *value * shift + Complex32::from_polar(magnitude(spectra.free[at]), spectra.phase[at]);
                if let Some(noise) = &mut noise {
                    *value += noise.next_complex() * magnitude(spectra.noise[at]);
                }
            }
            // A real signal has no imaginary part at either end.
            spectrum[0].im = 0.0;
            spectrum[BINS - 1].im = 0.0;
            self.inverse.process_with_scratch(&mut spectrum, &mut samples, &mut inverse_scratch)?;
            let target = &mut out[frame * HOP..frame * HOP + WINDOW];
            for ((sum, sample), weight) in target.iter_mut().zip(&samples).zip(&self.window) {
                *sum += sample * weight;
            }
        }
        self.normalize_overlap(&mut out, frames);
        out.drain(..WINDOW / 2);
        out.truncate(frames * HOP);
        Ok(out)
    }

    /// Divides by the sum of the squared windows over each sample (constant inside, less at the ends) and the FFT's size.
    fn normalize_overlap(&self, out: &mut [f32], frames: usize) {
        for (block, samples) in out.chunks_mut(HOP).enumerate() {
            for (index, sample) in samples.iter_mut().enumerate() {
                let mut sum = 0.0;
                for part in 0..WINDOW / HOP {
                    if block >= part && block - part < frames {
                        sum += self.window[part * HOP + index].powi(2);
                    }
                }
                *sample /= sum.max(1e-11) * WINDOW as f32;
            }
        }
    }
}

fn magnitude(log: f32) -> f32 {
    log.min(MAX_LOG).exp()
}

/// A band-limited pulse train: every harmonic of the pitch below `TOP_HARMONIC_HZ` at unit amplitude,
/// `Σ cos(h t) = sin((H + ½) t) / (2 sin(t / 2)) − ½`; unvoiced samples are 0.
fn pulses(f0: &[f32]) -> Vec<f32> {
    let last = f0.len().saturating_sub(1);
    let mut out = Vec::with_capacity(f0.len() * HOP);
    let mut phase = 0.0_f64;
    for frame in 0..f0.len() {
        let here = f0[frame];
        let (before, after) = (f0[frame.saturating_sub(1)], f0[(frame + 1).min(last)]);
        for sample in 0..HOP {
            // A sample lies between its frame's middle and the neighbour's on its side.
            let position = (sample as f32 + 0.5) / HOP as f32 - 0.5;
            let share = position.rem_euclid(1.0);
            let pitch = if position < 0.0 {
                before * (1.0 - share) + here * share
            } else {
                here * (1.0 - share) + after * share
            };
            let voiced = pitch > VOICED_HZ;
            let pitch = pitch.max(VOICED_HZ);
            phase = (phase + f64::from(pitch) / f64::from(SAMPLE_RATE)).fract();
            if !voiced {
                out.push(0.0);
                continue;
            }
            let angle = phase as f32 * TAU;
            let harmonics = (TOP_HARMONIC_HZ / pitch).floor() + 0.5;
            let divisor = 2.0 * (angle * 0.5).sin();
            let sum = if divisor.abs() <= 2e-3 { harmonics } else { (harmonics * angle).sin() / divisor };
            out.push(sum - 0.5);
        }
    }
    out
}

/// Half a window of mirrored signal at each end.
fn reflect_pad(signal: &[f32]) -> Vec<f32> {
    let half = WINDOW / 2;
    let at = |index: usize| signal.get(index).copied().unwrap_or(0.0);
    let mut out = Vec::with_capacity(signal.len() + WINDOW);
    out.extend((1..=half).rev().map(at));
    out.extend_from_slice(signal);
    out.extend((0..half).map(|back| signal.len().checked_sub(back + 2).map_or(0.0, at)));
    out
}

/// Deterministic Gaussian noise: `SplitMix64` and the Box–Muller transform.
struct Noise {
    state: u64,
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A complex value whose parts are independent with unit variance.
    fn next_complex(&mut self) -> Complex32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 24 bits fill an f32 exactly; the half keeps the logarithm finite.
        let unit = |bits: u64| ((bits & 0xff_ffff) as f32 + 0.5) / 16_777_216.0;
        let radius = (-2.0 * unit(bits >> 40).ln()).sqrt();
        Complex32::from_polar(radius, TAU * unit(bits))
    }
}

#[cfg(test)]
#[path = "dsp_tests.rs"]
mod tests;
