//! The embedded recogniser: Moonshine on its pool.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use voice_core::provider::ProviderErrorKind;

use super::moonshine::{Bias, DecodeOptions, Moonshine};
use super::{Stt, Wanted};
use crate::model::pool::{Lane, ModelPool};
use crate::model::runtime::ModelError;
use crate::model::{RunOutcome, outcome};
use crate::telemetry::Events;

/// The model's name, as metrics and usage have it.
pub const MODEL: &str = "moonshine-tiny-en";

/// Moonshine, shared by all sessions.
pub struct EmbeddedStt {
    pool: Arc<ModelPool<Moonshine>>,
    events: Arc<Events>,
}

impl EmbeddedStt {
    /// A recogniser on this pool.
    pub const fn new(pool: Arc<ModelPool<Moonshine>>, events: Arc<Events>) -> Self {
        Self { pool, events }
    }
}

/// What the model makes of this audio: the whole step, without its pool.
///
/// # Errors
/// [`ModelError::Runtime`] when a network fails.
pub fn hear(model: &mut Moonshine, pcm: &[i16], wanted: Wanted, titles: &[String]) -> Result<String, ModelError> {
    let bias = Bias::new(titles);
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
    ) -> BoxFuture<'static, Result<String, ProviderErrorKind>> {
        let lane = match wanted {
            Wanted::Interim => Lane::Speculative,
            Wanted::Final => Lane::Urgent,
        };
        let answer = self.pool.submit(lane, move |model| hear(model, &pcm, wanted, &titles));
        self.events.model_queue("moonshine", self.pool.stats().queued());
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
