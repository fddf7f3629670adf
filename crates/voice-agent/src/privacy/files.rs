//! The logs of inputs of one person's sessions: sealed ones say whose they are, plain ones of earlier versions only of which session.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::PrivacyError;
use crate::app::session_of_input_log;
use crate::vault::{Header, Opener, Pseudonym, SealError, UserKey};

/// Whose logs.
#[derive(Debug, Clone)]
pub(super) struct Whose {
    /// The person.
    pub(super) owner: Pseudonym,
    /// The sessions that are still known to be theirs.
    pub(super) sessions: BTreeSet<String>,
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
        let is_theirs = if whose.sessions.contains(session) { Ok(true) } else { is_owned(&path, whose.owner) };
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

/// Whether a sealed file says that it is this person's. One whose beginning was never written is nobody's.
fn is_owned(path: &Path, owner: Pseudonym) -> Result<bool, PrivacyError> {
    if !is_sealed(path) {
        return Ok(false);
    }
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => BufReader::new(file.map_err(|error| failed(path, error))?),
    };
    Ok(Header::read(&mut file).is_ok_and(|header| header.owner == owner))
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
