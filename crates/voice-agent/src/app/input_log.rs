//! How long the logs of inputs are kept, and how much of them: they hold what callers said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use crate::config::InputLog;

const DAY: Duration = Duration::from_secs(86_400);
const MB: u64 = 1_000_000;

/// What was deleted, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    /// Files.
    pub(super) files: u64,
    /// Their bytes together.
    pub(super) bytes: u64,
    /// These should be gone, and why they are not.
    pub(super) refused: Vec<(PathBuf, io::Error)>,
}

/// A log on the disk.
struct Kept {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

/// Deletes the logs that are too old at `now`, and the oldest while all together hold too much. The logs of `live`
/// sessions are counted, and not deleted. One that cannot be deleted keeps none of the others. Blocks on the disk.
///
/// # Errors
/// When the folder cannot be read. One that is not there yet holds nothing.
pub(super) fn prune(settings: &InputLog, now: SystemTime, live: &BTreeSet<String>) -> io::Result<Pruned> {
    prune_by(|path| fs::remove_file(path), settings, now, live)
}

fn prune_by(
    delete: impl Fn(&Path) -> io::Result<()>,
    settings: &InputLog,
    now: SystemTime,
    live: &BTreeSet<String>,
) -> io::Result<Pruned> {
    let mut logs = match read(&settings.dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pruned::default()),
        logs => logs?,
    };
    logs.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    let mut total: u64 = logs.iter().map(|log| log.bytes).sum();
    let most = settings.max_total_mb.saturating_mul(MB);
    let oldest = now.checked_sub(DAY * settings.retention_days);
    let mut pruned = Pruned::default();
    for log in logs {
        let is_old = oldest.is_some_and(|oldest| log.modified < oldest);
        if (!is_old && total <= most) || session_of(&log.path).is_some_and(|session| live.contains(session)) {
            continue;
        }
        // Also where it stays: no younger one goes in its place.
        total = total.saturating_sub(log.bytes);
        match delete(&log.path) {
            // Somebody else deleted it: gone is gone.
            Err(error) if error.kind() != io::ErrorKind::NotFound => pruned.refused.push((log.path, error)),
            _ => {
                pruned.files += 1;
                pruned.bytes += log.bytes;
            }
        }
    }
    Ok(pruned)
}

/// The newest log of a session, if there is one. The session's id is only compared with the files' names, and never part of a
/// path. Blocks on the disk.
///
/// # Errors
/// When the folder cannot be read. One that is not there holds nothing.
pub(crate) fn newest(folder: &Path, session: &str) -> io::Result<Option<PathBuf>> {
    let logs = match read(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        logs => logs?,
    };
    // The time in the name sorts as text.
    Ok(logs.into_iter().map(|log| log.path).filter(|path| session_of(path) == Some(session)).max())
}

fn read(folder: &Path) -> io::Result<Vec<Kept>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Whatever else lies in the folder is not ours to delete.
        if session_of(&path).is_none() {
            continue;
        }
        let about = match entry.metadata() {
            // An erasure deletes logs at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?,
        };
        if about.is_file() {
            logs.push(Kept { path, modified: about.modified()?, bytes: about.len() });
        }
    }
    Ok(logs)
}

/// The session of a log: `{session}-{time}.jsonl.sealed`, as the driver names it; earlier versions sealed none.
pub(crate) fn session_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let (session, time) = name.strip_suffix(".sealed").unwrap_or(name).strip_suffix(".jsonl")?.rsplit_once('-')?;
    let is_time = time.len() == 19 && time.ends_with('Z') && time.as_bytes()[8] == b'T';
    (is_time && !session.is_empty()).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day in 2026.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn write(folder: &Path, name: &str, days_old: u32, bytes: u64) {
        let file = fs::File::create(folder.join(name)).unwrap();
        // A hole: nothing is written.
        file.set_len(bytes).unwrap();
        file.set_modified(now() - DAY * days_old).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_go_and_then_the_oldest_of_too_many_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let settings = InputLog { dir: folder.path().to_owned(), retention_days: 7, max_total_mb: 100 };
        for (name, days_old, megabytes) in [
            ("aa-20261101T100000000Z.jsonl", 8, 1),
            ("bb-20261103T100000000Z.jsonl", 6, 60),
            ("cc-20261104T100000000Z.jsonl", 5, 60),
            ("dd-20261105T100000000Z.jsonl.sealed", 1, 30),
            ("live-20261101T100000000Z.jsonl", 9, 1),
            ("notes.jsonl", 900, 1),
            ("notes-of-mine.txt", 900, 1),
        ] {
            write(folder.path(), name, days_old, megabytes * MB);
        }
        let live = BTreeSet::from(["live".to_owned()]);
        let gone = |pruned: Pruned| (pruned.files, pruned.bytes, pruned.refused.len());
        assert_eq!(gone(prune(&settings, now(), &live).unwrap()), (2, 61 * MB, 0));
        let left = [
            "cc-20261104T100000000Z.jsonl",
            "dd-20261105T100000000Z.jsonl.sealed",
            "live-20261101T100000000Z.jsonl",
            "notes-of-mine.txt",
            "notes.jsonl",
        ];
        assert_eq!(names(folder.path()), left);
        assert_eq!(gone(prune(&settings, now(), &live).unwrap()), (0, 0, 0));
        // Once it is over it is a log like any other.
        assert_eq!(prune(&settings, now(), &BTreeSet::new()).unwrap().files, 1);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let settings = InputLog { dir: "/nonexistent/logs".into(), ..InputLog::default() };
        assert_eq!(prune(&settings, now(), &BTreeSet::new()).unwrap().files, 0);
    }

    #[test]
    fn what_cannot_be_deleted_is_named_and_keeps_none_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let settings = InputLog { dir: folder.path().to_owned(), retention_days: 7, max_total_mb: 100 };
        for (name, days_old, megabytes) in [
            ("aa-20261101T100000000Z.jsonl", 9, 1),
            ("bb-20261102T100000000Z.jsonl.sealed", 8, 1),
            ("cc-20261103T100000000Z.jsonl", 6, 60),
            ("dd-20261104T100000000Z.jsonl", 5, 60),
            ("ee-20261105T100000000Z.jsonl", 1, 40),
        ] {
            write(folder.path(), name, days_old, megabytes * MB);
        }
        let delete = |path: &Path| match session_of(path) {
            Some("aa" | "cc") => Err(io::ErrorKind::PermissionDenied.into()),
            _ => fs::remove_file(path),
        };
        let pruned = prune_by(delete, &settings, now(), &BTreeSet::new()).unwrap();
        let refused: Vec<_> = pruned.refused.iter().map(|(path, _)| session_of(path).unwrap()).collect();
        assert_eq!((pruned.files, refused), (1, vec!["aa", "cc"]), "and no young one goes in the place of an old one");
        assert_eq!(names(folder.path()).len(), 4);
    }
}
