//! The fourth step of the corridor: speech to text.

pub mod deepgram;
pub mod embedded;
pub mod moonshine;
pub mod whisper;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;
use voice_core::ids::UtteranceId;
use voice_core::provider::ProviderFailure;

use crate::audio::format::AudioFormat;
use crate::failover::Probed;
use crate::served::Served;

/// What is wanted of a transcription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What is understood so far, soon; worth nothing when it comes late.
    Interim,
    /// The best text of a finished utterance.
    Final,
}

/// Who knows what callers can mean. A recogniser that weighs several readings asks it; none of them depends on who that is.
pub trait Understanding: Send + Sync {
    /// How well a text is understood, from 0 (not at all) to 1, by itself and with the caller's task titles.
    fn understands(&self, text: &str, titles: &[String]) -> f32;
}

/// A speech recogniser that is given whole stretches of audio.
pub trait Stt: Send + Sync {
    /// The provider's label in metrics and logs.
    fn provider(&self) -> &'static str;
    /// The model's name as configured.
    fn model(&self) -> &str;
    /// Transcribes PCM16 mono at 16 kHz; `titles` are the caller's task titles, which may well be spoken. Empty text when
    /// there is no speech in it. Dropping the future cancels it.
    fn transcribe(
        &self,
        pcm: Vec<i16>,
        wanted: Wanted,
        titles: std::sync::Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>>;
    /// Whether it is quick and cheap enough to be asked for interim transcripts.
    fn has_interims(&self) -> bool {
        true
    }
    /// Does the least that shows that it answers, off any caller's path, and says what that used. A provider without a network has nothing to show.
    fn probe(&self) -> BoxFuture<'static, Probed> {
        future::ready(Ok(None)).boxed()
    }
    /// Whether the provider serves the configured model.
    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        future::ready(Ok(Served::Yes)).boxed()
    }
}

/// A speech recogniser that hears audio as it comes.
pub trait StreamingStt: Send + Sync {
    /// The provider's label in metrics and logs.
    fn provider(&self) -> &'static str;
    /// The model's name as configured.
    fn model(&self) -> &str;
    /// Opens a session's own line. It connects in the background at once, so that no handshake is on a turn's path, stays
    /// warm between utterances, connects anew when it was lost (with a growing delay), and closes in order when it is
    /// dropped. `terms` are words that may well be spoken: the caller's task titles.
    fn open(&self, format: AudioFormat, terms: &[String], events: mpsc::Sender<LineEvent>) -> Box<dyn SttLine>;
    /// Does the least that shows that it answers, off any caller's path, and says what that used.
    fn probe(&self) -> BoxFuture<'static, Probed>;
    /// Whether the provider serves the configured model.
    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>>;
}

/// A session's line to a streaming recogniser. Nothing here waits: what the connection cannot take in time is a failure, which
/// comes as [`LineEvent::Failed`].
pub trait SttLine: Send + Sync {
    /// An utterance begins; its audio follows. The one before is forgotten.
    fn begin(&mut self, utterance: UtteranceId);
    /// The next audio of the utterance, in the line's format, in pieces of any length.
    fn audio(&mut self, audio: Bytes);
    /// The caller paused: [`LineEvent::Final`] is wanted of all that was heard since `begin`, of which the last `silence_ms`
    /// milliseconds have no speech in them. The utterance may go on afterwards with more `audio`, and another `finish` of a
    /// higher revision.
    fn finish(&mut self, revision: u32, silence_ms: u64);
    /// Nobody waits for this utterance any more.
    fn forget(&mut self, utterance: UtteranceId);
}

/// What a line hears. When the queue is full, who sends waits: nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEvent {
    /// What is understood so far of the utterance: all of it, not only what is new. It may be what it was, or nothing: the
    /// recogniser listens, which whoever watches for progress wants to know.
    Interim {
        /// The utterance.
        utterance: UtteranceId,
        /// The text.
        text: String,
    },
    /// What was understood of the utterance up to `finish` of this revision. Empty when there was no speech in it.
    Final {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `finish` named.
        revision: u32,
        /// The text, all of the utterance.
        text: String,
        /// From where its last words end, about, to the end of the speech: what it has no words of, in milliseconds. 0 when that is
        /// little, and when there are no words at all.
        gap_ms: u64,
    },
    /// The line failed: nothing more comes for this utterance. Said once for an utterance.
    Failed {
        /// The utterance that was under way; none when the line failed between utterances.
        utterance: Option<UtteranceId>,
        /// How.
        failure: ProviderFailure,
    },
    /// So much audio was sent since the last time this was said, and will be billed.
    Used {
        /// The utterance that it was for.
        utterance: UtteranceId,
        /// Milliseconds.
        audio_ms: u64,
    },
}
