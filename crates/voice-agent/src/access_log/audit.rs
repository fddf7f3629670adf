//! Reads the logs again, and says what is not as it was written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::line::{Line, genesis, hash};
use super::{AccessLogError, ENDING, FOLDER};
use crate::privacy::secret;
use crate::store::{LogHead, Store};
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

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Logs that were read.
    pub logs: usize,
    /// Lines that were read.
    pub lines: u64,
    /// What is wrong; nothing, if all is as it was written.
    pub findings: Vec<Finding>,
}

/// Verifies every log below this data folder against itself and against what the store knows of it. `elsewhere` says whether
/// other instances keep logs of their own, on disks of their own: what is missing here is theirs then.
///
/// # Errors
/// [`AccessLogError`], when a log cannot be read at all.
pub async fn audit(
    data_dir: &Path,
    vault: &Vault,
    store: &dyn Store,
    elsewhere: bool,
) -> Result<Findings, AccessLogError> {
    let key = secret::access_log_key(vault).await?;
    // Read before the files: a line that is written meanwhile is not missing in them.
    let heads: BTreeMap<String, LogHead> = store.log_heads().await?.into_iter().collect();
    let logs: BTreeMap<String, String> = read(data_dir)?.into_iter().collect();
    let newer: BTreeMap<String, LogHead> = store.log_heads().await?.into_iter().collect();
    let mut found = Findings { logs: logs.len(), ..Findings::default() };
    for (name, text) in &logs {
        let begun = || newer.get(name).map(|_| LogHead { lines: 0, hash: genesis(name) });
        let head = heads.get(name).cloned().or_else(begun);
        found.lines += verify(&key, name, text, head.as_ref(), &mut found.findings);
    }
    if !elsewhere {
        for (name, head) in heads.iter().filter(|(name, _)| !logs.contains_key(*name)) {
            let what = format!("the log is gone; it had {} lines", head.lines);
            found.findings.push(Finding { log: name.clone(), line: 0, what });
        }
    }
    Ok(found)
}

/// The lines about one person, by pseudonym, as they stand in the logs here.
///
/// # Errors
/// [`AccessLogError::Io`].
pub fn lines_about(data_dir: &Path, pseudonym: &str) -> Result<Vec<String>, AccessLogError> {
    let is_about = |text: &&str| serde_json::from_str::<Line>(text).is_ok_and(|line| line.user == pseudonym);
    let logs = read(data_dir)?;
    Ok(logs.iter().flat_map(|(_, text)| text.lines().filter(is_about).map(str::to_owned).collect::<Vec<_>>()).collect())
}

/// The last lines of all logs here, oldest first, as they stand in them.
///
/// # Errors
/// [`AccessLogError::Io`].
pub fn last_lines(data_dir: &Path, most: usize) -> Result<Vec<Line>, AccessLogError> {
    let logs = read(data_dir)?;
    let lines = logs.iter().flat_map(|(_, text)| text.lines()).filter_map(|text| serde_json::from_str(text).ok());
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_by_key(|line| line.at);
    Ok(lines.split_off(lines.len().saturating_sub(most)))
}

/// Every log by its name, oldest first.
fn read(data_dir: &Path) -> Result<Vec<(String, String)>, AccessLogError> {
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
            // What is no text is no line of ours either, and is found to be none.
            let bytes = fs::read(&path).map_err(|error| AccessLogError::io(&path, error))?;
            logs.push((name.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
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
