//! The embedded voice: hibari on its pool.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use voice_core::input::WordTiming;
use voice_core::provider::ProviderErrorKind;

use super::hibari::{Hibari, Speech};
use super::{Tts, TtsEvent};
use crate::model::pool::{Lane, ModelPool};
use crate::model::{RunOutcome, outcome};
use crate::telemetry::Events;

/// The model's name, as metrics and usage have it.
pub const MODEL: &str = "hibari";

/// hibari, shared by all sessions.
pub struct EmbeddedTts {
    pool: Arc<ModelPool<Hibari>>,
    events: Arc<Events>,
    speed: f32,
}

impl EmbeddedTts {
    /// A voice on this pool; `speed` 1 is its own.
    pub const fn new(pool: Arc<ModelPool<Hibari>>, events: Arc<Events>, speed: f32) -> Self {
        Self { pool, events, speed }
    }
}

impl Tts for EmbeddedTts {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        MODEL
    }

    fn synthesize(&self, text: String) -> BoxStream<'static, Result<TtsEvent, ProviderErrorKind>> {
        let speed = self.speed;
        let answer = self.pool.submit(Lane::Urgent, move |model| model.synthesize(&text, speed));
        self.events.model_queue("hibari", self.pool.stats().queued());
        let events = Arc::clone(&self.events);
        let spoken = async move {
            let answer = answer.map_err(ProviderErrorKind::from)?;
            let RunOutcome { value, waited } = outcome(answer.await, "hibari")?;
            events.model_waited("hibari", waited);
            Ok(value)
        };
        spoken.map(|result| stream::iter(events_of(result))).flatten_stream().boxed()
    }
}

fn events_of(result: Result<Speech, ProviderErrorKind>) -> Vec<Result<TtsEvent, ProviderErrorKind>> {
    match result {
        Ok(Speech { pcm, words }) => {
            let words =
                words.into_iter().map(|word| WordTiming { byte_end: word.byte_end, end_ms: word.end_ms }).collect();
            vec![Ok(TtsEvent::Audio(pcm)), Ok(TtsEvent::Done { words })]
        }
        Err(kind) => vec![Err(kind)],
    }
}
