//! The logs of inputs of one person's sessions: sealed ones say whose they are, plain ones of earlier versions only of which session.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::PrivacyError;
use crate::app::session_of_input_log;
use crate::vault::{Fate, Header, MAX_HEADER_BYTES, Opener, Pseudonym, SealError, UserKey};

/// Whose logs.
#[derive(Debug, Clone)]
pub(super) struct Whose {
    /// The person.
    pub(super) owner: Pseudonym,
    /// The sessions that are still known to be theirs.
    pub(super) sessions: BTreeSet<String>,
    /// Of what is sealed only what nobody can read any more, since this became of the key; without, whatever the key.
    pub(super) fate: Option<Fate>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Their files, in order.
    pub(super) theirs: Vec<PathBuf>,
    /// How many cannot be read, so that nobody knows whose they are.
    pub(super) unknown: usize,
}

/// Their files. The sessions' ids are only compared with the files' names.
///
/// # Errors
/// [`PrivacyError::Io`]. A folder that is not there holds nothing.
pub(super) fn input_logs(folder: &Path, whose: &Whose) -> Result<Found, PrivacyError> {
    if folder.as_os_str().is_empty() {
        return Ok(Found::default());
    }
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        entries => entries.map_err(|error| failed(folder, error))?,
    };
    let mut found = Found::default();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let Some(session) = session_of_input_log(&path) else { continue };
        let is_theirs = if whose.sessions.contains(session) { Ok(true) } else { is_owned(&path, whose) };
        match is_theirs {
            Ok(true) => found.theirs.push(path),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "whose this log of inputs is cannot be read");
                found.unknown += 1;
            }
        }
    }
    found.theirs.sort();
    Ok(found)
}

fn is_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "sealed")
}

/// Whether a sealed file says that it is this person's. One whose beginning was never written is nobody's; of one that cannot be read, or was made by
/// a later version, nobody knows.
fn is_owned(path: &Path, whose: &Whose) -> Result<bool, PrivacyError> {
    if !is_sealed(path) {
        return Ok(false);
    }
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => BufReader::new(file.map_err(|error| failed(path, error))?),
    };
    match Header::read(&mut file) {
        Ok(header) => Ok(header.owner == whose.owner && whose.fate.is_none_or(|fate| fate.is_lost(header.key))),
        Err(SealError::NotSealed | SealError::HeaderDamaged) if is_begun(path)? => Ok(false),
        Err(SealError::Io(error)) => Err(failed(path, error)),
        Err(error) => Err(failed(path, io::Error::other(error))),
    }
}

/// Whether there is no more of it than the beginning of a header.
fn is_begun(path: &Path) -> Result<bool, PrivacyError> {
    let metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    Ok(metadata.len() < MAX_HEADER_BYTES)
}

/// A log's text, unsealed if it is sealed; without a key only what is plain can be read.
pub(super) fn read(path: &Path, key: Option<&UserKey>) -> Result<Vec<u8>, PrivacyError> {
    if !is_sealed(path) {
        return fs::read(path).map_err(|error| failed(path, error));
    }
    let sealed = |error: SealError| failed(path, io::Error::other(error));
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(path, error))?);
    let header = Header::read(&mut file).map_err(sealed)?;
    let Some(key) = key else {
        return Err(failed(path, io::Error::other("its key was destroyed, and it cannot be read any more")));
    };
    let mut opener = Opener::new(file, &header, key).map_err(sealed)?;
    let mut text = Vec::new();
    loop {
        match opener.next_chunk() {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            // The call goes on, or its process was killed.
            Ok(None) | Err(SealError::Truncated { .. }) => return Ok(text),
            Err(error) => return Err(sealed(error)),
        }
    }
}

/// Deletes a file; one that is gone is deleted.
pub(super) fn delete(path: &Path) -> Result<(), PrivacyError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

pub(super) fn failed(path: &Path, error: io::Error) -> PrivacyError {
    PrivacyError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Key, Sealer};

    #[test]
    fn a_log_of_which_nobody_knows_whose_it_is_is_counted_and_one_without_a_beginning_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let owner: Pseudonym = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let key = UserKey::new(owner, Key::from_bytes(&[7; 32]));
        let (mut sealer, mut bytes) = Sealer::new(&key, "inputs").unwrap();
        sealer.seal(&[1; 1_000], &mut bytes).unwrap();
        let later = [&bytes[..8], &[2], &bytes[9..]].concat();
        let damaged = [b"X", &bytes[1..]].concat();
        let path = folder.path().join("sess_1-20261130T120000000Z.jsonl.sealed");
        let whose = Whose { owner, sessions: BTreeSet::new(), fate: None };
        for (text, theirs, unknown) in
            [(&bytes[..], 1, 0), (&later, 0, 1), (&damaged, 0, 1), (&bytes[..50], 0, 0), (&[], 0, 0)]
        {
            fs::write(&path, text).unwrap();
            assert!(session_of_input_log(&path).is_some());
            let found = input_logs(folder.path(), &whose).unwrap();
            assert_eq!((found.theirs.len(), found.unknown), (theirs, unknown), "{} bytes", text.len());
        }
    }

    #[test]
    fn what_is_sealed_under_the_key_that_there_is_now_is_not_what_an_erasure_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let owner: Pseudonym = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let [erased, present] = [7, 8].map(|byte| UserKey::new(owner, Key::from_bytes(&[byte; 32])));
        for (fate, theirs) in [(Fate::Replaced(present.id()), [1, 0]), (Fate::Destroyed, [1, 1]), (Fate::Kept, [0, 0])]
        {
            let whose = Whose { owner, sessions: BTreeSet::new(), fate: Some(fate) };
            let found = [&erased, &present].map(|key| {
                let (_, header) = Sealer::new(key, "inputs").unwrap();
                fs::write(folder.path().join("sess_1-20261130T120000000Z.jsonl.sealed"), header).unwrap();
                input_logs(folder.path(), &whose).unwrap().theirs.len()
            });
            assert_eq!(found, theirs, "{fate:?}");
        }
    }
}
