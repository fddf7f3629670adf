//! Where recordings are kept: a folder, or a bucket of S3.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart};
use tokio::io::AsyncReadExt as _;

use super::name::Name;
use super::spool::files;
use crate::config::Recording;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A sealed file's header is shorter than this.
const START_BYTES: u64 = 1_024;
/// Parts of one upload on their way at the same time.
const PARTS_AT_ONCE: usize = 2;

/// Why the storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The setting leads nowhere.
    #[error("recording.storage {0}")]
    Setting(String),
    /// The folder refuses.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// S3 does not answer, or refuses.
    #[error("S3: {0}")]
    S3(#[from] object_store::Error),
    /// The file to be stored cannot be read.
    #[error("the waiting recording cannot be read: {0}")]
    Waiting(#[from] io::Error),
    /// The storage says that it has it, and does not have all of it.
    #[error("the storage has {stored} bytes of {expected}")]
    Short {
        /// What it has.
        stored: u64,
        /// What it was given.
        expected: u64,
    },
}

/// A file that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub name: Name,
    /// Its size.
    pub bytes: u64,
}

/// Where recordings are kept.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    Folder(PathBuf),
    S3 { bucket: Arc<AmazonS3>, prefix: Key, part_bytes: usize },
}

impl Storage {
    /// The storage of the settings; nobody is asked yet whether it is there.
    pub(super) fn new(settings: &Recording, data_dir: &Path) -> Result<Self, StorageError> {
        let Some(rest) = settings.storage.strip_prefix("s3://") else {
            let is_own = settings.storage.is_empty();
            return Ok(Self::Folder(if is_own {
                data_dir.join("recordings")
            } else {
                settings.storage.clone().into()
            }));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(StorageError::Setting(format!("{:?} names no bucket", settings.storage)));
        }
        let prefix = Key::parse(prefix).map_err(|_| StorageError::Setting(format!("{prefix:?} is no prefix")))?;
        let attempt = Duration::from_millis(settings.attempt_ms);
        let options = ClientOptions::new().with_timeout(attempt).with_connect_timeout(CONNECT);
        // Whoever names a plain address means it: what is sent is sealed.
        let is_plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|url| url.starts_with("http://")));
        // Patience is the uploader's: a failure is to be seen.
        let retry = RetryConfig { max_retries: 1, retry_timeout: attempt, ..RetryConfig::default() };
        let bucket = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(options.with_allow_http(is_plain))
            .with_retry(retry)
            .build()?;
        let part_bytes = usize::try_from(settings.part_mb << 20).unwrap_or(usize::MAX);
        Ok(Self::S3 { bucket: Arc::new(bucket), prefix, part_bytes })
    }

    /// Stores a file of the spool. Done again, it is the same.
    pub(super) async fn put(&self, name: &Name, file: &Path) -> Result<u64, StorageError> {
        match self {
            Self::Folder(folder) => {
                let (to, file) = (folder.join(name.to_string()), file.to_owned());
                blocking(move || move_into(&file, &to).map_err(|error| StorageError::Folder { path: to, error })).await
            }
            Self::S3 { bucket, prefix, part_bytes } => upload(bucket, &key(prefix, name), *part_bytes, file).await,
        }
    }

    /// Everything that is stored, or one user's.
    pub(super) async fn list(&self, owner: Option<&str>) -> Result<Vec<Stored>, StorageError> {
        match self {
            Self::Folder(folder) => {
                let (folder, owner) = (folder.clone(), owner.map(str::to_owned));
                blocking(move || list_folder(&folder, owner.as_deref())).await
            }
            Self::S3 { bucket, prefix, .. } => {
                let below = owner.map_or_else(|| prefix.clone(), |owner| prefix.clone().join(owner));
                let objects = bucket.list(Some(&below));
                let stored = objects.try_filter_map(|object| {
                    let name = name_of(prefix, &object.location);
                    std::future::ready(Ok(name.map(|name| Stored { name, bytes: object.size })))
                });
                Ok(stored.try_collect().await?)
            }
        }
    }

    /// A stored file, sealed as it is; none if there is none.
    pub(super) async fn get(&self, name: &Name) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name.to_string());
                blocking(move || match fs::read(&path) {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(StorageError::Folder { path, error }),
                })
                .await
            }
            Self::S3 { bucket, prefix, .. } => match bucket.get(&key(prefix, name)).await {
                Ok(found) => Ok(Some(found.bytes().await?)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// The first bytes of a stored file, [`START_BYTES`] at most; none if there is none.
    pub(super) async fn start(&self, name: &Name) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name.to_string());
                blocking(move || match read_start(&path) {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(StorageError::Folder { path, error }),
                })
                .await
            }
            Self::S3 { bucket, prefix, .. } => match bucket.get_range(&key(prefix, name), 0..START_BYTES).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Deletes a stored file. One that is not there is deleted.
    pub(super) async fn delete(&self, name: &Name) -> Result<(), StorageError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), folder.join(name.to_string()));
                blocking(move || remove(&folder, &path).map_err(|error| StorageError::Folder { path, error })).await
            }
            Self::S3 { bucket, prefix, .. } => match bucket.delete(&key(prefix, name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn key(prefix: &Key, name: &Name) -> Key {
    name.to_string().split('/').fold(prefix.clone(), |key, part| key.join(part))
}

/// The name of an object below the prefix; what is none of ours has none.
fn name_of(prefix: &Key, location: &Key) -> Option<Name> {
    let parts: Vec<String> = location.prefix_match(prefix)?.map(|part| part.as_ref().to_owned()).collect();
    parts.join("/").parse().ok()
}

/// Runs work on the disk beside the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StorageError::Waiting(io::Error::other(error)))?
}

/// Uploads a file, in parts if it is large, and sees that all of it is there.
async fn upload(bucket: &AmazonS3, key: &Key, part_bytes: usize, path: &Path) -> Result<u64, StorageError> {
    let mut file = tokio::fs::File::open(path).await?;
    let expected = file.metadata().await?.len();
    if usize::try_from(expected).is_ok_and(|bytes| bytes <= part_bytes) {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        bucket.put(key, PutPayload::from(bytes)).await?;
    } else {
        let mut parts = WriteMultipart::new_with_chunk_size(bucket.put_multipart(key).await?, part_bytes);
        match send_parts(&mut file, &mut parts).await {
            Ok(()) => parts.finish().await.map(|_| ())?,
            Err(error) => {
                // What cannot be taken back now goes by the bucket's own rule.
                if let Err(error) = parts.abort().await {
                    tracing::debug!(%error, "an upload that broke off could not be taken back");
                }
                return Err(error);
            }
        }
    }
    let stored = bucket.head(key).await?.size;
    if stored == expected { Ok(stored) } else { Err(StorageError::Short { stored, expected }) }
}

async fn send_parts(file: &mut tokio::fs::File, parts: &mut WriteMultipart) -> Result<(), StorageError> {
    let mut piece = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        parts.wait_for_capacity(PARTS_AT_ONCE).await?;
        parts.write(&piece[..count]);
    }
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(START_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Moves a file, also to another disk: it is there whole, or not at all.
fn move_into(from: &Path, to: &Path) -> io::Result<u64> {
    let bytes = fs::metadata(from)?.len();
    let folder = to.parent().unwrap_or(to);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::rename(from, to).is_err() {
        let beside = beside(to);
        fs::copy(from, &beside)?;
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, to)?;
    }
    File::open(folder)?.sync_all()?;
    Ok(bytes)
}

/// Where a file is while it is copied from another disk.
fn beside(to: &Path) -> PathBuf {
    to.with_extension("new")
}

fn list_folder(folder: &Path, owner: Option<&str>) -> Result<Vec<Stored>, StorageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| StorageError::Folder { path, error }
    };
    let below = owner.map_or_else(|| folder.to_owned(), |owner| folder.join(owner));
    let mut stored = Vec::new();
    for path in files(&below).map_err(failed(&below))? {
        let name = path.strip_prefix(folder).ok().and_then(Path::to_str).and_then(|name| name.parse().ok());
        if let Some(name) = name {
            stored.push(Stored { name, bytes: fs::metadata(&path).map_err(failed(&path))?.len() });
        }
    }
    Ok(stored)
}

/// Removes a file, what a copy of it that was killed has left, and the folders that are empty without them.
fn remove(root: &Path, path: &Path) -> io::Result<()> {
    for path in [path, &beside(path)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != root && folder.starts_with(root)) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_that_was_killed_has_left_goes_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owner/session/1-1.ogg.sealed");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(beside(&file), b"half").unwrap();
        remove(folder.path(), &file).unwrap();
        assert!(!folder.path().join("owner").exists());
    }
}
