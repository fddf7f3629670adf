//! Makes every utterance start soon, end softly and be equally loud.

use std::ops::Range;

use super::dsp::SAMPLE_RATE;

/// The level of the speaking parts, as a share of full scale: −19.5 dBFS, so that a sentence with its pauses is at −20.
const TARGET_RMS: f32 = 0.1059;
/// Speech is what is within 30 dB of an utterance's loudest moment.
const SPEAKING_SHARE: f32 = 0.0316;
/// At the target level, quieter than −48 dBFS counts as silence at the ends.
const SILENCE_RMS: f32 = 0.004;
/// Below this an utterance has no sound that could be made louder.
const NOTHING: f32 = 1e-5;
/// Samples up to here pass unchanged; above, they bend towards `CEILING` (−1 dBFS).
const KNEE: f32 = 0.7;
const CEILING: f32 = 0.89;
/// One step of the level meter: 5 ms.
const STEP: usize = SAMPLE_RATE as usize / 200;
/// Kept before the first sound: 25 ms, soft onsets included.
const LEAD: usize = SAMPLE_RATE as usize / 40;
/// Silence of this length is a pause: 100 ms. The silence inside a "k" or a "t" is shorter.
const PAUSE: usize = SAMPLE_RATE as usize / 10;
/// Length of the fades: 5 ms.
const FADE: usize = SAMPLE_RATE as usize / 200;

/// A finished utterance.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// Samples between −0.89 and 0.89.
    pub(super) samples: Vec<f32>,
    /// Samples taken off the start.
    pub(super) cut: usize,
}

impl Finished {
    /// The pauses, trailing silence included, as ranges of samples.
    pub(super) fn pauses(&self) -> Vec<Range<usize>> {
        let mut pauses: Vec<Range<usize>> = Vec::new();
        for (step, samples) in self.samples.chunks(STEP).enumerate() {
            let start = step * STEP;
            let end = start + samples.len();
            if rms(samples) >= SILENCE_RMS {
                continue;
            }
            match pauses.last_mut() {
                Some(pause) if pause.end == start => pause.end = end,
                _ => pauses.push(start..end),
            }
        }
        pauses.retain(|pause| pause.len() >= PAUSE);
        pauses
    }
}

fn rms(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    (sum / samples.len().max(1) as f32).sqrt()
}

/// Trims silence at both ends to 25 ms before and `tail_ms` after the sound, sets the level, limits the peaks and fades
/// both ends. Silence, or a signal that is no number, gives no samples.
pub(super) fn finish(mut samples: Vec<f32>, tail_ms: u64) -> Finished {
    let steps: Vec<f32> = samples.chunks(STEP).map(rms).collect();
    let loudest = steps.iter().copied().fold(0.0, f32::max);
    if loudest < NOTHING || samples.iter().any(|sample| !sample.is_finite()) {
        return Finished::default();
    }
    let speaking = steps.iter().copied().filter(|step| *step > loudest * SPEAKING_SHARE);
    let (sum, count) = speaking.fold((0.0, 0_u32), |(sum, count), step| (sum + step * step, count + 1));
    let gain = TARGET_RMS / (sum / count.max(1) as f32).sqrt();
    let audible = |step: &f32| step * gain > SILENCE_RMS;
    let (Some(first), Some(last)) = (steps.iter().position(audible), steps.iter().rposition(audible)) else {
        return Finished::default();
    };
    let tail = usize::try_from(tail_ms).unwrap_or(usize::MAX).saturating_mul(SAMPLE_RATE as usize / 1000);
    let cut = (first * STEP).saturating_sub(LEAD);
    let end = ((last + 1) * STEP).min(samples.len()).saturating_add(tail);
    samples.resize(end.min(samples.len()), 0.0);
    samples.drain(..cut);
    for sample in &mut samples {
        *sample = limit(*sample * gain);
    }
    fade(&mut samples);
    Finished { samples, cut }
}

fn limit(sample: f32) -> f32 {
    let size = sample.abs();
    if size <= KNEE {
        return sample;
    }
    let room = CEILING - KNEE;
    (KNEE + room * ((size - KNEE) / room).tanh()).copysign(sample)
}

fn fade(samples: &mut [f32]) {
    let length = FADE.min(samples.len() / 2);
    let share = |index: usize| (index as f32 + 0.5) / length as f32;
    for (index, sample) in samples.iter_mut().take(length).enumerate() {
        *sample *= share(index);
    }
    for (index, sample) in samples.iter_mut().rev().take(length).enumerate() {
        *sample *= share(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(level: f32, length: usize) -> impl Iterator<Item = f32> {
        (0..length).map(move |index| level * (index as f32 * 0.1).sin())
    }

    #[test]
    fn the_level_is_set_and_the_ends_are_trimmed() {
        for level in [0.001, 0.05, 0.9] {
            let mut samples = vec![0.0; 6000];
            samples.extend(tone(level, 12_000));
            samples.extend(vec![0.0; 9000]);
            let finished = finish(samples, 120);
            let (sound, _) = finished.samples.split_at(LEAD + 12_000);
            let level = 20.0 * rms(&sound[LEAD + 600..]).log10();
            assert!((-21.0..-18.0).contains(&level), "{level} dBFS");
            assert_eq!(finished.cut, 6000 - LEAD);
            assert_eq!(finished.samples.len(), LEAD + 12_000 + 120 * 24);
            let [pause] = finished.pauses().try_into().expect("one pause");
            assert_eq!(pause, LEAD + 12_000..finished.samples.len());
        }
    }

    #[test]
    fn peaks_stay_below_the_ceiling_and_silence_is_nothing() {
        let mut samples: Vec<f32> = tone(0.1, 24_000).collect();
        samples[12_000] = 30.0;
        let finished = finish(samples, 120);
        assert!(finished.samples.iter().all(|sample| sample.abs() <= CEILING));
        assert!(finish(vec![0.0; 5000], 120).samples.is_empty());
        assert!(finish(vec![f32::NAN; 5000], 120).samples.is_empty());
        assert!(finish(Vec::new(), 120).samples.is_empty());
    }
}
