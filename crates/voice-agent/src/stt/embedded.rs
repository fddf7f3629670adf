//! The embedded recogniser: Moonshine on its pool.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::moonshine::{Bias, DecodeOptions, Moonshine};
use super::{Stt, Understanding, Wanted};
use crate::model::pool::{Lane, ModelPool};
use crate::model::runtime::ModelError;
use crate::model::{RunOutcome, outcome};
use crate::telemetry::Events;

/// The model's name, as metrics and usage have it.
pub const MODEL: &str = "moonshine-tiny-en";

/// Moonshine, shared by all sessions.
pub struct EmbeddedStt {
    pool: Arc<ModelPool<Moonshine>>,
    understanding: Arc<dyn Understanding>,
    events: Arc<Events>,
}

impl EmbeddedStt {
    /// A recogniser on this pool. Of several readings it prefers those that are understood.
    pub fn new(pool: Arc<ModelPool<Moonshine>>, understanding: Arc<dyn Understanding>, events: Arc<Events>) -> Self {
        let waiting = Arc::clone(&pool);
        events.watch_queue("moonshine", move || waiting.stats().queued());
        Self { pool, understanding, events }
    }
}

/// What the model makes of this audio: the whole step, without its pool.
///
/// # Errors
/// [`ModelError::Runtime`] when a network fails.
pub fn hear(
    model: &mut Moonshine,
    pcm: &[i16],
    wanted: Wanted,
    titles: &[String],
    understanding: &dyn Understanding,
) -> Result<String, ModelError> {
    let understands = |text: &str| understanding.understands(text, titles);
    let bias = Bias::new(titles).preferring(&understands);
    let options = match wanted {
        Wanted::Interim => DecodeOptions::partial(&bias),
        Wanted::Final => DecodeOptions::final_result(&bias),
    };
    model.transcribe(pcm, &options).map(|transcription| transcription.text)
}

impl Stt for EmbeddedStt {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        MODEL
    }

    fn transcribe(
        &self,
        pcm: Vec<i16>,
        wanted: Wanted,
        titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        let lane = match wanted {
            Wanted::Interim => Lane::Speculative,
            Wanted::Final => Lane::Urgent,
        };
        let understanding = Arc::clone(&self.understanding);
        let answer = self.pool.submit(lane, move |model| hear(model, &pcm, wanted, &titles, &*understanding));
        let events = Arc::clone(&self.events);
        async move {
            let answer = answer.map_err(ProviderErrorKind::from)?;
            let RunOutcome { value, waited } = outcome(answer.await, "moonshine")?;
            events.model_waited("moonshine", waited);
            Ok(value)
        }
        .boxed()
    }
}
