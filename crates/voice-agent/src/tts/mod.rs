//! The eighth step of the corridor: text to speech.

pub mod cartesia;
pub mod elevenlabs;
pub mod embedded;
mod endpoint;
pub mod hibari;
mod refusal;
mod sample;
pub mod timing;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::BoxStream;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderFailure;

pub use self::endpoint::SetupError;
use crate::audio::format::AudioFormat;
use crate::failover::Probed;
use crate::served::Served;

/// Samples in a second of what the embedded voice makes.
pub const SAMPLE_RATE_HZ: u32 = 24_000;

/// A speech, unique in the process: its chunks are spoken in one breath, as far as the provider can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpeechKey(pub u64);

/// What is to be spoken: one chunk of a speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtsRequest {
    /// The words. Without a letter or a digit there is nothing to speak: then [`TtsEvent::Done`] may come without audio.
    pub text: String,
    /// The speech that they belong to. The chunks of one speech are asked for one after the other, never two at once.
    pub speech: SpeechKey,
    /// How the audio is to be coded.
    pub format: AudioFormat,
}

/// Whether there is anything in a text that a voice can speak.
fn is_speakable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// What a voice streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtsEvent {
    /// The next audio, whole samples in the format that was asked for.
    Audio(Bytes),
    /// Where words of the audio so far end, from the text's first word on; replaces what was said before. Only from
    /// providers that say it while they speak.
    Words(Vec<WordTiming>),
    /// The audio is complete; nothing follows.
    Done {
        /// Where the text's words end; empty when the provider does not say, or said it before.
        words: Vec<WordTiming>,
    },
}

/// A voice.
pub trait Tts: Send + Sync {
    /// The provider's label in metrics and logs.
    fn provider(&self) -> &'static str;
    /// The model's name as configured.
    fn model(&self) -> &str;
    /// Whether it says while it speaks where words end ([`TtsEvent::Words`]): its audio is then let out word by word, so that
    /// another voice can go on between two words.
    fn is_timed(&self) -> bool {
        false
    }
    /// Speaks a text. Dropping the stream cancels it. A failure ends the stream; audio without a sample is one.
    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>>;
    /// No more chunks of this speech will be asked for; the last one may still be being spoken.
    fn end_speech(&self, _speech: SpeechKey) {}
    /// Does the least that shows that it answers, off any caller's path, and says what that used. A provider without a network has nothing to show.
    fn probe(&self) -> BoxFuture<'static, Probed> {
        future::ready(Ok(None)).boxed()
    }
    /// Whether the provider serves the configured model.
    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        future::ready(Ok(Served::Yes)).boxed()
    }
}
