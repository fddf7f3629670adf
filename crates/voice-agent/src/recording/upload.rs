//! From the spool to the storage, in the background and for as long as it takes.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::spool::{Spool, Waiting, mend};
use super::{MB, Recorder, StorageError};
use crate::vault::{Header, SealError};

/// How often it is looked for what others have left, if nothing is told.
const LOOK: Duration = Duration::from_secs(30);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many failures in a row the rest of a round is not tried.
const GIVE_UP: u32 = 3;

/// Uploads, for ever.
pub(super) async fn run(recorder: Arc<Recorder>) {
    let first = Duration::from_millis(recorder.settings.retry_ms);
    let mut pause = first;
    loop {
        if round(&recorder).await {
            pause = first;
            // Whether it was told or the time is over is the same.
            let _time = tokio::time::timeout(LOOK, recorder.news.notified()).await;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Tries everything that waits once. Whether all of it is stored.
pub(super) async fn round(recorder: &Recorder) -> bool {
    let Some(spool) = &recorder.spool else { return true };
    let _alone = recorder.rounds.lock().await;
    let found = {
        let spool = Arc::clone(spool);
        tokio::task::spawn_blocking(move || spool.adopt().and_then(|()| spool.waiting())).await
    };
    let waiting = match found {
        Ok(Ok(waiting)) => waiting,
        Ok(Err(error)) => return trouble(recorder, &format!("the recordings that wait: {error}")),
        Err(_) => return false,
    };
    let (mut left, mut in_a_row, mut why) = (Vec::new(), 0, None);
    for one in waiting {
        if in_a_row >= GIVE_UP {
            left.push(one);
            continue;
        }
        let path = match whole(recorder, spool, &one).await {
            Ok(Some(path)) => path,
            Ok(None) => continue,
            // It says nothing of the storage: the others are not kept back by it.
            Err(error) => {
                why = Some(error);
                left.push(one);
                continue;
            }
        };
        match bring(recorder, spool, &one, path).await {
            Ok(()) => in_a_row = 0,
            Err(error) => {
                in_a_row += 1;
                why = Some(error);
                left.push(one);
            }
        }
    }
    tell(recorder, &left, why)
}

/// Says how much waits, and why. Whether nothing does.
fn tell(recorder: &Recorder, left: &[Waiting], why: Option<String>) -> bool {
    let bytes: u64 = left.iter().map(|one| one.bytes).sum();
    recorder.waiting_bytes.store(bytes, Ordering::Relaxed);
    recorder.events.recordings_waiting(left.len() as u64, bytes);
    let is_much = bytes > recorder.settings.spool_max_mb.saturating_mul(MB) / 2;
    match why {
        Some(why) => {
            let much = if is_much { "; much waits" } else { "" };
            trouble(recorder, &format!("recordings wait for their storage: {why}{much}"))
        }
        None => {
            recorder.readiness.recover("recording");
            true
        }
    }
}

fn trouble(recorder: &Recorder, why: &str) -> bool {
    recorder.readiness.degrade("recording", why);
    false
}

/// Brings one file to the storage; why not.
async fn bring(recorder: &Recorder, spool: &Arc<Spool>, one: &Waiting, path: PathBuf) -> Result<(), String> {
    match recorder.storage.put(&one.name, &path).await {
        Ok(bytes) => {
            let spool = Arc::clone(spool);
            let removed = tokio::task::spawn_blocking(move || spool.remove(&path)).await;
            recorder.events.recording_stored(bytes);
            match removed {
                Ok(Err(error)) => Err(format!("a stored recording stays here, too: {error}")),
                _ => Ok(()),
            }
        }
        Err(error) => {
            recorder.events.recording_upload_failed();
            Err(said(&error))
        }
    }
}

/// Where the whole file is; none if there is nothing to keep. What is sealed under a key that was destroyed nobody can read: its user was
/// erased, and it goes.
async fn whole(recorder: &Recorder, spool: &Arc<Spool>, one: &Waiting) -> Result<Option<PathBuf>, String> {
    let key = recorder.vault.key_of(one.name.owner).await.map_err(|error| error.to_string())?;
    let (spool, path, is_torn) = (Arc::clone(spool), one.path.clone(), one.is_torn);
    let looked = tokio::task::spawn_blocking(move || {
        let header = File::open(&path).map_err(SealError::from).and_then(|mut file| Header::read(&mut file));
        match (key, header) {
            (Some(key), Ok(header)) if header.key == key.id() && !is_torn => Ok(Some(path)),
            // Without a whole header nothing was written.
            (Some(key), header) if is_torn && header.as_ref().map_or(true, |header| header.key == key.id()) => {
                mend(&path, &key).map_err(|error| error.to_string())
            }
            (Some(_), Err(error)) => Err(error.to_string()),
            _ => spool.remove(&path).map(|()| None).map_err(|error| error.to_string()),
        }
    });
    looked.await.map_err(|error| error.to_string())?
}

/// A failure without what a URL may hold behind its path.
pub(super) fn said(error: &StorageError) -> String {
    let text = match error {
        StorageError::S3(
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. },
        ) => {
            return "S3 refuses the credentials".to_owned();
        }
        error => error.to_string(),
    };
    let words = text.split(' ').map(|word| match word.split_once('?') {
        Some((path, _)) if word.starts_with("http") => path,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_failure_has_no_query() {
        let source = "PUT http://127.0.0.1:9/b/k?uploadId=secret&partNumber=1 in 2ms".into();
        let error = StorageError::S3(object_store::Error::Generic { store: "S3", source });
        let text = said(&error);
        assert!(text.contains("http://127.0.0.1:9/b/k in 2ms") && !text.contains("secret"), "{text}");
    }
}
