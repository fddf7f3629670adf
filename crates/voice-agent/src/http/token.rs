//! The bearer token of a session.
//!
//! A token names its session (16 bytes) and proves it (32 random bytes), so that a call without a session in its path
//! (the tasks) finds the session by the token alone, in any process that shares the store. Only the SHA-256 of the whole is
//! kept.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Secret;
use crate::store::SessionId;

const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A token as a caller has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    text: Secret,
    session: SessionId,
    hash: [u8; 32],
}

impl Token {
    /// Bytes of a token that name its session.
    pub const ID_BYTES: usize = ID_BYTES;
    /// Bytes of a token.
    pub const BYTES: usize = ID_BYTES + SECRET_BYTES;

    /// A new session's id and token, from the operating system's randomness.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; Self::BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The token of these bytes. Whoever can guess them has the session.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self::of(bytes, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads what a caller sent; `None` if it is no token at all.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; Self::BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then(|| Self::of(&bytes, text.to_owned()))
    }

    fn of(bytes: &[u8; Self::BYTES], text: String) -> Self {
        let session = SessionId::new(hex(&bytes[..ID_BYTES]));
        Self { text: Secret::new(text), session, hash: Sha256::digest(bytes).into() }
    }

    /// The session that it claims to be of.
    pub const fn session(&self) -> &SessionId {
        &self.session
    }

    /// What is kept of it.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Whether it is the token of this hash, in constant time.
    pub fn is(&self, hash: &[u8; 32]) -> bool {
        self.hash.ct_eq(hash).into()
    }

    /// The token itself, for its owner's eyes.
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

/// Random hexadecimal digits: `bytes` bytes of the operating system's randomness.
///
/// # Errors
/// When the operating system gives none.
pub fn random_hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two secrets are equal, in constant time; of their lengths too.
pub(super) fn same_secret(given: &str, expected: &Secret) -> bool {
    Sha256::digest(given).as_slice().ct_eq(Sha256::digest(expected.reveal()).as_slice()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_session_and_only_itself_fits_its_hash() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        let again = Token::parse(one.reveal()).unwrap();
        assert_eq!(again.session(), one.session());
        assert!(again.is(&one.hash()) && !other.is(&one.hash()));
        assert_eq!((one.reveal().len(), one.session().as_str().len()), (64, 32));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let long = "a".repeat(10_000);
        for text in ["", "abc", "💥", &"A".repeat(63), &"A".repeat(65), &"=".repeat(64), &long] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,100}") {
            drop(Token::parse(&text));
        }
    }
}
