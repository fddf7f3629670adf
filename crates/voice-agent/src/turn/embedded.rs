//! The embedded scorer: smart-turn on its pool.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use voice_core::provider::ProviderErrorKind;

use super::TurnScorer;
use super::smart_turn::SmartTurn;
use crate::model::pool::{Lane, ModelPool};
use crate::model::{RunOutcome, outcome};
use crate::telemetry::Events;

/// smart-turn, shared by all sessions.
pub struct EmbeddedScorer {
    pool: Arc<ModelPool<SmartTurn>>,
    events: Arc<Events>,
}

impl EmbeddedScorer {
    /// A scorer on this pool.
    pub fn new(pool: Arc<ModelPool<SmartTurn>>, events: Arc<Events>) -> Self {
        let waiting = Arc::clone(&pool);
        events.watch_queue("smart_turn", move || waiting.stats().queued());
        Self { pool, events }
    }
}

impl TurnScorer for EmbeddedScorer {
    fn score(&self, pcm: Vec<i16>) -> BoxFuture<'static, Result<f32, ProviderErrorKind>> {
        let answer = self.pool.submit(Lane::Urgent, move |model| model.score(&pcm));
        let events = Arc::clone(&self.events);
        async move {
            let answer = answer.map_err(ProviderErrorKind::from)?;
            let RunOutcome { value, waited } = outcome(answer.await, "smart_turn")?;
            events.model_waited("smart_turn", waited);
            Ok(value)
        }
        .boxed()
    }
}
