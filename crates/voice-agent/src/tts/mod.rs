//! The eighth step of the corridor: text to speech.

pub mod embedded;
pub mod hibari;

use futures_util::stream::BoxStream;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderErrorKind;

/// Samples in a second of agent audio: PCM16 mono throughout.
pub const SAMPLE_RATE_HZ: u32 = 24_000;

/// What a voice streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtsEvent {
    /// The next samples, at [`SAMPLE_RATE_HZ`].
    Audio(Vec<i16>),
    /// The audio is complete; nothing follows.
    Done {
        /// Where the text's words end; empty when the provider does not say.
        words: Vec<WordTiming>,
    },
}

/// A voice.
pub trait Tts: Send + Sync {
    /// The provider's label in metrics and logs.
    fn provider(&self) -> &'static str;
    /// The model's name as configured.
    fn model(&self) -> &str;
    /// Speaks a text. Dropping the stream cancels it. A failure ends the stream.
    fn synthesize(&self, text: String) -> BoxStream<'static, Result<TtsEvent, ProviderErrorKind>>;
}
