//! A recogniser that streams, as the others were measured with: it hears along, and knows every word 100 ms late. The last words of an
//! utterance, too: its transcript is whole 100 ms after the last sound of speech, and never before, whatever is asked of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;
use tokio::time::Instant;
use voice_agent::audio::format::AudioFormat;
use voice_agent::audio::mulaw;
use voice_agent::failover::Probed;
use voice_agent::served::Served;
use voice_agent::stt::{LineEvent, StreamingStt, SttLine};
use voice_core::ids::UtteranceId;
use voice_core::provider::ProviderFailure;

use crate::microphone::SILENT;

/// What every caller says.
const SAID: &str = "What are my tasks?";
/// How late words are known.
const LATE: Duration = Duration::from_millis(100);
/// How often it says what it has.
const INTERIM_EVERY: Duration = Duration::from_millis(100);

/// The recogniser.
#[derive(Debug)]
pub(crate) struct Listener {
    /// How long what callers say takes, from its first sound to its last.
    pub(crate) spoken_ms: u64,
}

impl StreamingStt for Listener {
    fn provider(&self) -> &'static str {
        "listener"
    }

    fn model(&self) -> &str {
        "listener"
    }

    fn open(&self, format: AudioFormat, _terms: &[String], events: mpsc::Sender<LineEvent>) -> Box<dyn SttLine> {
        let hearing = Hearing::new(self.spoken_ms);
        Box::new(Line { format, events, hearing: Arc::new(Mutex::new(hearing)), told: Instant::now() })
    }

    fn probe(&self) -> BoxFuture<'static, Probed> {
        future::ready(Ok(None)).boxed()
    }

    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        future::ready(Ok(Served::Yes)).boxed()
    }
}

/// What was heard of an utterance.
#[derive(Debug)]
struct Hearing {
    spoken_ms: u64,
    utterance: Option<UtteranceId>,
    samples: u64,
    /// The sample of the first sound, and one behind the last.
    loud: Option<(u64, u64)>,
    /// When the last sound came.
    last: Option<Instant>,
}

impl Hearing {
    const fn new(spoken_ms: u64) -> Self {
        Self { spoken_ms, utterance: None, samples: 0, loud: None, last: None }
    }

    fn hear(&mut self, pcm: impl Iterator<Item = i16>) -> bool {
        let mut sounds = false;
        for sample in pcm {
            self.samples += 1;
            if sample.unsigned_abs() >= SILENT {
                sounds = true;
                self.loud = Some((self.loud.map_or(self.samples - 1, |(first, _)| first), self.samples));
            }
        }
        if sounds {
            self.last = Some(Instant::now());
        }
        sounds
    }

    /// The words that are known `late` after the last sound; the last one and its full stop only when all of it was said.
    fn text(&self, rate_hz: u64, late: Duration) -> String {
        let (Some((first, end)), Some(last)) = (self.loud, self.last) else { return String::new() };
        let is_known = last.elapsed() >= late;
        let heard_ms = (end - first) * 1_000 / rate_hz;
        // The last tenth has no pause in it, and the beginning may be missing.
        if is_known && heard_ms * 10 >= self.spoken_ms * 9 {
            return SAID.to_owned();
        }
        let late_ms = if is_known { 0 } else { u64::try_from(late.as_millis()).unwrap_or_default() };
        let words: Vec<&str> = SAID.split(' ').collect();
        let known = words.len() as u64 * heard_ms.saturating_sub(late_ms) / self.spoken_ms.max(1);
        words[..usize::try_from(known).unwrap_or_default().min(words.len() - 1)].join(" ")
    }
}

/// One session's line.
struct Line {
    format: AudioFormat,
    events: mpsc::Sender<LineEvent>,
    hearing: Arc<Mutex<Hearing>>,
    told: Instant,
}

impl Line {
    fn hearing(&self) -> std::sync::MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells at this moment what is known then.
    fn tell_at(&self, at: Instant, event: impl Fn(UtteranceId, String) -> LineEvent + Send + 'static) {
        let (hearing, events) = (Arc::clone(&self.hearing), self.events.clone());
        let rate_hz = u64::from(self.format.sample_rate_hz());
        let Some(asked) = self.hearing().utterance else { return };
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let text = {
                let hearing = hearing.lock().unwrap_or_else(PoisonError::into_inner);
                (hearing.utterance == Some(asked)).then(|| hearing.text(rate_hz, LATE))
            };
            if let Some(text) = text.filter(|_| !events.is_closed()) {
                // A session that does not listen any more misses nothing.
                drop(events.send(event(asked, text)).await);
            }
        });
    }
}

impl SttLine for Line {
    fn begin(&mut self, utterance: UtteranceId) {
        let mut hearing = self.hearing();
        *hearing = Hearing { utterance: Some(utterance), ..Hearing::new(hearing.spoken_ms) };
    }

    fn audio(&mut self, audio: Bytes) {
        let sounds = match self.format {
            AudioFormat::Mulaw8k => self.hearing().hear(audio.iter().map(|code| mulaw::decode(*code))),
            AudioFormat::Pcm16k | AudioFormat::Pcm24k => {
                let pcm = audio.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
                self.hearing().hear(pcm)
            }
        };
        let now = Instant::now();
        let is_near_the_end = {
            let hearing = self.hearing();
            let rate_hz = u64::from(self.format.sample_rate_hz());
            hearing.loud.is_some_and(|(first, end)| (end - first) * 10_000 / rate_hz >= hearing.spoken_ms * 9)
        };
        if sounds && (is_near_the_end || now.duration_since(self.told) >= INTERIM_EVERY) {
            self.told = now;
            let at = if is_near_the_end { now + LATE } else { now };
            self.tell_at(at, |utterance, text| LineEvent::Interim { utterance, text });
        }
    }

    fn finish(&mut self, revision: u32, _silence_ms: u64) {
        let now = Instant::now();
        let known = self.hearing().last.map_or(now, |last| last + LATE);
        self.tell_at(known.max(now), move |utterance, text| LineEvent::Final { utterance, revision, text, gap_ms: 0 });
    }

    fn forget(&mut self, utterance: UtteranceId) {
        let mut hearing = self.hearing();
        hearing.utterance = hearing.utterance.filter(|known| *known != utterance);
    }
}
