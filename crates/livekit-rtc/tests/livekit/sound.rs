//! Sound whose way through a room can be measured.

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use livekit_rtc::audio::{AudioFrame, EncoderOptions, Origin, SampleRate, level};
use livekit_rtc::{AudioSource, AudioStream, PublishOptions};

/// Of the tone: half of full scale, as a root mean square.
pub(crate) const LEVEL: f32 = 0.5 / std::f32::consts::SQRT_2;

/// Published as it is: a steady tone would be taken for noise, which DTX does not send.
pub(crate) fn steady() -> PublishOptions {
    let encoder = EncoderOptions { dtx: false, ..EncoderOptions::default() };
    PublishOptions { rate: SampleRate::Hz16000, encoder, ..PublishOptions::default() }
}

/// 20 ms of a tone at half of full scale, 16 kHz.
pub(crate) fn tone(hz: f64, frame: u32) -> Vec<i16> {
    let sample = |n: u32| ((f64::from(frame * 320 + n) * hz / 16_000.0 * TAU).sin() * 16_384.0) as i16;
    (0..320).map(sample).collect()
}

/// Says a tone for so long.
pub(crate) async fn say(source: &AudioSource, hz: f64, frames: u32) {
    for frame in 0..frames {
        source.push(tone(hz, frame)).await.unwrap();
    }
}

/// How much of a tone is in samples, from 0 (none) to 1 (nothing else).
pub(crate) fn share(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), n as f64 * hz / rate * TAU);
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    if energy == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / (samples.len() as f64 * energy) }
}

/// What was heard in some time.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Of the frames that were received: on a busy machine there may be silence between them.
    pub(crate) samples: Vec<i16>,
    pub(crate) frames: usize,
    pub(crate) concealed: usize,
    pub(crate) silent: usize,
    /// Between two frames that were received.
    pub(crate) longest_gap: Duration,
    pub(crate) ended: bool,
}

impl Heard {
    pub(crate) fn level(&self) -> f32 {
        level(&self.samples)
    }

    fn add(&mut self, frame: &AudioFrame) {
        self.frames += 1;
        self.concealed += usize::from(frame.origin == Origin::Concealed);
        self.silent += usize::from(frame.origin == Origin::Silence);
        if frame.origin == Origin::Received {
            self.samples.extend_from_slice(&frame.samples);
        }
    }
}

/// Waits until a tone is heard.
pub(crate) async fn wait_for_sound(stream: &mut AudioStream) {
    let waiting = async {
        while let Some(frame) = stream.next().await {
            if level(&frame.samples) > LEVEL / 2.0 {
                return;
            }
        }
        panic!("the track ended");
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("nothing heard in 30 s");
}

/// Listens for so many frames that carry something, or until the end.
pub(crate) async fn listen(stream: &mut AudioStream, frames: usize) -> Heard {
    let mut heard = Heard::default();
    let mut last = Instant::now();
    while heard.frames < frames {
        let frame = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("20 s without a frame");
        let Some(frame) = frame else {
            heard.ended = true;
            break;
        };
        if frame.origin == Origin::Received {
            heard.longest_gap = heard.longest_gap.max(last.elapsed());
            last = Instant::now();
        }
        heard.add(&frame);
    }
    heard
}
