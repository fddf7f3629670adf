//! One session's ear: windows, the energy gate and the hysteresis that makes edges out of probabilities.

use std::collections::VecDeque;
use std::sync::Arc;

use super::silero::{Silero, SileroState, WINDOW_SAMPLES};
use crate::audio::frame::{SAMPLES_PER_MS_16K, dbfs, rms};

/// The length of a window in ms.
const WINDOW_MS: u64 = WINDOW_SAMPLES as u64 / SAMPLES_PER_MS_16K;
/// Samples of a block (4 ms): the level tells to a block where speech ended.
const BLOCK_SAMPLES: usize = 64;
/// The length of a block in ms.
const BLOCK_MS: u64 = BLOCK_SAMPLES as u64 / SAMPLES_PER_MS_16K;
/// Quiet windows (1.5 s) that the network must have heard, and found to be no speech, before it may rest. Its state
/// drifts on slowly after that: enough to tell the next start of speech a window sooner or later, no more.
const SETTLED_WINDOWS: u32 = 48;
/// The highest probability at which the network may rest.
const SETTLED_PROBABILITY: f32 = 0.1;
/// A gap up to this long is heard as silence; a longer one begins a new stream for the network.
const SHORT_GAP_MS: u64 = 256;
/// How much of the last level remains after a window of quieter audio.
const LEVEL_DECAY: f32 = 0.8;
/// How much of the noise's level remains after each further window without speech.
const NOISE_LEVEL_DECAY: f32 = 0.9;
/// The same after a window that is not sure to be without speech: noise that the network doubts for good is known as noise
/// after some seconds, and the doubtful windows of a beginning (four or so) hardly move the level.
const DOUBTED_NOISE_LEVEL_DECAY: f32 = 0.99;
/// A window this little above the noise before the speech has no speech in it.
const ABOVE_NOISE_DB: f32 = 4.0;
/// Noise nearer to the speech than this is not told from it by its level.
const LEAST_CONTRAST_DB: f32 = 14.0;
/// Levels below this are one to the smoothing.
const LEAST_DBFS: f32 = -100.0;
/// How much of the speech's own level remains after each further window of it.
const SPEECH_LEVEL_DECAY: f32 = 0.9;

/// From this probability on, a window that stands out from the noise may be the beginning of speech.
const POSSIBLE_PROBABILITY: f32 = 0.15;
/// How far above the noise's level a window stands out.
const POSSIBLE_CONTRAST_DB: f32 = 20.0;
/// No window below this stands out, however quiet the line is.
const POSSIBLE_LEAST_DBFS: f32 = -45.0;
/// After so much silence, by its level alone, the end of speech may be near, in ms. A closed mouth before a consonant is as long.
const POSSIBLE_END_MS: u64 = 32;
/// What may be speech is told once in so many windows (512 ms).
const POSSIBLE_EVERY_WINDOWS: u32 = 16;

/// When probabilities become edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VadConfig {
    /// A window is the beginning of speech from this probability on.
    pub start_threshold: f32,
    /// From this probability on, a window of the beginning counts twice towards `min_speech_ms`.
    pub sure_threshold: f32,
    /// Speech goes on while the probability stays at or above this.
    pub end_threshold: f32,
    /// Speech that must be heard before its start is told: two windows, or a sure one.
    pub min_speech_ms: u64,
    /// Silence that must be heard before the end of speech is told.
    pub min_silence_ms: u64,
    /// Windows whose level (RMS) is below this need not be shown to the network.
    pub gate_dbfs: f32,
    /// A window this far below the speech before it has no speech in it, whatever the network still says.
    pub release_db: f32,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            start_threshold: 0.5,
            sure_threshold: 0.8,
            end_threshold: 0.35,
            min_speech_ms: 64,
            min_silence_ms: 100,
            gate_dbfs: -70.0,
            release_db: 35.0,
        }
    }
}

/// An edge of speech. Times are stream milliseconds: audio received so far, gaps included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VadEvent {
    /// Perhaps the caller begins to speak: a start of speech follows within 100 ms or so, or none does.
    PossibleSpeech,
    /// The caller speaks.
    StartOfSpeech {
        /// The beginning of the first window with speech in it.
        at_ms: u64,
    },
    /// Perhaps the caller has stopped: the end of speech follows within 100 ms or so, or the speech goes on.
    PossibleEnd,
    /// The caller is silent.
    EndOfSpeech {
        /// The end of the last 4 ms with speech in them; where noise is nearly as loud as the speech, of the last window.
        last_speech_ms: u64,
    },
}

/// Where the hysteresis stands.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Silence,
    /// Speech is heard, but not yet long enough to be told.
    Onset {
        at_ms: u64,
        heard_ms: u64,
    },
    Speech {
        last_speech_ms: u64,
    },
}

/// Voice activity detection of one 16 kHz audio stream, in about 5 kB.
///
/// **The energy gate.** Most of a call is one side being silent, and on a clean line silence is (nearly) digital. Once the network
/// has heard [`SETTLED_WINDOWS`] such windows in a row and calls them no speech, its state has come to rest (nearly: with
/// constant input the LSTM runs towards a fixed point), and further quiet windows are not shown to it: its memory stays as it is, as if that
/// last moment of silence were as long as it really was. Only its 64 samples of context move on, so the first window
/// above the gate is computed with the true samples before it. Nothing is gated while speech is on or beginning.
///
/// **The release.** The network's probability lags behind the end of speech by two windows or so. Where the line is clean,
/// the level tells the end better: a window far below the speech (35 dB; a voiceless ending is some 20 to 30 dB below
/// a vowel), or no louder than the noise before it, counts as silence. By blocks of 4 ms it says where in its last window the
/// speech ended, and the end is told without waiting for a window to be full: how speech falls into the windows makes no
/// difference then. Where noise is nearly as loud as the speech
/// the probability decides alone.
#[derive(Debug)]
pub struct Detector {
    silero: Arc<Silero>,
    config: VadConfig,
    state: SileroState,
    /// The samples of the window that is not full yet, from -1 to 1.
    window: Box<[f32; WINDOW_SAMPLES]>,
    filled: usize,
    /// Samples of the stream before `window`.
    position: u64,
    phase: Phase,
    probability: f32,
    quiet_windows: u32,
    level_dbfs: f32,
    noise_level_dbfs: f32,
    speech_level_dbfs: f32,
    /// Windows until what may be speech can be told again.
    possible_in_windows: u32,
    /// That the speech may end here was told, where its last sound was then, in ms.
    possible_end_told_ms: Option<u64>,
    events: VecDeque<VadEvent>,
}

impl Detector {
    /// An ear for a stream that begins now, at 0 ms.
    pub fn new(silero: Arc<Silero>, config: VadConfig) -> Self {
        Self {
            silero,
            config,
            state: SileroState::default(),
            window: Box::new([0.0; WINDOW_SAMPLES]),
            filled: 0,
            position: 0,
            phase: Phase::Silence,
            probability: 0.0,
            quiet_windows: 0,
            level_dbfs: f32::NEG_INFINITY,
            noise_level_dbfs: LEAST_DBFS,
            speech_level_dbfs: f32::NEG_INFINITY,
            possible_in_windows: 0,
            possible_end_told_ms: None,
            events: VecDeque::with_capacity(4),
        }
    }

    /// Takes the next samples of the stream (16 kHz; any number of them). Ask [`Self::poll_event`] afterwards.
    pub fn handle_audio(&mut self, pcm: &[i16]) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(WINDOW_SAMPLES - self.filled));
            for (to, sample) in self.window[self.filled..].iter_mut().zip(now) {
                *to = f32::from(*sample) / 32_768.0;
            }
            self.filled += now.len();
            rest = later;
            if self.filled == WINDOW_SAMPLES {
                self.handle_window();
            }
        }
        self.consider_end();
    }

    /// The next edge found in the audio so far. Edges wait here, four for every 192 ms of audio at most.
    pub fn poll_event(&mut self) -> Option<VadEvent> {
        self.events.pop_front()
    }

    /// Goes on after audio that never came. A short gap (lost packets) is heard as silence. After a long one the network
    /// begins anew, and speech that was on has ended; the samples of a window that was not full are given up.
    pub fn skip(&mut self, gap_ms: u64) {
        if gap_ms <= SHORT_GAP_MS {
            for _ in 0..gap_ms {
                self.handle_audio(&[0; SAMPLES_PER_MS_16K as usize]);
            }
            return;
        }
        if let Phase::Speech { last_speech_ms } = self.phase {
            self.events.push_back(VadEvent::EndOfSpeech { last_speech_ms });
        }
        self.phase = Phase::Silence;
        self.position += self.filled as u64 + gap_ms.saturating_mul(SAMPLES_PER_MS_16K);
        self.filled = 0;
        self.state = SileroState::default();
        self.probability = 0.0;
        self.quiet_windows = 0;
        self.possible_in_windows = 0;
        self.level_dbfs = f32::NEG_INFINITY;
    }

    /// Ends the speech that is on, if one is: nothing comes any more, or not yet. The stream stands still meanwhile; what comes
    /// next follows the last sample without a gap.
    pub fn end_speech(&mut self) {
        if let Phase::Speech { last_speech_ms } = self.phase {
            self.events.push_back(VadEvent::EndOfSpeech { last_speech_ms });
            self.phase = Phase::Silence;
        }
    }

    /// The audio received so far, in ms.
    pub fn stream_ms(&self) -> u64 {
        (self.position + self.filled as u64) / SAMPLES_PER_MS_16K
    }

    /// The probability that the last whole window had speech in it.
    pub fn probability(&self) -> f32 {
        self.probability
    }

    /// Whether a start of speech was told and its end was not.
    pub fn is_speech(&self) -> bool {
        matches!(self.phase, Phase::Speech { .. })
    }

    /// The level of the last windows in dBFS (rising at once, falling within some 150 ms); minus infinity for digital silence.
    pub fn level_dbfs(&self) -> f32 {
        self.level_dbfs
    }

    fn handle_window(&mut self) {
        let window_dbfs = dbfs(rms(self.window.as_slice()));
        self.level_dbfs = fall(self.level_dbfs, window_dbfs, LEVEL_DECAY);
        self.listen(window_dbfs);
        let began_ms = self.position / SAMPLES_PER_MS_16K;
        self.position += WINDOW_SAMPLES as u64;
        self.filled = 0;
        self.handle_probability(began_ms, window_dbfs);
    }

    /// Runs the network, unless it rests.
    fn listen(&mut self, window_dbfs: f32) {
        let quiet = window_dbfs < self.config.gate_dbfs;
        self.quiet_windows = if quiet { self.quiet_windows.saturating_add(1) } else { 0 };
        let settled = self.quiet_windows > SETTLED_WINDOWS
            && self.probability < SETTLED_PROBABILITY
            && matches!(self.phase, Phase::Silence);
        if settled {
            self.state.pass(&self.window);
        } else {
            self.probability = self.silero.step(&mut self.state, &self.window);
        }
    }

    fn handle_probability(&mut self, began_ms: u64, window_dbfs: f32) {
        let ended_ms = began_ms + WINDOW_MS;
        self.consider_possible_speech(window_dbfs);
        let starts = self.probability >= self.config.start_threshold;
        let goes_on = self.probability >= self.config.end_threshold;
        if !starts && !self.is_speech() {
            self.learn_noise(window_dbfs);
        }
        self.phase = match self.phase {
            Phase::Silence if starts => self.onset(began_ms, 0, window_dbfs),
            Phase::Silence => Phase::Silence,
            // Between the thresholds an onset neither grows nor is given up.
            Phase::Onset { at_ms, heard_ms } if starts => self.onset(at_ms, heard_ms, window_dbfs),
            Phase::Onset { at_ms, heard_ms } if goes_on => Phase::Onset { at_ms, heard_ms },
            Phase::Onset { .. } => Phase::Silence,
            Phase::Speech { .. } if goes_on && window_dbfs > self.release_dbfs() => {
                let loud = loud_blocks(&self.window[..], self.release_dbfs());
                self.speech_level_dbfs = fall(self.speech_level_dbfs, window_dbfs, SPEECH_LEVEL_DECAY);
                Phase::Speech { last_speech_ms: began_ms + loud as u64 * BLOCK_MS }
            }
            Phase::Speech { last_speech_ms } if ended_ms - last_speech_ms >= self.config.min_silence_ms => {
                self.events.push_back(VadEvent::EndOfSpeech { last_speech_ms });
                Phase::Silence
            }
            Phase::Speech { last_speech_ms } => Phase::Speech { last_speech_ms },
        };
    }

    /// Tells the end of speech as soon as the silence was long enough, if the level alone shows that it is one; and before that,
    /// that it may come.
    fn consider_end(&mut self) {
        let Phase::Speech { last_speech_ms } = self.phase else { return };
        let blocks = self.filled / BLOCK_SAMPLES;
        let heard_ms = self.position / SAMPLES_PER_MS_16K + blocks as u64 * BLOCK_MS;
        let so_far = &self.window[..blocks * BLOCK_SAMPLES];
        let silence_ms = heard_ms.saturating_sub(last_speech_ms);
        if silence_ms < POSSIBLE_END_MS || loud_blocks(so_far, self.release_dbfs()) > 0 {
            return;
        }
        if silence_ms >= self.config.min_silence_ms {
            self.events.push_back(VadEvent::EndOfSpeech { last_speech_ms });
            self.phase = Phase::Silence;
        } else if self.possible_end_told_ms != Some(last_speech_ms) {
            // Once for each pause: the last sound has moved on when there is another one.
            self.possible_end_told_ms = Some(last_speech_ms);
            self.events.push_back(VadEvent::PossibleEnd);
        }
    }

    /// The noise's level follows a window that is not the beginning of speech.
    fn learn_noise(&mut self, window_dbfs: f32) {
        let sure = self.probability < SETTLED_PROBABILITY;
        let decay = if sure { NOISE_LEVEL_DECAY } else { DOUBTED_NOISE_LEVEL_DECAY };
        self.noise_level_dbfs += (window_dbfs.max(LEAST_DBFS) - self.noise_level_dbfs) * (1.0 - decay);
    }

    /// The network is slow to be sure of some sounds (the vowel of "Add" takes it four windows), but seldom sure of their being
    /// none: loud and not impossible is told at once, as long as nobody is known to speak.
    fn consider_possible_speech(&mut self, window_dbfs: f32) {
        self.possible_in_windows = self.possible_in_windows.saturating_sub(1);
        let least_dbfs = (self.noise_level_dbfs + POSSIBLE_CONTRAST_DB).max(POSSIBLE_LEAST_DBFS);
        let possible = self.probability >= POSSIBLE_PROBABILITY && window_dbfs >= least_dbfs;
        if possible && self.possible_in_windows == 0 && !self.is_speech() {
            self.possible_in_windows = POSSIBLE_EVERY_WINDOWS;
            self.events.push_back(VadEvent::PossibleSpeech);
        }
    }

    /// The level below which a window has no speech in it, whatever the network says.
    fn release_dbfs(&self) -> f32 {
        let below_speech = self.speech_level_dbfs - self.config.release_db;
        let above_noise = self.noise_level_dbfs + ABOVE_NOISE_DB;
        below_speech.max(above_noise.min(self.speech_level_dbfs - LEAST_CONTRAST_DB))
    }

    /// One more window of speech since `at_ms`: tells it once enough was heard.
    fn onset(&mut self, at_ms: u64, heard_before_ms: u64, window_dbfs: f32) -> Phase {
        let sure = self.probability >= self.config.sure_threshold;
        let heard_ms = heard_before_ms + if sure { 2 * WINDOW_MS } else { WINDOW_MS };
        if heard_ms < self.config.min_speech_ms {
            return Phase::Onset { at_ms, heard_ms };
        }
        self.events.push_back(VadEvent::StartOfSpeech { at_ms });
        self.speech_level_dbfs = window_dbfs;
        Phase::Speech { last_speech_ms: self.position / SAMPLES_PER_MS_16K }
    }
}

/// So many blocks there are up to the last one above this level.
fn loud_blocks(samples: &[f32], above_dbfs: f32) -> usize {
    let (blocks, _) = samples.as_chunks::<BLOCK_SAMPLES>();
    blocks.iter().rposition(|block| dbfs(rms(block)) > above_dbfs).map_or(0, |at| at + 1)
}

/// A level that rises at once and falls by a share of the difference.
fn fall(level: f32, now: f32, decay: f32) -> f32 {
    // From or to digital silence (minus infinity) there is no share.
    if now >= level || now == f32::NEG_INFINITY { now } else { now + (level - now) * decay }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
