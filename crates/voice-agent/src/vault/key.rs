//! Keys, their ids, and how one wraps another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(super) const NONCE_BYTES: usize = 12;
/// Bytes that say whether a ciphertext is whole.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a wrapped key: nonce, ciphertext, tag.
pub(super) const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// A secret key of AES-256. It is overwritten when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl Key {
    /// A key that nobody can guess.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Which key it is; says nothing about the key itself.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new().chain_update(b"voice-agent key id\0").chain_update(self.bytes()).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    /// The cipher under this key; none only if the library had no memory for it.
    pub(super) fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, self.bytes()).ok().map(LessSafeKey::new)
    }

    /// Wraps another key. `about` says what the key is for: it is needed to unwrap it, and is not in the result.
    pub(super) fn wrap(&self, key: &Self, about: &[u8]) -> Result<[u8; WRAPPED_BYTES], getrandom::Error> {
        let mut wrapped = [0; WRAPPED_BYTES];
        let (nonce, rest) = wrapped.split_at_mut(NONCE_BYTES);
        getrandom::fill(nonce)?;
        let mut unique = [0; NONCE_BYTES];
        unique.copy_from_slice(nonce);
        let (body, tag) = rest.split_at_mut(KEY_BYTES);
        body.copy_from_slice(key.bytes());
        let sealed = self.cipher().and_then(|cipher| {
            cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(unique), Aad::from(about), body).ok()
        });
        // AES-GCM refuses nothing of 32 bytes; what cannot be wrapped must not be seen either.
        match sealed {
            Some(made) => tag.copy_from_slice(made.as_ref()),
            None => return Err(getrandom::Error::UNEXPECTED),
        }
        Ok(wrapped)
    }

    /// The key that [`Key::wrap`] wrapped; none if this is another key, `about` is another, or a bit of it has changed.
    pub(super) fn unwrap(&self, wrapped: &[u8; WRAPPED_BYTES], about: &[u8]) -> Option<Self> {
        let (nonce, sealed) = wrapped.split_at(NONCE_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(about), &mut plain).ok()?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(opened);
        Some(Self(bytes))
    }
}

/// Which key something is sealed or wrapped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// What stands for a user: 128 bits that only the vault can make of a user's id, and nobody can turn back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(pub(super) [u8; 16]);

impl Pseudonym {
    pub(super) fn of(mac: &hmac::Tag) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac.as_ref()[..16]);
        Self(bytes)
    }

    /// The pseudonym of these bytes, for tests.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// A text that is no pseudonym: it has 32 digits, 0 to 9 and a to f.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pseudonym has 32 digits of 0 to 9 and a to f")]
pub struct NoPseudonym;

impl FromStr for Pseudonym {
    type Err = NoPseudonym;

    fn from_str(text: &str) -> Result<Self, NoPseudonym> {
        let mut bytes = [0; 16];
        let is_one = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if !is_one {
            return Err(NoPseudonym);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Ok(Self(bytes))
    }
}

const fn digit(c: u8) -> u8 {
    if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A user's key.
#[derive(Debug, Clone)]
pub struct UserKey {
    owner: Pseudonym,
    key: Key,
}

impl UserKey {
    /// The key of this user.
    pub const fn new(owner: Pseudonym, key: Key) -> Self {
        Self { owner, key }
    }

    /// Whose it is.
    pub const fn owner(&self) -> Pseudonym {
        self.owner
    }

    /// Which key it is: a user whose key was destroyed gets another one.
    pub fn id(&self) -> KeyId {
        self.key.id()
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}
