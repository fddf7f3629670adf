//! The end-of-turn score (the decision itself is the core's).

pub mod embedded;
pub mod smart_turn;
pub mod text;

use futures_util::future::BoxFuture;
use voice_core::provider::ProviderErrorKind;

/// Says how likely it is, by the sound of it, that a caller has finished.
pub trait TurnScorer: Send + Sync {
    /// The probability for PCM16 mono at 16 kHz that ends where the caller fell silent. Dropping the future cancels it.
    fn score(&self, pcm: Vec<i16>) -> BoxFuture<'static, Result<f32, ProviderErrorKind>>;
}
