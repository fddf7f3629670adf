//! The fourth step of the corridor: speech to text.

pub mod embedded;
pub mod moonshine;

use futures_util::future::BoxFuture;
use voice_core::provider::ProviderErrorKind;

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

/// A speech recogniser.
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
    ) -> BoxFuture<'static, Result<String, ProviderErrorKind>>;
}
