//! Words to audio.

use std::sync::OnceLock;

use super::tone::{Code, DIGITS, Voice, tone_hz};
use super::words::Vocabulary;

/// Recorded speech below 780 Hz, at 2 kHz: what the VAD hears of a caller.
const MURMUR: &[u8] = include_bytes!("murmur.pcm");
const MURMUR_RATE: usize = 2_000;
/// Neighbours on each side that a sample of the murmur is made of.
const HALF_TAPS: usize = 12;
/// The amplitude of each of the five tones of a synthesised word, as a share of full scale.
const LOUD: f64 = 0.1;
/// The same under a murmur, which is louder.
const UNDER_MURMUR: f64 = 0.03;
/// A caller's murmur begins so long before the first word.
pub const LEAD_MS: u64 = 60;
/// The murmur's beginning crosses over into its end within so many seconds.
const CROSSING_S: f64 = 0.04;
/// A word swells and fades for so long: no clicks.
const RAMP_MS: f64 = 6.0;

/// A text as a caller says it: coded words over a murmur, at 16 kHz (or another rate), without silence around it. The first word
/// begins after [`LEAD_MS`].
pub fn say(text: &str, rate: u32) -> Vec<i16> {
    let lead = usize::try_from(LEAD_MS * u64::from(rate) / 1_000).unwrap_or_default();
    let mut samples = vec![0.0; lead];
    samples.extend(coded(&Vocabulary::codes(text), Voice::Caller, rate, UNDER_MURMUR));
    let (murmur, seconds) = (murmur(), samples.len() as f64 / f64::from(rate));
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample += murmur_of(murmur, n as f64 / f64::from(rate), seconds);
    }
    samples.into_iter().map(to_i16).collect()
}

/// The murmur under something of that length: it begins as the recording begins, ends as it ends, and crosses over in the middle.
fn murmur_of(murmur: &[f64], at: f64, seconds: f64) -> f64 {
    let recorded = murmur.len() as f64 / MURMUR_RATE as f64;
    let share = ((at - seconds / 2.0) / CROSSING_S + 0.5).clamp(0.0, 1.0);
    let head = if share < 1.0 { murmur_at(murmur, at) * (1.0 - share) } else { 0.0 };
    let tail = if share > 0.0 { murmur_at(murmur, recorded - (seconds - at) % recorded) * share } else { 0.0 };
    head + tail
}

/// Words as a voice synthesises them, each with the gap after it.
pub fn synthesize(codes: &[Code], voice: Voice, rate: u32) -> Vec<i16> {
    coded(codes, voice, rate, LOUD).into_iter().map(to_i16).collect()
}

fn coded(codes: &[Code], voice: Voice, rate: u32, amplitude: f64) -> Vec<f64> {
    let at = |ms: u64| usize::try_from(ms * u64::from(rate) / 1_000).unwrap_or_default();
    let mut samples = vec![0.0; at(voice.pace_ms() * codes.len() as u64)];
    for (place, code) in codes.iter().enumerate() {
        let began = at(voice.pace_ms() * place as u64);
        let word = &mut samples[began..began + at(voice.word_ms())];
        sound(word, code.tones(voice), f64::from(rate), amplitude);
    }
    samples
}

/// Fills a word with its chord.
fn sound(word: &mut [f64], tones: [usize; 1 + DIGITS], rate: f64, amplitude: f64) {
    let ramp = RAMP_MS * rate / 1_000.0;
    let length = word.len() as f64;
    for (n, sample) in word.iter_mut().enumerate() {
        let inside = (n as f64 + 0.5).min(length - n as f64 - 0.5) / ramp;
        let swell = 0.5 - 0.5 * (std::f64::consts::PI * inside.min(1.0)).cos();
        // Every tone begins at another phase, or all of them would peak together.
        let chord: f64 = tones
            .iter()
            .map(|tone| (std::f64::consts::TAU * tone_hz(*tone) * n as f64 / rate + *tone as f64).sin())
            .sum();
        *sample = amplitude * swell * chord;
    }
}

fn murmur() -> &'static [f64] {
    static SAMPLES: OnceLock<Vec<f64>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let (pairs, _) = MURMUR.as_chunks::<2>();
        pairs.iter().map(|pair| f64::from(i16::from_le_bytes(*pair)) / 32_768.0).collect()
    })
}

/// The murmur, which repeats itself, at a time in seconds: a windowed sinc between its samples.
fn murmur_at(murmur: &[f64], seconds: f64) -> f64 {
    let position = seconds * MURMUR_RATE as f64;
    let before = position.floor();
    let sample = |offset: isize| {
        let distance = position - (before + offset as f64);
        let window = (std::f64::consts::FRAC_PI_2 * distance / (HALF_TAPS as f64 + 1.0)).cos().powi(2);
        let place = (before as isize + offset).rem_euclid(murmur.len() as isize);
        murmur[place.unsigned_abs()] * sinc(distance) * window
    };
    (1 - HALF_TAPS as isize..=HALF_TAPS as isize).map(sample).sum()
}

fn sinc(x: f64) -> f64 {
    let phase = std::f64::consts::PI * x;
    if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase }
}

fn to_i16(sample: f64) -> i16 {
    (sample * 32_767.0).round() as i16
}
