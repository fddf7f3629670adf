//! What is too old goes: from the storage, and from the disk if it never got there.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Recorder, RecordingError};

/// How often.
const EVERY: Duration = Duration::from_secs(3_600);
/// After a failure it is tried again so soon; the pause doubles, up to an hour.
const AGAIN: Duration = Duration::from_secs(60);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Deletes at the start and every hour, for ever.
pub(super) async fn run(recorder: Arc<Recorder>) {
    let mut again = AGAIN;
    loop {
        let rest = match expire(&recorder, recorder.now()).await {
            Ok(0) => {
                again = AGAIN;
                EVERY
            }
            Ok(files) => {
                again = AGAIN;
                tracing::info!(
                    files,
                    days = recorder.settings.retention_days,
                    "recordings that were too old were deleted"
                );
                EVERY
            }
            Err(error) => {
                tracing::error!(%error, "recordings that are too old could not all be deleted; it is tried again");
                again = (again * 2).min(EVERY);
                again / 2
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// Deletes what began too long before `now`. How many files. One that cannot be deleted keeps none of the others.
pub(super) async fn expire(recorder: &Recorder, now: Timestamp) -> Result<u64, RecordingError> {
    let age = DAY * i32::try_from(recorder.settings.retention_days).unwrap_or(i32::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let mut files = 0;
    let mut refused = None;
    for old in recorder.list(None).await?.into_iter().filter(|one| one.name.start < oldest) {
        match recorder.delete(&old.name).await {
            Ok(()) => {
                recorder.events.recordings_deleted(1);
                files += 1;
            }
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(files), Err)
}
