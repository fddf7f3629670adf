//! An objection to recordings that was told elsewhere: to another instance, in another call, by a text message.

use std::time::Duration;

use super::{Live, Sessions};
use crate::driver::api::{Command, SendError};
use crate::store::UserId;

/// So often the store is asked, and a session that is too busy is told.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(300);

impl Sessions {
    /// Somebody may have written down that this user is not to be recorded any more: then the user's calls here are recorded no longer. Nor are
    /// they where nobody can say whether somebody did.
    pub async fn heed_objection_of(&self, user: &UserId) {
        if !self.has_user(user) || !self.objects(user).await {
            return;
        }
        self.stop_recordings_of(user).await;
    }

    /// The user's calls here are recorded no longer. Whether all of them could be told.
    pub async fn stop_recordings_of(&self, user: &UserId) -> bool {
        let mut all_told = true;
        for live in self.list().into_iter().filter(|live| live.user == *user) {
            all_told &= self.stop_recording_in(&live).await;
        }
        all_told
    }

    /// Whether an objection is the last that was said of it; also when the store does not answer.
    async fn objects(&self, user: &UserId) -> bool {
        for _ in 0..TRIES {
            match self.has_opted_out(user).await {
                Ok(objects) => return objects,
                Err(error) => self.store_failed("consents", &error),
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        true
    }

    async fn stop_recording_in(&self, live: &Live) -> bool {
        for _ in 0..TRIES {
            match live.handle.send(Command::Consent { recording: false }) {
                Ok(()) | Err(SendError::Ended) => return true,
                Err(SendError::Full) => tokio::time::sleep(BETWEEN_TRIES).await,
            }
        }
        tracing::error!(session = %live.id, "a call is too busy to be told that it is not to be recorded");
        false
    }
}
