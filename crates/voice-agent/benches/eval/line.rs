//! What the caller's words go through before we hear them.

use std::sync::Arc;

use anyhow::Result;
use voice_agent::audio::resample::{Upsampler, resample};

use crate::dice::Dice;
use crate::speech::{Clips, SPEECH_DBFS};

/// Samples a second of all audio here.
pub(crate) const RATE_HZ: u32 = 16_000;
/// Samples in 20 ms.
pub(crate) const FRAME: usize = 320;
/// The telephone's.
const PHONE_HZ: u32 = 8_000;
/// What a quiet room has, in dBFS.
const ROOM_DBFS: f32 = -65.0;
/// How far the noise lies below the speech, in dB.
const SNR_DB: f32 = 10.0;
/// Voices that the noise is mixed from: so many are a murmur, in which no word is understood.
const TALKERS: usize = 24;
/// After so many samples the noise begins again.
const NOISE_SAMPLES: usize = 20 * RATE_HZ as usize;

/// A condition of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Condition {
    /// A good microphone in a quiet room.
    Clean,
    /// 8 kHz, G.711 µ-law.
    Telephone,
    /// The murmur of many voices, 10 dB below the caller.
    Noise,
}

impl Condition {
    pub(crate) const ALL: [Self; 3] = [Self::Clean, Self::Telephone, Self::Noise];

    /// As in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Telephone => "telephone",
            Self::Noise => "noise",
        }
    }

    /// What is heard all the time besides the caller, from the voice's own sounds.
    pub(crate) fn background(self, clips: &Clips) -> Arc<Vec<i16>> {
        let mut dice = Dice::new("background");
        if self != Self::Noise {
            let room: Vec<i16> = (0..NOISE_SAMPLES).map(|_| (dice.unit() * 8_000.0) as i16).collect();
            return Arc::new(level(&room, ROOM_DBFS));
        }
        let spoken: Vec<f32> = clips.values().flat_map(|clip| clip.iter().map(|sample| f32::from(*sample))).collect();
        let mut murmur = vec![0.0_f32; NOISE_SAMPLES];
        for _ in 0..TALKERS {
            let from = dice.below(spoken.len());
            for (sum, sample) in murmur.iter_mut().zip(spoken.iter().cycle().skip(from)) {
                *sum += sample / 8.0;
            }
        }
        let murmur: Vec<i16> = murmur.into_iter().map(clip).collect();
        Arc::new(level(&murmur, SPEECH_DBFS - SNR_DB))
    }

    /// What comes out of the line when this goes in.
    pub(crate) fn carry(self, pcm: &[i16]) -> Result<Vec<i16>> {
        if self != Self::Telephone {
            return Ok(pcm.to_vec());
        }
        let coded: Vec<i16> =
            resample(pcm, RATE_HZ, PHONE_HZ)?.into_iter().map(|sample| decode(encode(sample))).collect();
        let mut heard = Vec::with_capacity(pcm.len());
        Upsampler::new().process(&coded, &mut heard);
        Ok(heard)
    }
}

/// Makes it as loud as this, in dBFS; what is much quieter than its loudest part does not count.
pub(crate) fn level(pcm: &[i16], dbfs: f32) -> Vec<i16> {
    let power = |frame: &[i16]| frame.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / frame.len() as f32;
    let powers: Vec<f32> = pcm.chunks(FRAME).map(power).collect();
    let floor = powers.iter().copied().fold(0.0, f32::max) / 1_000.0;
    let active: Vec<f32> = powers.into_iter().filter(|power| *power > floor).collect();
    let rms = (active.iter().sum::<f32>() / active.len().max(1) as f32).sqrt();
    let gain = 32_768.0 * 10_f32.powf(dbfs / 20.0) / rms.max(1.0);
    pcm.iter().map(|sample| clip(f32::from(*sample) * gain)).collect()
}

/// Rounds; the cast is saturating.
fn clip(sample: f32) -> i16 {
    sample.round() as i16
}

/// G.711 µ-law, as ITU-T has it.
fn encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const MOST: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(MOST) + BIAS;
    // The highest bit is the 8th for the lowest exponent, the 15th for the highest.
    let exponent = 24_i32.saturating_sub_unsigned(magnitude.leading_zeros()).clamp(0, 7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    // Eight bits by construction.
    !((sign | (exponent << 4) | mantissa) as u8)
}

fn decode(code: u8) -> i16 {
    const BIAS: i32 = 0x84;
    let code = i32::from(!code);
    let magnitude = (((code & 0x0f) << 3) + BIAS) << ((code >> 4) & 0x07);
    let magnitude = magnitude - BIAS;
    // At most 32,124 by construction.
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// The wire: a background that never ends, and what the caller says over it, frame by frame.
pub(crate) struct Wire {
    background: Arc<Vec<i16>>,
    position: usize,
    waiting: Vec<i16>,
}

impl Wire {
    /// A wire that begins somewhere in the background.
    pub(crate) fn new(background: Arc<Vec<i16>>, dice: &mut Dice) -> Self {
        let position = dice.below(background.len());
        Self { background, position, waiting: Vec::new() }
    }

    /// The caller says this, after `lead` samples.
    pub(crate) fn say(&mut self, lead: usize, pcm: &[i16]) {
        self.waiting.clear();
        self.waiting.resize(lead, 0);
        self.waiting.extend_from_slice(pcm);
    }

    /// Whether all was said.
    pub(crate) fn is_silent(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Box<[i16; FRAME]> {
        let mut frame = Box::new([0; FRAME]);
        let now = self.waiting.len().min(FRAME);
        for (to, sample) in frame.iter_mut().zip(self.waiting.drain(..now)) {
            *to = sample;
        }
        for to in frame.iter_mut() {
            *to = to.saturating_add(self.background[self.position]);
            self.position = (self.position + 1) % self.background.len();
        }
        frame
    }
}
