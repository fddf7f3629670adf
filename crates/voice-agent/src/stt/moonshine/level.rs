//! The same loudness and the same margins for everything that is heard.
//!
//! What the model writes for a short command changes with where in its frames the first sound lies, and with its loudness.
//! The VAD works in windows of 32 ms and frames come every 20 ms, so a command is cut differently each time it is said. So the
//! stretch is cut again, to the millisecond, by its own sound.

use super::{SAMPLE_RATE, samples_in};

/// One way to listen to a stretch of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// Silence before its first sound, in milliseconds.
    pub before_ms: u64,
    /// Silence after its last sound, in milliseconds.
    pub after_ms: u64,
    /// How fast it is played, in percent: 100 is as it was said.
    pub speed_percent: u32,
}

/// The loudest sample is brought to this.
const PEAK: f32 = 0.9;
/// Nothing is made louder than by this (30 dB): a silent room has no words in it.
const MOST_GAIN: f32 = 31.6;
/// Steps in which the beginning is looked for: 1 ms.
const STEP: usize = SAMPLE_RATE / 1_000;
/// The length over which loudness is measured: 10 ms, in steps.
const WINDOW_STEPS: usize = 10;
/// A sound lasts for so many steps, a click does not.
const LEAST_STEPS: usize = 30;
/// What is this far below the loudest is no sound any more (35 dB).
const BELOW_LOUDEST: f32 = 3.2e-4;
/// What is less than this above the quietest tenth is the background (8 dB).
const ABOVE_BACKGROUND: f32 = 6.3;

/// Writes the stretch into `out`, from -1 to 1, cut and padded, at the take's speed.
pub(super) fn prepare(pcm: &[i16], take: Take, out: &mut Vec<f32>) {
    out.clear();
    let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let gain = (PEAK / (f32::from(peak.max(1)) / 32_768.0)).min(MOST_GAIN) / 32_768.0;
    let sound = sound(pcm).unwrap_or((0, pcm.len()));
    let (before, after) = (samples_in(take.before_ms), samples_in(take.after_ms));
    let from = sound.0.saturating_sub(before);
    let to = (sound.1 + after).min(pcm.len());
    out.resize(before - (sound.0 - from), 0.0);
    out.extend(pcm[from..to].iter().map(|&sample| f32::from(sample) * gain));
    out.resize(before + (sound.1 - sound.0) + after, 0.0);
    if take.speed_percent != 100 {
        *out = at_speed(out, take.speed_percent);
    }
}

/// The sound as if it had been said at this speed (and pitch), in percent.
fn at_speed(sound: &[f32], percent: u32) -> Vec<f32> {
    let sample = |at: usize| sound.get(at).or(sound.last()).copied().unwrap_or(0.0);
    let percent = percent.max(1) as usize;
    let length = sound.len() * 100 / percent;
    // Between two samples the sound is taken for a straight line: speech has little near the Nyquist frequency.
    let between = |at: usize| {
        let (whole, part) = (at * percent / 100, (at * percent % 100) as f32 / 100.0);
        sample(whole) + (sample(whole + 1) - sample(whole)) * part
    };
    (0..length).map(between).collect()
}

/// Where the sound begins and ends, in samples; none when nothing stands out.
fn sound(pcm: &[i16]) -> Option<(usize, usize)> {
    let powers: Vec<f32> = pcm
        .chunks_exact(STEP)
        .map(|step| step.iter().map(|&sample| f32::from(sample).powi(2)).sum::<f32>() / STEP as f32)
        .collect();
    let smooth: Vec<f32> =
        powers.windows(WINDOW_STEPS).map(|window| window.iter().sum::<f32>() / WINDOW_STEPS as f32).collect();
    let mut sorted = smooth.clone();
    sorted.sort_by(f32::total_cmp);
    let background = *sorted.get(sorted.len() / 10)?;
    let loudest = *sorted.last()?;
    let threshold = (loudest * BELOW_LOUDEST).max(background * ABOVE_BACKGROUND);
    let lasts = |steps: &[f32]| steps.iter().all(|power| *power > threshold);
    let first = smooth.windows(LEAST_STEPS).position(lasts)?;
    let last = smooth.windows(LEAST_STEPS).rposition(lasts)?;
    Some((first * STEP, ((last + LEAST_STEPS + WINDOW_STEPS) * STEP).min(pcm.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_take_is_longer_and_as_loud() {
        let tone: Vec<f32> = (0..16_000_u16).map(|at| (f32::from(at) * 0.1).sin()).collect();
        let slow = at_speed(&tone, 80);
        assert_eq!(slow.len(), 20_000);
        let loudest = slow.iter().copied().fold(0.0, f32::max);
        assert!((0.99..=1.0).contains(&loudest), "{loudest}");
        assert!((slow[10_000] - tone[8_000]).abs() < 1e-6);
        assert_eq!(at_speed(&[], 80), Vec::<f32>::new());
    }
}
