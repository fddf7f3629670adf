//! Where the master key comes from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Key, Kms, KmsFuture, LocalKms, VaultError};
use crate::config::Config;

/// The file below `DATA_DIR` that holds a master key of our own making.
pub const MASTER_KEY_FILE: &str = "recording-master-key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Its file cannot be read or made.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// What is configured, or in the file, is no key.
    #[error("{from}: {why}")]
    Malformed {
        /// The variable or the file.
        from: String,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// Who wraps keys, by the settings: the master key that they name, or one of our own in the data folder, which is made there when it is
/// first needed. None where several instances share a store and none is named: what one of them made, the others could not read.
///
/// # Errors
/// [`MasterKeyError`] for a key that is none.
pub fn load(config: &Config) -> Result<Option<Arc<dyn Kms>>, MasterKeyError> {
    let secrets = &config.secrets;
    let malformed = |from: &str| {
        let from = from.to_owned();
        move |why| MasterKeyError::Malformed { from, why }
    };
    let old = match &secrets.recording_master_keys_old {
        Some(list) => parse_list(list.reveal()).map_err(malformed("RECORDING_MASTER_KEYS_OLD"))?,
        None => Vec::new(),
    };
    Ok(match &secrets.recording_master_key {
        Some(key) => {
            let present = parse(key.reveal()).map_err(malformed("RECORDING_MASTER_KEY"))?;
            Some(Arc::new(LocalKms::new(present, old)))
        }
        None if secrets.redis_url.is_some() => None,
        None => Some(Arc::new(FolderKms { folder: config.data_dir.clone(), old, found: Mutex::default() })),
    })
}

/// A master key in a folder.
struct FolderKms {
    folder: PathBuf,
    old: Vec<Key>,
    found: Mutex<Option<Arc<LocalKms>>>,
}

impl FolderKms {
    fn found(&self) -> Result<Arc<LocalKms>, VaultError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kms) = &*found {
            return Ok(Arc::clone(kms));
        }
        let present = of_folder(&self.folder).map_err(|error| VaultError::Kms(error.to_string()))?;
        let kms = Arc::new(LocalKms::new(present, self.old.clone()));
        *found = Some(Arc::clone(&kms));
        Ok(kms)
    }
}

impl Kms for FolderKms {
    fn wrap<'a>(&'a self, name: &'a str, key: &'a Key) -> KmsFuture<'a, String> {
        Box::pin(async move { self.found()?.wrap(name, key).await })
    }

    fn unwrap<'a>(&'a self, name: &'a str, wrapped: &'a str) -> KmsFuture<'a, Key> {
        Box::pin(async move { self.found()?.unwrap(name, wrapped).await })
    }

    fn is_current(&self, wrapped: &str) -> bool {
        self.found().is_ok_and(|kms| kms.is_current(wrapped))
    }
}

/// Reads 32 bytes in base64.
pub(crate) fn parse(text: &str) -> Result<Key, String> {
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| "is not base64: 32 bytes in base64 are needed".to_owned())?;
    let key = bytes.as_slice().try_into().map(Key::from_bytes);
    key.map_err(|_| format!("has {} bytes: 32 are needed, in base64", bytes.len()))
}

/// Reads several, with commas between them.
fn parse_list(text: &str) -> Result<Vec<Key>, String> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(parse).collect()
}

/// Whether it is a list of keys; why not.
pub(crate) fn check_list(text: &str) -> Result<(), String> {
    parse_list(text).map(|_| ())
}

fn of_folder(folder: &Path) -> Result<Key, MasterKeyError> {
    let path = folder.join(MASTER_KEY_FILE);
    let text = match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make(&path),
        Err(error) => return Err(MasterKeyError::Io { path, error }),
    };
    if fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others than its owner may read the master key of the recordings");
    }
    parse(&text).map_err(|why| MasterKeyError::Malformed { from: path.display().to_string(), why })
}

/// Makes the file, wholly or not at all.
fn make(path: &Path) -> Result<Key, MasterKeyError> {
    let key = Key::random()?;
    let text = Zeroizing::new(STANDARD.encode(key.bytes()));
    let beside = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| MasterKeyError::Io { path: path.to_owned(), error })?;
    tracing::warn!(
        path = %path.display(),
        "RECORDING_MASTER_KEY is not set: a master key was made. Who loses this file loses all recordings, and who has it and the data \
         folder can read them"
    );
    Ok(key)
}
