//! Sealing: a file that grows by whole chunks, each encrypted and authenticated, and in its place.
//!
//! ```text
//! "VOICESLD" version(1) owner(16) key id(8) label length(1) label | wrapped data key(60) | nonce prefix(7)
//! then chunks: head(4) = kind(2 bits) and length of the text(30 bits), ciphertext, tag(16)
//! ```
//! AES-256-GCM in the STREAM construction: a chunk's nonce is the prefix, its number and its kind. The kind says whether another one follows, so
//! that no chunk can be left out, moved or added, and a file cannot be cut without being found out. The data key is wrapped by the
//! user's key with everything before it as additional data; each chunk has the hash of the whole header and its own head.

use std::io::{self, Read};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use sha2::{Digest as _, Sha256};

use super::VaultError;
use super::key::{Key, KeyId, NONCE_BYTES, Pseudonym, TAG_BYTES, UserKey, WRAPPED_BYTES};

/// The most text of one chunk, in bytes.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// The most of a label, in bytes.
const MAX_LABEL_BYTES: usize = u8::MAX as usize;
/// The most of a header, in bytes: with the longest label.
pub const MAX_HEADER_BYTES: u64 =
    (MAGIC.len() + 1 + 16 + 8 + 1 + MAX_LABEL_BYTES + WRAPPED_BYTES + PREFIX_BYTES) as u64;
/// What a sealed file begins with.
pub(super) const MAGIC: &[u8; 8] = b"VOICESLD";
const VERSION: u8 = 1;
const PREFIX_BYTES: usize = 7;
const HEAD_BYTES: usize = 4;
/// Where the length in a chunk's head ends and its kind begins.
const LENGTH_BITS: u32 = 30;

/// Why something cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It does not begin as sealed files do.
    #[error("this is no sealed file")]
    NotSealed,
    /// It was made by a later version.
    #[error("the sealed file has version {0}, and this program knows version 1")]
    Version(u8),
    /// The key is another than the file's.
    #[error("the file is sealed under the key {needed}, and the key given is {given}")]
    WrongKey {
        /// The one that opens it.
        needed: KeyId,
        /// The one that was tried.
        given: KeyId,
    },
    /// Its header was changed.
    #[error("the sealed file's header is damaged")]
    HeaderDamaged,
    /// A chunk was changed, moved, or put in.
    #[error("the sealed file is damaged at its chunk {chunk}")]
    Damaged {
        /// Which, from 0.
        chunk: u32,
    },
    /// The end is missing.
    #[error("the sealed file breaks off in its chunk {chunk}")]
    Truncated {
        /// Which, from 0.
        chunk: u32,
    },
    /// There is something behind its end.
    #[error("there is more behind the end of the sealed file")]
    Trailing,
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a chunk is, beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another one follows.
    Middle = 0,
    /// None follows: the file is complete.
    Last = 1,
    /// None follows: the writer was lost, and the file ends with what it had written. It has no text.
    Recovered = 2,
}

impl Kind {
    pub(super) const fn of(head: u32) -> Option<Self> {
        match head >> LENGTH_BITS {
            0 => Some(Self::Middle),
            1 => Some(Self::Last),
            2 => Some(Self::Recovered),
            _ => None,
        }
    }
}

/// What a sealed file says of itself, in clear; whether it is true is seen when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whose it is.
    pub owner: Pseudonym,
    /// The user's key that it is sealed under.
    pub key: KeyId,
    /// What it is, like `recording/{session}/…`: one file cannot be taken for another.
    pub label: String,
    wrapped: [u8; WRAPPED_BYTES],
    prefix: [u8; PREFIX_BYTES],
}

impl Header {
    /// The header for a new file.
    fn new(key: &UserKey, label: &str, data_key: &Key) -> Result<Self, getrandom::Error> {
        let mut prefix = [0; PREFIX_BYTES];
        getrandom::fill(&mut prefix)?;
        let end =
            label.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_LABEL_BYTES).last();
        let label = label[..end.unwrap_or(0)].to_owned();
        let mut header = Self { owner: key.owner(), key: key.id(), label, wrapped: [0; WRAPPED_BYTES], prefix };
        header.wrapped = key.key().wrap(data_key, &header.open_part())?;
        Ok(header)
    }

    /// What is before the wrapped key.
    fn open_part(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 1 + 16 + 8 + 1 + self.label.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.owner.0);
        bytes.extend_from_slice(&self.key.0);
        // A label is cut to what a byte can count when it is made, and read so.
        bytes.push(u8::try_from(self.label.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.label.as_bytes());
        bytes
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.open_part();
        bytes.extend_from_slice(&self.wrapped);
        bytes.extend_from_slice(&self.prefix);
        bytes
    }

    /// Reads a file's header, and nothing behind it.
    ///
    /// # Errors
    /// [`SealError`], if it is none.
    pub fn read(from: &mut impl Read) -> Result<Self, SealError> {
        let magic: [u8; MAGIC.len()] = array(from, SealError::NotSealed)?;
        if magic != *MAGIC {
            return Err(SealError::NotSealed);
        }
        let broken = || SealError::HeaderDamaged;
        let [version] = array(from, broken())?;
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let owner = Pseudonym(array(from, broken())?);
        let key = KeyId(array(from, broken())?);
        let [length] = array(from, broken())?;
        let mut label = vec![0; usize::from(length)];
        read_exact(from, &mut label, broken())?;
        let label = String::from_utf8(label).map_err(|_| broken())?;
        Ok(Self { owner, key, label, wrapped: array(from, broken())?, prefix: array(from, broken())? })
    }

    /// The data key.
    pub(super) fn data_key(&self, key: &UserKey) -> Result<Key, SealError> {
        if key.id() != self.key {
            return Err(SealError::WrongKey { needed: self.key, given: key.id() });
        }
        key.key().unwrap(&self.wrapped, &self.open_part()).ok_or(SealError::HeaderDamaged)
    }

    /// How chunks of this file are sealed and opened.
    pub(super) fn chunks(&self, data_key: &Key) -> Option<Chunks> {
        let header = Sha256::digest(self.to_bytes()).into();
        Some(Chunks { cipher: data_key.cipher()?, header, prefix: self.prefix })
    }
}

/// Reads exactly so many bytes; `short` if there are fewer.
pub(super) fn read_exact(from: &mut impl Read, into: &mut [u8], short: SealError) -> Result<(), SealError> {
    from.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => short,
        _ => error.into(),
    })
}

pub(super) fn array<const N: usize>(from: &mut impl Read, short: SealError) -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    read_exact(from, &mut bytes, short)?;
    Ok(bytes)
}

/// One file's chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    cipher: LessSafeKey,
    header: [u8; 32],
    prefix: [u8; PREFIX_BYTES],
}

impl Chunks {
    fn nonce(&self, number: u32, kind: Kind) -> Nonce {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        nonce[PREFIX_BYTES..NONCE_BYTES - 1].copy_from_slice(&number.to_be_bytes());
        nonce[NONCE_BYTES - 1] = kind as u8;
        Nonce::assume_unique_for_key(nonce)
    }

    fn about(&self, head: [u8; HEAD_BYTES]) -> [u8; 32 + HEAD_BYTES] {
        let mut about = [0; 32 + HEAD_BYTES];
        about[..32].copy_from_slice(&self.header);
        about[32..].copy_from_slice(&head);
        about
    }

    /// Appends a chunk. Nothing is appended if it cannot be sealed.
    pub(super) fn seal(&self, number: u32, kind: Kind, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= MAX_CHUNK_BYTES)?;
        let head = ((kind as u32) << LENGTH_BITS | length).to_be_bytes();
        let mut body = text.to_vec();
        let about = Aad::from(self.about(head));
        let tag = self.cipher.seal_in_place_separate_tag(self.nonce(number, kind), about, &mut body).ok()?;
        out.extend_from_slice(&head);
        out.extend_from_slice(&body);
        out.extend_from_slice(tag.as_ref());
        Some(())
    }

    /// Reads the next chunk. None at the end of the input.
    pub(super) fn open(&self, number: u32, from: &mut impl Read) -> Result<(Kind, Vec<u8>), SealError> {
        let cut = || SealError::Truncated { chunk: number };
        let damaged = || SealError::Damaged { chunk: number };
        let head: [u8; HEAD_BYTES] = array(from, cut())?;
        let word = u32::from_be_bytes(head);
        let kind = Kind::of(word).ok_or_else(damaged)?;
        let length = usize::try_from(word & ((1 << LENGTH_BITS) - 1)).unwrap_or(usize::MAX);
        if length > MAX_CHUNK_BYTES {
            return Err(damaged());
        }
        let mut body = vec![0; length + TAG_BYTES];
        read_exact(from, &mut body, cut())?;
        let about = Aad::from(self.about(head));
        let opened = self.cipher.open_in_place(self.nonce(number, kind), about, &mut body);
        opened.map_err(|_| damaged())?;
        body.truncate(length);
        Ok((kind, body))
    }
}

/// Bytes of a chunk beside its text.
pub(super) const CHUNK_OVERHEAD: usize = HEAD_BYTES + TAG_BYTES;

/// Seals one file, from its beginning to its end. What it gives out is appended to the file as it comes.
#[derive(Debug)]
pub struct Sealer {
    chunks: Chunks,
    next: u32,
}

impl Sealer {
    /// Begins a file: the sealer, and the file's header. Of `label` 255 bytes are kept.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new(key: &UserKey, label: &str) -> Result<(Self, Vec<u8>), VaultError> {
        let data_key = Key::random()?;
        let header = Header::new(key, label, &data_key)?;
        let chunks = header.chunks(&data_key).ok_or(VaultError::Full)?;
        Ok((Self { chunks, next: 0 }, header.to_bytes()))
    }

    /// Seals some text, as one chunk or several, behind `out`.
    ///
    /// # Errors
    /// [`VaultError`]; the file cannot be gone on with then.
    pub fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), VaultError> {
        text.chunks(MAX_CHUNK_BYTES).try_for_each(|piece| self.chunk(Kind::Middle, piece, out))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), VaultError> {
        self.chunk(Kind::Last, &[], out)
    }

    fn chunk(&mut self, kind: Kind, text: &[u8], out: &mut Vec<u8>) -> Result<(), VaultError> {
        let next = self.next.checked_add(1);
        let sealed = next.and_then(|next| self.chunks.seal(self.next, kind, text, out).map(|()| next));
        self.next = sealed.ok_or(VaultError::Full)?;
        Ok(())
    }
}
