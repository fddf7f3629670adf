//! The end of a session in the store, and the last words before it: also when the store is away just then.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use voice_core::ids::TurnId;

use super::Driver;
use super::recommit::{AFTER_THE_END, BETWEEN_TRIES};
use crate::store::{Commit, CommitOutcome, SessionId, Store, StoreError};

/// A promised change gives up by itself; nobody waits for it for longer than that.
const LONGEST: Duration = AFTER_THE_END.saturating_add(Duration::from_secs(10));

impl Driver {
    /// Marks the session as over, with what was said last. What the store does not take now it is given later, beside everything else: an end in
    /// an outage is an end, and a promised change is kept before it.
    pub(super) async fn end_in_store(&mut self, with_last_words: bool) {
        let mut end = End { id: self.doc.session_id.clone(), fence: self.fence, last_words: None };
        if with_last_words && !self.session.is_saved() {
            let snapshot = self.session.snapshot();
            self.lay_out(&snapshot);
            let turn = TurnId(snapshot.counters.turn);
            end.last_words = Some(Commit { doc: self.doc.clone(), fence: self.fence, turn, tools: Vec::new() });
        }
        let before = self.committing.take().filter(|commit| !commit.is_finished());
        if before.is_none() {
            match end.attempt(self.deps.store.as_ref()).await {
                Ok(()) => return,
                Err(error) => {
                    self.deps.events.store_failed("end_session", &error);
                    if !is_away(&error) {
                        return;
                    }
                }
            }
        }
        let store = Arc::clone(&self.deps.store);
        self.deps.tracker.spawn(async move { end.keep_trying(store.as_ref(), before).await });
    }
}

/// What is to be saved.
struct End {
    id: SessionId,
    fence: u64,
    last_words: Option<Commit>,
}

impl End {
    async fn attempt(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if let Some(commit) = &self.last_words {
            if store.commit(commit.clone()).await? == CommitOutcome::Fenced {
                return Err(StoreError::Fenced(self.id.to_string()));
            }
            self.last_words = None;
        }
        store.end_session(self.id.clone(), Some(self.fence)).await
    }

    /// Until the store has answered, behind the commit that is still being made; not for ever.
    async fn keep_trying(mut self, store: &dyn Store, before: Option<AbortHandle>) {
        let began = Instant::now();
        while began.elapsed() < LONGEST {
            if before.as_ref().is_none_or(AbortHandle::is_finished) {
                match self.attempt(store).await {
                    Err(error) if is_away(&error) => {}
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(session = %self.id, %error, "a session's end was not taken");
                        return;
                    }
                }
            }
            sleep(BETWEEN_TRIES).await;
        }
        tracing::error!(session = %self.id, "the store was away for so long that a session's end is lost");
    }
}

/// Whether the same may be taken another time.
const fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Timeout(_) | StoreError::Unknown(_))
}
