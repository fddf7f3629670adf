//! The id of a task.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Thirty-two signs that are not mistaken for one another when read aloud or copied by hand (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Twelve signs of five bits: 60 random bits.
const RANDOM_CHARS: usize = 12;

/// A task's id: `t_` and twelve signs, 60 random bits. Short enough to be typed, too many to be guessed; a user
/// only ever reaches his own tasks anyway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// Why there is no task id.
#[derive(Debug, thiserror::Error)]
pub enum TaskIdError {
    /// Not the form of an id.
    #[error("a task id is \"t_\" and 1 to 32 letters, digits or underscores")]
    Malformed,
    /// The operating system gave no randomness.
    #[error("no randomness for a task id: {0}")]
    Random(#[from] getrandom::Error),
}

impl TaskId {
    /// A new id from the operating system's randomness.
    pub fn random() -> Result<Self, TaskIdError> {
        let mut bytes = [0_u8; RANDOM_CHARS];
        getrandom::fill(&mut bytes)?;
        let signs = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        Ok(Self(std::iter::once('t').chain(std::iter::once('_')).chain(signs).collect()))
    }

    /// Reads an id that came from outside.
    pub fn parse(text: &str) -> Result<Self, TaskIdError> {
        let tail = text.strip_prefix("t_").ok_or(TaskIdError::Malformed)?;
        let good = (1..=32).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if good { Ok(Self(text.to_owned())) } else { Err(TaskIdError::Malformed) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;

    fn try_from(text: String) -> Result<Self, TaskIdError> {
        Self::parse(&text)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
