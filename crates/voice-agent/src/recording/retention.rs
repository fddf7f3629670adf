//! What is too old goes: from the storage, and from the disk if it never got there. So does what nobody can read any more: an erasure does not find
//! what another process is just bringing to the storage, and that process may be killed before it looks whether it should have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::{Listed, Name, Recorder, RecordingError};
use crate::telemetry::RetentionOf;
use crate::vault::{Fate, Header, KeyId, Pseudonym, VaultError};

/// How often.
const EVERY: Duration = Duration::from_secs(3_600);
/// After a failure it is tried again so soon; the pause doubles, up to an hour.
const AGAIN: Duration = Duration::from_secs(60);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Deletes at the start and every hour, for ever.
pub(super) async fn run(recorder: Arc<Recorder>, report: Report) {
    let mut again = AGAIN;
    loop {
        let Round { deleted, refused } = expire(&recorder, recorder.now()).await;
        if deleted != Deleted::default() {
            // Also what went in a round that could not do all of it.
            report(deleted).await;
            tracing::info!(
                old = deleted.old,
                unreadable = deleted.unreadable,
                days = recorder.settings.retention_days,
                "recordings that were too old, or whose users were erased, were deleted"
            );
        }
        let rest = match refused {
            None => {
                again = AGAIN;
                EVERY
            }
            Some(error) => {
                tracing::error!(
                    %error,
                    "recordings that are too old or whose users were erased could not all be deleted; it is tried again"
                );
                again = (again * 2).min(EVERY);
                again / 2
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// Who is told what a round deleted.
pub type Report = Arc<dyn Fn(Deleted) -> BoxFuture<'static, ()> + Send + Sync>;

/// How many files were deleted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// They began too long ago.
    pub old: u64,
    /// Their user was erased, and nobody could read them.
    pub unreadable: u64,
}

/// What a round did.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// This went.
    pub(super) deleted: Deleted,
    /// Why not all of it did; none if nothing is overdue.
    pub(super) refused: Option<RecordingError>,
}

/// Deletes what began too long before `now`, and what nobody can read any more. One that cannot be deleted keeps none of the others. How many could
/// not is told; where nobody knows which there are, it is one at least.
pub(super) async fn expire(recorder: &Recorder, now: Timestamp) -> Round {
    let (deleted, mut refused) = match recorder.list(None).await {
        Ok(listed) => delete_all(recorder, listed, now).await,
        Err(error) => (Deleted::default(), vec![error]),
    };
    recorder.events.retention_overdue(RetentionOf::Recordings, refused.len() as u64);
    Round { deleted, refused: refused.pop() }
}

async fn delete_all(recorder: &Recorder, listed: Vec<Listed>, now: Timestamp) -> (Deleted, Vec<RecordingError>) {
    let age = DAY * i32::try_from(recorder.settings.retention_days).unwrap_or(i32::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let (old, young): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(|one| one.name.start < oldest);
    let (mut deleted, mut refused) = (Deleted::default(), Vec::new());
    for one in old {
        match delete(recorder, &one.name).await {
            Ok(()) => deleted.old += 1,
            Err(error) => refused.push(error),
        }
    }
    let mut stored = BTreeMap::<Pseudonym, Vec<Name>>::new();
    // What waits here is looked at before it leaves.
    for one in young.into_iter().filter(|one| !one.is_waiting) {
        stored.entry(one.name.owner).or_default().push(one.name);
    }
    for (owner, names) in stored {
        match delete_unreadable(recorder, owner, &names).await {
            Ok(files) => deleted.unreadable += files,
            Err(error) => refused.push(error),
        }
    }
    (deleted, refused)
}

async fn delete(recorder: &Recorder, name: &Name) -> Result<(), RecordingError> {
    recorder.delete(name).await?;
    recorder.events.recordings_deleted(1);
    Ok(())
}

/// Deletes those of an owner's stored files that are sealed under a key that was destroyed. How many.
async fn delete_unreadable(recorder: &Recorder, owner: Pseudonym, names: &[Name]) -> Result<u64, RecordingError> {
    let present = match recorder.vault.fate(owner).await {
        Ok(Fate::Kept) => return Ok(0),
        Ok(Fate::Destroyed) => None,
        Ok(Fate::Replaced(key)) => Some(key),
        Err(VaultError::Store(error)) => return Err(VaultError::from(error).into()),
        // Which key there is now cannot be known here: nothing is deleted that may be readable.
        Err(error) => {
            tracing::debug!(%owner, %error, "what was sealed for this user before an erasure is not looked for");
            return Ok(0);
        }
    };
    let mut files = 0;
    for name in names {
        let is_readable = match present {
            Some(key) => recorder.key_named_by(name).await?.is_none_or(|named| named == key),
            None => false,
        };
        if !is_readable {
            delete(recorder, name).await?;
            files += 1;
        }
    }
    Ok(files)
}

impl Recorder {
    /// The key that a stored file says it is sealed under; none if it is gone, or is no sealed file.
    async fn key_named_by(&self, name: &Name) -> Result<Option<KeyId>, RecordingError> {
        let start = self.storage.start(name).await?;
        Ok(start.and_then(|start| Header::read(&mut start.as_ref()).ok()).map(|header| header.key))
    }
}
