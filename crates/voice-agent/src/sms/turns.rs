//! Which instance answers a number's text messages: one at a time. Two would take the conversation from each other, again and again, and neither
//! would come to an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::store::{Begun, InstanceId, SessionId, Store};

/// So long it is waited for another instance; then the conversation is taken from it, as it would be from one that hangs.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often it is looked whether the other has finished.
const LOOK: Duration = Duration::from_millis(50);

/// The conversations in which messages are being answered here.
pub struct Turns {
    store: Arc<dyn Store>,
    instance: InstanceId,
    here: Mutex<HashMap<SessionId, usize>>,
}

/// A message that is being answered, for as long as it lives.
pub struct Turn<'a> {
    turns: &'a Turns,
    session: SessionId,
}

impl Turns {
    pub(crate) fn new(store: Arc<dyn Store>, instance: InstanceId) -> Self {
        Self { store, instance, here: Mutex::default() }
    }

    fn here(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, usize>> {
        // Every change is complete in itself.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other instance answers in this conversation. Those that are answered here meanwhile go beside one another: the session takes
    /// them one after the other.
    pub async fn take(&self, session: &SessionId) -> Turn<'_> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(count) = self.here().get_mut(session) {
                *count += 1;
                break;
            }
            let begun = self.store.begin_message(note(session), self.instance.clone()).await;
            // While the store is away nobody can be asked, and nobody else takes the conversation.
            let is_ours = !matches!(begun, Ok(Begun::UnderWay | Begun::Done)) || Instant::now() >= until;
            if is_ours {
                *self.here().entry(session.clone()).or_default() += 1;
                break;
            }
            sleep(LOOK).await;
        }
        Turn { turns: self, session: session.clone() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut here = self.turns.here();
        let left = here.get_mut(&self.session).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left > 0 {
            return;
        }
        here.remove(&self.session);
        let (store, note) = (Arc::clone(&self.turns.store), note(&self.session));
        tokio::spawn(async move {
            // What cannot be taken back is waited for in vain, for a moment, by the next one.
            if let Err(error) = store.forget_note(note).await {
                tracing::debug!(%error, "whose turn a conversation is could not be taken back");
            }
        });
    }
}

fn note(session: &SessionId) -> String {
    format!("turn:{session}")
}
