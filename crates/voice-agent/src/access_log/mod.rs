//! Who looked at whose data: a log that cannot be changed without its being noticed.
//!
//! JSON lines, one file for each process below `DATA_DIR/access-log`, only ever appended to and on disk before anything is handed
//! out. Each line has the hash of the one before it, and a MAC under a key that is derived from the vault's secrets: nobody without it
//! can make a line that counts, or leave one out. How far each log is stands in the store, too, so that a log whose end was cut
//! off, or that is gone altogether, is noticed.
//!
//! People are named by the vault's pseudonyms. No name, number, word or token is in it, so that it stays whole when somebody is erased.

mod audit;
mod line;
mod seal;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::vault::VaultError;

pub use audit::{Elsewhere, Finding, Findings, Sealed, audit, last_lines, lines_about};
pub use line::{Access, Line, Role};
pub use seal::{MAX_REASON, SEAL, Seal};
pub use write::AccessLog;

/// The folder below `DATA_DIR`.
pub const FOLDER: &str = "access-log";
/// What a log's file ends with.
const ENDING: &str = ".jsonl";

/// Which disk this data folder is on: the host, and the folder there. A log that is missing where it was written is missing; on another disk it is not.
pub(crate) fn place(data_dir: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    format!("{}:{}", host.trim(), folder.display())
}

/// Why an access was not written down. It does not happen then.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The disk refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// There is no key for it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store does not say, or take, how far the log is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of ours.
    #[error("the log's line could not be written: {0}")]
    Line(#[from] serde_json::Error),
}

impl AccessLogError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}
