//! Conversations by text messages: sessions without a connection, one for each number, which outlive every process and every
//! silence shorter than the store's time to live.

use super::{CLAIM, Found, Live, NewSession, SessionError, Sessions};
use crate::http::Token;
use crate::store::StoredSession;

/// The key of `context` that makes a session a conversation by text messages. Its value is after how many milliseconds without a
/// message it lets go of its place.
pub const TEXTS: &str = "texts";

impl Sessions {
    /// The conversation that this token opens, wherever it was; begun, if there is none, or if it had ended.
    ///
    /// # Errors
    /// [`SessionError`], all but `Unknown` and `Ended`. A voice that nobody can give is no reason not to answer by text.
    pub async fn open_texts(&self, token: &Token, new: NewSession) -> Result<Live, SessionError> {
        let _one_at_a_time = self.lock_of(token.session()).lock().await;
        let stored = match self.find(token).await {
            Ok(Found::Live(live)) => match self.taken_elsewhere(&live).await? {
                None => return Ok(live),
                Some(stored) => Some(stored),
            },
            Ok(Found::Stored(stored)) => Some(*stored),
            Err(SessionError::Unknown) => None,
            Err(error) => return Err(error),
        };
        if stored.is_none() {
            self.admit(new.channel)?;
        }
        let slot = self.reserve_unless(self.parts.readiness.held_for_text()).await?;
        match stored {
            Some(StoredSession { ended: false, doc, fence, .. }) => {
                self.take_up(slot, doc.session_id, fence, None).await.map(|(live, ..)| live)
            }
            Some(StoredSession { doc, .. }) => {
                // It said goodbye. What it knew is not asked for again; the tasks are the user's.
                let gone = self.parts.store.delete_session(doc.session_id).await;
                gone.inspect_err(|error| self.store_failed(CLAIM, error))?;
                self.begin_in(slot, token, new).await
            }
            None => self.begin_in(slot, token, new).await,
        }
    }

    /// The session as the store has it, if another instance has taken it up since it lived here.
    async fn taken_elsewhere(&self, live: &Live) -> Result<Option<StoredSession>, SessionError> {
        let stored = self.parts.store.load_session(live.id.clone()).await;
        let stored = stored.inspect_err(|error| self.store_failed("load_session", error))?;
        Ok(stored.filter(|stored| stored.owner != self.parts.instance))
    }
}
