//! Reads the logs again, and says what is not as it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::line::{Line, Role, genesis, hash};
use super::seal::{self, Seal};
use super::{AccessLogError, ENDING, FOLDER, place};
use crate::privacy::secret;
use crate::store::{InstanceId, LogHead, Store};
use crate::vault::Vault;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which log.
    pub log: String,
    /// Which line of its file, from 1; 0: the log as a whole.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// A log that is not as it was written, and of which somebody has written down why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which log.
    pub log: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// In whose name.
    pub role: Role,
    /// Why it is not as it was written.
    pub reason: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// A log that is not on this disk, and is not missing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Which log.
    pub log: String,
    /// How many lines it has.
    pub lines: u64,
    /// On which disk it is: the host, and the folder there.
    pub place: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Logs that were read.
    pub logs: usize,
    /// Lines that were read.
    pub lines: u64,
    /// What is wrong; nothing, if all is as it was written.
    pub findings: Vec<Finding>,
    /// What was wrong before, and is known to be.
    #[serde(default)]
    pub sealed: Vec<Sealed>,
    /// Logs on disks of other instances that live: they are audited where they are.
    #[serde(default)]
    pub elsewhere: Vec<Elsewhere>,
}

/// What is wrong with one log, and in which state it is that.
#[derive(Debug, Default)]
pub(super) struct Broken {
    pub(super) findings: Vec<Finding>,
    pub(super) state: String,
}

/// What was read of all logs.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    logs: usize,
    lines: u64,
    /// The logs with which something is wrong.
    pub(super) broken: BTreeMap<String, Broken>,
    /// What genuine lines say of broken logs.
    pub(super) seals: Vec<(Line, Seal)>,
    elsewhere: Vec<Elsewhere>,
}

/// Verifies every log below this data folder against itself and against what the store knows of it. `shared` says whether
/// other instances keep logs of their own, on disks of their own: what is missing here may be theirs then.
///
/// # Errors
/// [`AccessLogError`], when a log cannot be read at all.
pub async fn audit(
    data_dir: &Path,
    vault: &Vault,
    store: &dyn Store,
    shared: bool,
) -> Result<Findings, AccessLogError> {
    let Verdict { logs, lines, broken, seals, elsewhere } = verdict(data_dir, vault, store, shared).await?;
    let mut found = Findings { logs, lines, elsewhere, ..Findings::default() };
    for (log, Broken { findings, state }) in broken {
        // The state is that of the whole file: whatever is changed after the seal breaks it again.
        match seals.iter().rfind(|(_, seal)| seal.log == log && seal.state == state) {
            Some((line, seal)) => {
                let (at, role, reason) = (line.at, line.role, seal.reason.clone());
                found.sealed.push(Sealed { log, at, role, reason, findings });
            }
            None => found.findings.extend(findings),
        }
    }
    Ok(found)
}

/// What there is to be said of each log.
pub(super) async fn verdict(
    data_dir: &Path,
    vault: &Vault,
    store: &dyn Store,
    shared: bool,
) -> Result<Verdict, AccessLogError> {
    let key = secret::access_log_key(vault).await?;
    // Read before the files: a line that is written meanwhile is not missing in them.
    let heads: BTreeMap<String, LogHead> = store.log_heads().await?.into_iter().collect();
    let logs: BTreeMap<String, Vec<u8>> = read(data_dir)?.into_iter().collect();
    let newer: BTreeMap<String, LogHead> = store.log_heads().await?.into_iter().collect();
    let mut verdict = Verdict { logs: logs.len(), ..Verdict::default() };
    for (name, bytes) in &logs {
        let begun = || {
            let place = String::new();
            newer.get(name).map(|_| LogHead { lines: 0, hash: genesis(name), place })
        };
        let head = heads.get(name).cloned().or_else(begun);
        let mut broken = Broken { state: seal::state(bytes), ..Broken::default() };
        // What is no text is no line of ours either, and is found to be none.
        let text = String::from_utf8_lossy(bytes);
        verdict.lines += verify(&key, name, &text, head.as_ref(), &mut broken.findings);
        verdict.seals.extend(seals(&key, name, &text));
        if !broken.findings.is_empty() {
            verdict.broken.insert(name.clone(), broken);
        }
    }
    let here = place(data_dir);
    let used = if shared { used_places(store, &heads).await? } else { BTreeSet::new() };
    for (log, LogHead { lines, place, hash }) in heads.into_iter().filter(|(name, _)| !logs.contains_key(name)) {
        if shared && place != here && used.contains(&place) {
            verdict.elsewhere.push(Elsewhere { log, lines, place });
        } else if shared && place != here && lines == 0 {
            // Of a process that is gone and had no access to write down nothing is lost.
        } else {
            let what = if shared && place != here {
                format!("the log is lost with {place}, where no instance lives any more; it had {lines} lines")
            } else {
                format!("the log is gone; it had {lines} lines")
            };
            let findings = vec![Finding { log: log.clone(), line: 0, what }];
            verdict.broken.insert(log, Broken { findings, state: seal::gone(lines, &hash) });
        }
    }
    Ok(verdict)
}

/// The disks that an instance which lives has its log on. Each begins it when it starts.
async fn used_places(store: &dyn Store, heads: &BTreeMap<String, LogHead>) -> Result<BTreeSet<String>, AccessLogError> {
    let mut used = BTreeSet::new();
    for (log, head) in heads {
        let Some((_, instance)) = log.split_once('-') else { continue };
        if !used.contains(&head.place) && store.instance_alive(InstanceId::new(instance)).await? {
            used.insert(head.place.clone());
        }
    }
    Ok(used)
}

/// The seals among the genuine lines of a log.
fn seals(key: &hmac::Key, name: &str, text: &str) -> Vec<(Line, Seal)> {
    let lines = text.lines().filter_map(|text| serde_json::from_str::<Line>(text).ok());
    let seals = lines.filter_map(|line| {
        let seal = Seal::of(&line)?;
        line.is_genuine(key, name).then_some((line, seal))
    });
    seals.collect()
}

/// The lines about one person, by pseudonym, as they stand in the logs here.
///
/// # Errors
/// [`AccessLogError::Io`].
pub fn lines_about(data_dir: &Path, pseudonym: &str) -> Result<Vec<String>, AccessLogError> {
    let is_about = |text: &&str| serde_json::from_str::<Line>(text).is_ok_and(|line| line.user == pseudonym);
    let logs = read(data_dir)?;
    let mut lines = Vec::new();
    for (_, bytes) in logs {
        lines.extend(String::from_utf8_lossy(&bytes).lines().filter(is_about).map(str::to_owned));
    }
    Ok(lines)
}

/// The last lines of all logs here, oldest first, as they stand in them.
///
/// # Errors
/// [`AccessLogError::Io`].
pub fn last_lines(data_dir: &Path, most: usize) -> Result<Vec<Line>, AccessLogError> {
    let logs = read(data_dir)?;
    let mut lines: Vec<Line> = Vec::new();
    for (_, bytes) in logs {
        lines.extend(String::from_utf8_lossy(&bytes).lines().filter_map(|text| serde_json::from_str(text).ok()));
    }
    lines.sort_by_key(|line| line.at);
    Ok(lines.split_off(lines.len().saturating_sub(most)))
}

/// Every log by its name, oldest first.
fn read(data_dir: &Path) -> Result<Vec<(String, Vec<u8>)>, AccessLogError> {
    let folder = data_dir.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(AccessLogError::io(&folder, error)),
    };
    let mut logs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| AccessLogError::io(&folder, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(ENDING));
        if let Some(name) = name {
            logs.push((name.to_owned(), fs::read(&path).map_err(|error| AccessLogError::io(&path, error))?));
        }
    }
    logs.sort();
    Ok(logs)
}

/// Verifies one log; how many lines it has.
fn verify(key: &hmac::Key, name: &str, text: &str, head: Option<&LogHead>, findings: &mut Vec<Finding>) -> u64 {
    let mut tell = |line: u64, what: String| findings.push(Finding { log: name.to_owned(), line, what });
    let (mut last, mut number, mut expected) = (genesis(name), 0, 1);
    let mut at_head = head.is_some_and(|head| head.lines == 0).then(|| last.clone());
    for text in text.lines() {
        number += 1;
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            tell(number, "is no line of an access log, or a part of one".to_owned());
            (last, expected) = (hash(text), expected + 1);
            continue;
        };
        if !line.is_genuine(key, name) {
            tell(number, "was changed, or was not written by this server".to_owned());
        } else if line.n != expected {
            let what =
                format!("is line {} of its log, where line {expected} should be: lines were removed or moved", line.n);
            tell(number, what);
        } else if line.prev != last {
            tell(number, "does not follow from the line before it".to_owned());
        }
        (last, expected) = (hash(text), line.n.saturating_add(1));
        if head.is_some_and(|head| head.lines == line.n) {
            at_head = Some(last.clone());
        }
    }
    match (head, at_head) {
        (None, _) => tell(0, "the store does not know this log".to_owned()),
        (Some(head), None) => {
            tell(number, format!("is the last line: the log was cut off, it had {} lines", head.lines));
        }
        (Some(head), Some(hash)) if hash != head.hash => {
            tell(head.lines, "is another line than the one that was written".to_owned());
        }
        _ => {}
    }
    number
}
