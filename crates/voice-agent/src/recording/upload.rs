//! From the spool to the storage, in the background and for as long as it takes.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::spool::{Spool, Waiting, mend};
use super::{MB, Recorder, StorageError};
use crate::vault::{Fate, Header, KeyId, SealError};

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
        let whole = match whole(recorder, spool, &one).await {
            Ok(Some(whole)) => whole,
            Ok(None) => continue,
            // It says nothing of the storage: the others are not kept back by it.
            Err(error) => {
                why = Some(error);
                left.push(one);
                continue;
            }
        };
        match bring(recorder, spool, &one, whole).await {
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

/// A file that is ended, where it is, and the key that it is sealed under.
struct Whole {
    path: PathBuf,
    key: KeyId,
}

/// Brings one file to the storage; why not.
async fn bring(recorder: &Recorder, spool: &Arc<Spool>, one: &Waiting, whole: Whole) -> Result<(), String> {
    let bytes = recorder.storage.put(&one.name, &whole.path).await.map_err(|error| {
        recorder.events.recording_upload_failed();
        said(&error)
    })?;
    recorder.events.recording_stored(bytes);
    // Whoever erased its user meanwhile, in another process, did not find it in the storage.
    if is_lost(recorder, one, Some(whole.key)).await? {
        return forget(recorder, spool, one, whole.path).await;
    }
    removed(spool, whole.path).await.map_err(|error| format!("a stored recording stays here, too: {error}"))
}

/// Whether what is sealed under this key can never be opened again. That a key is not in the store says nothing: the store may be an old one, and be put
/// right.
async fn is_lost(recorder: &Recorder, one: &Waiting, key: Option<KeyId>) -> Result<bool, String> {
    let fate = recorder.vault.fate(one.name.owner).await.map_err(|error| error.to_string())?;
    Ok(key.map_or(fate != Fate::Kept, |key| fate.is_lost(key)))
}

/// Nobody can read it any more: it goes, from the storage as well, where an upload that was killed may have left it.
async fn forget(recorder: &Recorder, spool: &Arc<Spool>, one: &Waiting, path: PathBuf) -> Result<(), String> {
    recorder.storage.delete(&one.name).await.map_err(|error| said(&error))?;
    removed(spool, path).await.map_err(|error| error.to_string())?;
    recorder.events.recordings_deleted(1);
    tracing::info!("a recording whose user was erased while it waited was deleted");
    Ok(())
}

async fn removed(spool: &Arc<Spool>, path: PathBuf) -> io::Result<()> {
    let spool = Arc::clone(spool);
    tokio::task::spawn_blocking(move || spool.remove(&path)).await?
}

/// The whole file; none if there is nothing to keep. What is sealed under a key that was destroyed nobody can read: its user was erased, and it
/// goes.
async fn whole(recorder: &Recorder, spool: &Arc<Spool>, one: &Waiting) -> Result<Option<Whole>, String> {
    let key = recorder.vault.key_of(one.name.owner).await.map_err(|error| error.to_string())?;
    let (path, is_torn) = (one.path.clone(), one.is_torn);
    let looked = tokio::task::spawn_blocking(move || {
        let header = File::open(&path).map_err(SealError::from).and_then(|mut file| Header::read(&mut file));
        match (key, header) {
            (Some(key), Ok(header)) if header.key == key.id() && !is_torn => {
                Ok(Found::Whole(Some(Whole { path, key: key.id() })))
            }
            // Without a whole header nothing was written.
            (Some(key), header) if is_torn && header.as_ref().map_or(true, |header| header.key == key.id()) => {
                let mended = mend(&path, &key).map_err(|error| error.to_string())?;
                Ok(Found::Whole(mended.map(|path| Whole { path, key: key.id() })))
            }
            (Some(_), Err(error)) => Err(error.to_string()),
            (_, header) => Ok(Found::Unreadable { path, key: header.ok().map(|header| header.key) }),
        }
    });
    match looked.await.map_err(|error| error.to_string())?? {
        Found::Whole(whole) => Ok(whole),
        Found::Unreadable { path, key } if is_lost(recorder, one, key).await? => {
            forget(recorder, spool, one, path).await.map(|()| None)
        }
        Found::Unreadable { .. } => {
            Err("the key of a waiting recording is not in the store, and was not destroyed".to_owned())
        }
    }
}

/// What a file that waits turned out to be.
enum Found {
    Whole(Option<Whole>),
    /// There is another key now, or none.
    Unreadable {
        path: PathBuf,
        key: Option<KeyId>,
    },
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
