//! A line of the log: what it says, and what holds it in its place.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// In whose name somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who runs the server (`ADMIN_TOKEN`).
    Operator,
    /// Who checks it (`AUDITOR_TOKEN`).
    Auditor,
    /// Who answers for people's rights (`PRIVACY_TOKEN`).
    Privacy,
    /// Who has the machine itself: a command of `voice-agent`.
    Command,
    /// The server, by itself: retention.
    Server,
}

impl Role {
    /// The role's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Privacy => "privacy",
            Self::Command => "command",
            Self::Server => "server",
        }
    }
}

/// One access, before it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// In whose name.
    pub role: Role,
    /// What was done: `export`, `read_recording`, ….
    pub action: &'static str,
    /// Whose data, by pseudonym; empty where it is nobody's in particular.
    pub user: String,
    /// Of what: a session, a recording; empty where it is all of it.
    pub of: String,
}

/// One access, as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Which line of its log; they count from 1.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// In whose name.
    pub role: Role,
    /// What was done.
    pub action: String,
    /// Whose data, by pseudonym.
    pub user: String,
    /// Of what.
    pub of: String,
    /// The hash of the line before.
    pub prev: String,
    /// The MAC over all of the above, in hex.
    pub mac: String,
}

impl Line {
    /// The next line of a log.
    pub(super) fn new(
        key: &hmac::Key,
        log: &str,
        (n, prev): (u64, String),
        access: &Access,
        at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let mut line = Self {
            n,
            at,
            role: access.role,
            action: access.action.to_owned(),
            user: access.user.clone(),
            of: access.of.clone(),
            prev,
            mac: String::new(),
        };
        line.mac = hex(hmac::sign(key, &line.signed(log)?).as_ref());
        Ok(line)
    }

    /// What the MAC is over: the line without it, and the log that it belongs to.
    fn signed(&self, log: &str) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = format!("voice-agent access log\0{log}\0").into_bytes();
        serde_json::to_writer(&mut bytes, &Self { mac: String::new(), ..self.clone() })?;
        Ok(bytes)
    }

    /// Whether whoever wrote it had the key, and nothing was changed since.
    pub(super) fn is_genuine(&self, key: &hmac::Key, log: &str) -> bool {
        let (Ok(signed), Some(mac)) = (self.signed(log), unhex(&self.mac)) else { return false };
        hmac::verify(key, &signed, &mac).is_ok()
    }
}

/// What the first line of a log has as the hash of the line before.
pub(super) fn genesis(log: &str) -> String {
    hex(&Sha256::new().chain_update(b"voice-agent access log\0").chain_update(log).finalize())
}

/// The hash of a line, as it stands in the file without its end.
pub(super) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}
