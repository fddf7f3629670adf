//! Where recordings are made, and wait for their storage: sealed files below `DATA_DIR`, which a killed process leaves to the next.
//!
//! Each process has a folder of its own there, with a lock for as long as it lives. A file that is being written ends in `.part`.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::name::Name;
use crate::vault::{Fate, Header, MAX_HEADER_BYTES, Opener, Pseudonym, SealError, Sealer, UserKey, VaultError};

/// The folder below `DATA_DIR`.
const FOLDER: &str = "recordings-waiting";
/// The lock in a process's folder.
const LOCK: &str = "lock";
/// What a file that is being written ends in.
const PART: &str = "part";

/// Why a recording is not on the disk.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refuses: it is full, or gone.
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
    /// There is no key to seal it with.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What waits cannot be opened: it stays as it is, for whoever can.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SealError,
    },
}

/// A file that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) name: Name,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Its writer is gone, and has not ended it.
    pub(super) is_torn: bool,
}

/// Whether anything ever waited there.
pub(super) fn is_there(data_dir: &Path) -> bool {
    data_dir.join(FOLDER).is_dir()
}

/// How many files of this owner wait below `DATA_DIR` in the folders of other processes, of `instance` that is. Blocks on the disk.
pub(super) fn elsewhere(data_dir: &Path, instance: &str, owner: Pseudonym) -> io::Result<u64> {
    let root = data_dir.join(FOLDER);
    let folders = match folders(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        folders => folders?,
    };
    let mut count = 0;
    for folder in folders.into_iter().filter(|folder| *folder != root.join(instance)) {
        count += files(&folder.join(owner.to_string()))?.len() as u64;
    }
    Ok(count)
}

/// This process's folder.
#[derive(Debug)]
pub(super) struct Spool {
    root: PathBuf,
    own: PathBuf,
    _lock: File,
    /// What is being written.
    live: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Spool {
    /// Opens this process's folder. Blocks on the disk.
    pub(super) fn open(data_dir: &Path, instance: &str) -> io::Result<Self> {
        let root = data_dir.join(FOLDER);
        let own = root.join(instance);
        let taken = || io::Error::other("another process has this instance's id");
        for _ in 0..3 {
            make_folder(&own)?;
            let lock = lock(&own)?.ok_or_else(taken)?;
            // Whoever adopts may have taken the folder away before it was locked.
            if own.join(LOCK).exists() {
                return Ok(Self { root, own, _lock: lock, live: Arc::default() });
            }
        }
        Err(taken())
    }

    /// Takes over what processes that are gone have left.
    pub(super) fn adopt(&self) -> io::Result<()> {
        for folder in folders(&self.root)?.into_iter().filter(|folder| *folder != self.own) {
            // Whose lock is held lives, on this machine or on another that shares the disk.
            let Some(_lock) = lock(&folder)? else { continue };
            for path in files(&folder)? {
                if let Ok(inside) = path.strip_prefix(&folder) {
                    let to = self.own.join(inside);
                    to.parent().map_or(Ok(()), make_folder)?;
                    fs::rename(&path, &to)?;
                }
            }
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }

    /// Begins a file.
    pub(super) fn create(&self, name: &Name, key: &UserKey) -> Result<Writing, SpoolError> {
        let (sealer, header) = Sealer::new(key, &name.label())?;
        let done = self.own.join(name.to_string());
        let path = PathBuf::from(format!("{}.{PART}", done.display()));
        // Held until the file is there: nobody takes its folder away in between.
        let mut all = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        done.parent().map_or(Ok(()), make_folder)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        all.insert(path.clone());
        drop(all);
        let live = Live { path, all: Arc::clone(&self.live) };
        file.write_all(&header)?;
        Ok(Writing { file, sealer, done, bytes: header.len() as u64, live })
    }

    /// Deletes what waits of this owner, and nobody can read any more. How many files. Without a whole header nothing was written.
    pub(super) fn forget(&self, owner: Pseudonym, fate: Fate) -> io::Result<u64> {
        let mut files = 0;
        for one in self.waiting()?.into_iter().filter(|one| one.name.owner == owner) {
            let header = Header::read(&mut File::open(&one.path)?);
            if header.is_ok_and(|header| fate.is_lost(header.key)) {
                self.remove(&one.path)?;
                files += 1;
            }
        }
        Ok(files)
    }

    /// What waits, the oldest first.
    pub(super) fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut waiting = Vec::new();
        for path in files(&self.own)?.into_iter().filter(|path| !live.contains(path)) {
            let is_torn = path.extension().is_some_and(|ending| ending == PART);
            let whole = if is_torn { path.with_extension("") } else { path.clone() };
            let name = whole.strip_prefix(&self.own).ok().and_then(Path::to_str).and_then(|name| name.parse().ok());
            match (name, fs::metadata(&path)) {
                (Some(name), Ok(metadata)) => waiting.push(Waiting { name, path, bytes: metadata.len(), is_torn }),
                (None, _) if path.file_name().is_some_and(|name| name != LOCK) => {
                    tracing::warn!(path = %path.display(), "a file among the waiting recordings is none");
                }
                _ => {}
            }
        }
        waiting.sort_by(|a, b| (a.name.start, &a.name).cmp(&(b.name.start, &b.name)));
        Ok(waiting)
    }

    /// Forgets a file, and the folders that are empty without it.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let _nobody_begins = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.own && folder.starts_with(&self.own))
        {
            // Not empty: another file of the same session or user is there.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    file: File,
    sealer: Sealer,
    done: PathBuf,
    bytes: u64,
    live: Live,
}

impl Writing {
    /// What was written so far, in bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Seals some bytes, and appends them. After an error the file is left as it is: it is ended with what it had when it is found.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let mut sealed = Vec::with_capacity(bytes.len() + 64);
        self.sealer.seal(bytes, &mut sealed)?;
        self.file.write_all(&sealed)?;
        self.bytes += sealed.len() as u64;
        Ok(())
    }

    /// A disk that takes nothing more.
    #[cfg(test)]
    pub(super) fn refusing(self, path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), ..self }
    }

    /// Ends the file: from now on it waits for its storage. Its bytes in all.
    pub(super) fn finish(mut self) -> Result<u64, SpoolError> {
        let mut sealed = Vec::new();
        self.sealer.finish(&mut sealed)?;
        self.file.write_all(&sealed)?;
        self.file.sync_all()?;
        fs::rename(&self.live.path, &self.done)?;
        self.done.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        Ok(self.bytes + sealed.len() as u64)
    }
}

/// Says of a file that somebody writes it.
#[derive(Debug)]
struct Live {
    path: PathBuf,
    all: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// Ends a file whose writer is gone, with what it had; where it is then. None if it had nothing.
pub(super) fn mend(path: &Path, key: &UserKey) -> Result<Option<PathBuf>, SpoolError> {
    let mut from = BufReader::new(File::open(path)?);
    let opened = Header::read(&mut from).and_then(|header| Opener::new(from, &header, key));
    let mut opener = match opened {
        Ok(opener) => opener,
        Err(SealError::Io(error)) => return Err(error.into()),
        // Not even its beginning was written: there is nothing in it.
        Err(error @ (SealError::NotSealed | SealError::HeaderDamaged))
            if fs::metadata(path)?.len() < MAX_HEADER_BYTES =>
        {
            tracing::warn!(path = %path.display(), %error, "a recording that broke off at its beginning is dropped");
            fs::remove_file(path)?;
            return Ok(None);
        }
        // A later version's, or damaged: somebody may read it yet.
        Err(error) => return Err(SpoolError::Unreadable { path: path.to_owned(), error }),
    };
    let broken = loop {
        match opener.next_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(SealError::Io(error)) => return Err(error.into()),
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = broken {
        if !matches!(error, SealError::Truncated { .. }) {
            // What a power cut leaves looks so, and so does a disk that changed something: what is behind it cannot be authenticated any more.
            let lost = fs::metadata(path)?.len().saturating_sub(opener.whole_bytes());
            tracing::error!(path = %path.display(), %error, lost_bytes = lost, "of a recording that broke off the end is damaged, and cut off");
        }
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.set_len(opener.whole_bytes())?;
        file.write_all(&opener.recovered_end()?)?;
        file.sync_all()?;
    }
    let done = path.with_extension("");
    fs::rename(path, &done)?;
    Ok(Some(done))
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes a folder for this process; none if another has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// All files below a folder; one that goes meanwhile is none.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Key;

    /// A file whose writer is gone, with one chunk in it.
    fn torn(folder: &Path) -> (PathBuf, UserKey) {
        let key = UserKey::new("0123456789abcdef0123456789abcdef".parse().unwrap(), Key::from_bytes(&[7; 32]));
        let (mut sealer, mut bytes) = Sealer::new(&key, "recording").unwrap();
        sealer.seal(&[1; 1_000], &mut bytes).unwrap();
        let path = folder.join("one.part");
        fs::write(&path, bytes).unwrap();
        (path, key)
    }

    #[test]
    fn what_a_later_version_wrote_or_is_damaged_at_its_beginning_stays_for_whoever_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = torn(folder.path());
        let good = fs::read(&path).unwrap();
        for (at, byte) in [(8, 2), (0, b'X'), (50, !good[50])] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(mend(&path, &key), Err(SpoolError::Unreadable { .. })), "{at}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{at}");
        }
        fs::write(&path, &good).unwrap();
        assert_eq!(mend(&path, &key).unwrap(), Some(folder.path().join("one")));
    }

    #[test]
    fn one_whose_beginning_was_never_written_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = torn(folder.path());
        for bytes in [0, 5, 40] {
            fs::write(&path, &fs::read(torn(folder.path()).0).unwrap()[..bytes]).unwrap();
            assert_eq!(mend(&path, &key).unwrap(), None, "{bytes}");
            assert!(!path.exists());
        }
    }
}
