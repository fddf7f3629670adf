//! Opening what was sealed, and ending what was not.

use std::io::Read;

use super::VaultError;
use super::key::UserKey;
use super::seal::{CHUNK_OVERHEAD, Chunks, Header, Kind, SealError};

/// How a sealed file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its writer ended it.
    Whole,
    /// Its writer was lost: it ends with what was written until then.
    Recovered,
}

/// Opens a file chunk by chunk. What it gives out is authentic and in its place; that nothing is missing at the end is known with the
/// [`Opener::end`].
#[derive(Debug)]
pub struct Opener<R> {
    from: R,
    chunks: Chunks,
    next: u32,
    whole_bytes: u64,
    end: Option<End>,
}

impl<R: Read> Opener<R> {
    /// Goes on behind the header, which was read from `from`.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], [`SealError::HeaderDamaged`].
    pub fn new(from: R, header: &Header, key: &UserKey) -> Result<Self, SealError> {
        let chunks = header.chunks(&header.data_key(key)?).ok_or(SealError::HeaderDamaged)?;
        Ok(Self { from, chunks, next: 0, whole_bytes: header.to_bytes().len() as u64, end: None })
    }

    /// The next piece of the text; none at the file's proper end.
    ///
    /// # Errors
    /// [`SealError`]; what was given out until then is authentic all the same.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SealError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let (kind, text) = self.chunks.open(self.next, &mut self.from)?;
        self.whole_bytes += (text.len() + CHUNK_OVERHEAD) as u64;
        self.next = self.next.saturating_add(1);
        self.end = match kind {
            Kind::Middle => return Ok(Some(text)),
            Kind::Last => Some(End::Whole),
            Kind::Recovered => Some(End::Recovered),
        };
        if self.from.read(&mut [0])? > 0 {
            self.end = None;
            return Err(SealError::Trailing);
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// How the file ended; none before its end was seen.
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Bytes of the file, its header included, that are whole so far.
    pub const fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// What ends a file whose writer was lost: it is put behind its [`Opener::whole_bytes`].
    ///
    /// # Errors
    /// [`VaultError`], never in practice.
    pub fn recovered_end(&self) -> Result<Vec<u8>, VaultError> {
        let mut end = Vec::new();
        let sealed = self.chunks.seal(self.next, Kind::Recovered, &[], &mut end);
        sealed.map(|()| end).ok_or(VaultError::Full)
    }
}

/// A file that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says that it is.
    pub label: String,
    /// Its text.
    pub text: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// Opens a whole file.
///
/// # Errors
/// [`SealError`], and then nothing of it.
pub fn open(mut sealed: &[u8], key: &UserKey) -> Result<Opened, SealError> {
    let header = Header::read(&mut sealed)?;
    let mut opener = Opener::new(sealed, &header, key)?;
    let mut text = Vec::new();
    while let Some(piece) = opener.next_chunk()? {
        text.extend_from_slice(&piece);
    }
    let end = opener.end().unwrap_or(End::Whole);
    Ok(Opened { label: header.label, text, end })
}
