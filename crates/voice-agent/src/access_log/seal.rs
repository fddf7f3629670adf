//! A break that is known: a process was killed in the middle of a line, a disk was lost. Somebody says so, in a line of a log that is whole; the audit
//! names it from then on as what it is, and a change that comes after is a finding again.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::AccessLogError;
use super::audit::verdict;
use super::line::{Line, hex};
use crate::store::Store;
use crate::vault::Vault;

/// What is done, as it stands in the log.
pub const SEAL: &str = "seal_break";
/// The longest reason, in characters.
pub const MAX_REASON: usize = 300;

/// What somebody wrote down of a log that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Which log.
    pub(super) log: String,
    /// In which state it was then.
    pub(super) state: String,
    /// Why it is not as it was written.
    pub(super) reason: String,
}

impl Seal {
    /// The seal for what is wrong now with this log; none if nothing is, or it is sealed. Of `reason` no number or address is kept.
    ///
    /// # Errors
    /// As an audit's.
    pub async fn for_break(
        data_dir: &Path,
        vault: &Vault,
        store: &dyn Store,
        shared: bool,
        (log, reason): (&str, &str),
    ) -> Result<Option<Self>, AccessLogError> {
        let verdict = verdict(data_dir, vault, store, shared).await?;
        let Some(broken) = verdict.broken.get(log) else { return Ok(None) };
        let is_this = |seal: &Self| seal.log == log && seal.state == broken.state;
        let is_sealed = verdict.seals.iter().any(|(_, seal)| is_this(seal));
        let reason = crate::redact::redact(reason).into_owned();
        let seal = Self { log: log.to_owned(), state: broken.state.clone(), reason };
        Ok((!is_sealed).then_some(seal))
    }

    /// Of what the access is: what stands in the line.
    pub fn to_of(&self) -> String {
        format!("{} {} {}", self.log, self.state, self.reason)
    }

    /// What a line says of a broken log, if it says anything.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let mut parts = line.of.splitn(3, ' ').map(str::to_owned);
        let seal = Self { log: parts.next()?, state: parts.next()?, reason: parts.next()? };
        (line.action == SEAL).then_some(seal)
    }
}

/// A file as it is, all of it.
pub(super) fn state(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A file that is not there any more.
pub(super) fn gone(lines: u64, hash: &str) -> String {
    format!("gone-{lines}-{hash}")
}
