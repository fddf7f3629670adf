//! Sessions that are opened without their token, because somebody whom we trust says which one it is.

use super::{Found, Live, SessionError, Sessions};
use crate::store::{SessionId, UserId};

impl Sessions {
    /// This session, brought to life if it is only in the store. Whoever asks has made sure that it is the caller's.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn open_vouched(&self, id: &SessionId) -> Result<Live, SessionError> {
        let _one_at_a_time = self.lock_of(id).lock().await;
        let found = self.look_up(id).await?;
        self.open_found(found, None).await.map(|(live, _)| live)
    }

    /// Whose this session is; `None` if there is none, or it is over.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub async fn user_of(&self, id: &SessionId) -> Result<Option<UserId>, SessionError> {
        match self.look_up(id).await {
            Ok(Found::Stored(stored)) if stored.ended => Ok(None),
            Ok(found) => Ok(Some(found.user().clone())),
            Err(SessionError::Unknown) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The session of this id, whoever asks.
    pub(super) async fn look_up(&self, id: &SessionId) -> Result<Found, SessionError> {
        let live = self.lock().get(id).cloned().filter(|live| !live.is_over());
        if let Some(live) = live {
            return Ok(Found::Live(live));
        }
        let loaded = self.parts.store.load_session(id.clone()).await;
        let stored = loaded.inspect_err(|error| self.store_failed("load_session", error))?;
        stored.map(|stored| Found::Stored(Box::new(stored))).ok_or(SessionError::Unknown)
    }
}
