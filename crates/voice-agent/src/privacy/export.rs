//! Everything about somebody, in one archive.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use super::archive::{self, Archive};
use super::files::Whose;
use super::{Desk, PrivacyError, files};
use crate::access_log;
use crate::consent::Decisions;
use crate::recording::Name;
use crate::store::{Role, StoreError, StoredSession, UserId};
use crate::vault::Pseudonym;

/// What each part of an archive is, for whoever opens it.
const PARTS: [(&str, &str); 10] = [
    ("sessions/", "each conversation that is still kept, as the server keeps it; its secrets are left out"),
    ("transcripts/", "the same conversations, to be read: what was said, as far as it was heard"),
    ("tasks.json", "the task list, and the journal of what can be undone"),
    ("consents.json", "what was decided about recordings: when, how, and after which words"),
    ("preferences.json", "whether text messages and recordings are refused"),
    ("recordings/", "recordings of calls (Ogg, Opus: the caller left, the agent right), and their transcripts"),
    ("input-logs/", "what the server was told during the sessions, where it keeps such logs"),
    ("access-log.jsonl", "who looked at any of this: the lines of the access logs"),
    (
        "instances/",
        "what lies on the disks of other instances that live: logs of inputs, lines of access logs, recordings on their way to the storage",
    ),
    (MISSING, "what could not be read here, and why; there is no such file if all could be"),
];
/// What the archive lacks.
pub(super) const MISSING: &str = "missing.json";

/// What an archive lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The file or folder of the archive.
    pub what: String,
    /// Why it could not be read.
    pub why: String,
}

impl Missing {
    /// What this archive says that it lacks. All of it is read: one that broke off on its way is an error. Blocks on the reader.
    ///
    /// # Errors
    /// As the reader's; `InvalidData` and `UnexpectedEof` for what is no whole archive of ours.
    pub fn of(archive: impl Read) -> std::io::Result<Vec<Self>> {
        let missing = archive::find(archive, MISSING)?;
        Ok(missing.map(|json| serde_json::from_slice(&json)).transpose()?.unwrap_or_default())
    }
}

/// An archive that was written.
#[derive(Debug, Clone)]
pub struct Export {
    /// The names of the files in it.
    pub names: Vec<String>,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

/// What the store has of a person, and what else there is to be put into the archive: one file after the other, when it is written.
#[derive(Debug)]
pub struct Collection {
    pub(super) user: UserId,
    pub(super) owner: Pseudonym,
    pub(super) made: Timestamp,
    pub(super) sessions: Vec<StoredSession>,
    /// Their ids.
    pub(super) ids: BTreeSet<String>,
    pub(super) files: Vec<File>,
    pub(super) recordings: Vec<Name>,
    pub(super) missing: Vec<Missing>,
}

impl Collection {
    /// The person's pseudonym.
    pub fn pseudonym(&self) -> String {
        self.owner.to_string()
    }

    /// What was read; if it could not be, it is noted, and the rest goes on.
    pub(super) fn part<T, E: std::fmt::Display>(&mut self, what: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.lacks(what.to_owned(), &error)).ok()
    }

    pub(super) fn lacks(&mut self, what: String, why: &dyn std::fmt::Display) {
        tracing::warn!(what, %why, "an archive of everything about somebody lacks this");
        self.missing.push(Missing { what, why: why.to_string() });
    }

    /// As [`Collection::part`]; a store that is away now may answer later, and then nothing is missing.
    fn kept<T>(&mut self, what: &str, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Err(error @ StoreError::Corrupt(_)) => {
                self.lacks(what.to_owned(), &error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

/// A file of the archive.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

impl File {
    pub(super) fn json(name: &str, value: &impl Serialize) -> Result<Self, PrivacyError> {
        Ok(Self { name: name.to_owned(), content: serde_json::to_vec_pretty(value)? })
    }
}

impl Desk {
    /// Finds out what there is of this person.
    ///
    /// # Errors
    /// [`PrivacyError`], when the store or the vault does not answer.
    pub async fn collect(&self, user: &UserId) -> Result<Collection, PrivacyError> {
        let (owner, made) = (self.vault.pseudonym(user).await?, self.clock.now());
        let (sessions, ids, files, recordings, missing) = Default::default();
        let mut all = Collection { user: user.clone(), owner, made, sessions, ids, files, recordings, missing };
        let sessions = self.store.sessions_of(user.clone()).await;
        all.sessions = all.kept("sessions/", sessions)?.unwrap_or_default();
        all.ids = all.sessions.iter().map(|session| session.doc.session_id.as_str().to_owned()).collect();
        let tasks = self.store.tasks(user.clone()).await;
        if let Some(tasks) = all.kept("tasks.json", tasks)? {
            all.files.push(File::json("tasks.json", &json!({"tasks": tasks.list.tasks, "undo": tasks.undo}))?);
        }
        let decisions = Decisions::of(self.store.as_ref(), user).await;
        let decisions = all.kept("consents.json", decisions)?;
        if let Some(decisions) = &decisions {
            all.files.push(File::json("consents.json", &decisions.0)?);
        }
        let refused = json!({"text_messages_refused": self.opt_outs().has(user).await?,
            "recordings_refused": decisions.map(|decisions| decisions.opted_out())});
        all.files.push(File::json("preferences.json", &refused)?);
        let recordings = self.recorder.list(Some(owner)).await;
        let recordings = all.part("recordings/", recordings).unwrap_or_default();
        all.recordings = recordings.into_iter().map(|listed| listed.name).collect();
        Ok(all)
    }

    /// Writes the archive (tar, gzip), on a thread that may wait for `out`; no more than a file or two of it are in memory at a time. What cannot be read is named in it,
    /// and the rest is there.
    ///
    /// # Errors
    /// [`PrivacyError`]: what was written is no archive then.
    pub async fn export(
        &self,
        collection: Collection,
        out: impl Write + Send + 'static,
    ) -> Result<Export, PrivacyError> {
        let made = u64::try_from(collection.made.as_second()).unwrap_or(0);
        let (files, taken) = mpsc::channel(1);
        let writing = tokio::task::spawn_blocking(move || write(out, made, taken));
        let fed = self.feed(collection, &files).await;
        drop(files);
        // Nobody takes files any more when it could not be written.
        let names = writing.await??;
        Ok(Export { names, missing: fed? })
    }

    /// Gives out one file after the other. What is missing.
    async fn feed(&self, mut all: Collection, files: &mpsc::Sender<File>) -> Result<Vec<Missing>, PrivacyError> {
        put(files, about(&all)?).await?;
        for session in std::mem::take(&mut all.sessions) {
            let id = file_name(session.doc.session_id.as_str());
            put(files, File::json(&format!("sessions/{id}.json"), &session.doc)?).await?;
            put(files, File { name: format!("transcripts/{id}.txt"), content: transcript(&session).into_bytes() })
                .await?;
        }
        for file in std::mem::take(&mut all.files) {
            put(files, file).await?;
        }
        self.feed_disk(&mut all, files).await?;
        self.feed_elsewhere(&mut all, files).await?;
        if !all.missing.is_empty() {
            put(files, File::json(MISSING, &all.missing)?).await?;
        }
        Ok(all.missing)
    }

    /// Gives out the recordings, and what is on this disk.
    pub(super) async fn feed_disk(&self, all: &mut Collection, files: &mpsc::Sender<File>) -> Result<(), PrivacyError> {
        for recording in std::mem::take(&mut all.recordings) {
            let name = format!("recordings/{}", plain_name(&recording));
            let opened = self.recorder.open(&recording).await;
            // One that retention has just deleted is not there any more.
            if let Some(opened) = all.part(&name, opened).flatten() {
                put(files, File { name, content: opened.text }).await?;
            }
        }
        self.feed_input_logs(all, files).await?;
        let lines = self.access_lines(all.pseudonym()).await;
        if let Some(lines) = all.part("access-log.jsonl", lines) {
            put(files, File { name: "access-log.jsonl".to_owned(), content: lines.into_bytes() }).await?;
        }
        Ok(())
    }

    async fn feed_input_logs(&self, all: &mut Collection, files: &mpsc::Sender<File>) -> Result<(), PrivacyError> {
        let (folder, whose) =
            (self.config.input_log.dir.clone(), Whose { owner: all.owner, sessions: all.ids.clone(), fate: None });
        let found = tokio::task::spawn_blocking(move || files::input_logs(&folder, &whose)).await?;
        let Some(files::Found { theirs, unknown }) = all.part("input-logs/", found) else { return Ok(()) };
        if unknown > 0 {
            all.lacks("input-logs/".to_owned(), &format!("whose {unknown} of the logs are cannot be read"));
        }
        let key = self.vault.key_of(all.owner).await?;
        for path in theirs {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = format!("input-logs/{}", file_name(name.strip_suffix(".sealed").unwrap_or(&name)));
            let key = key.clone();
            let read = tokio::task::spawn_blocking(move || files::read(&path, key.as_ref())).await?;
            if let Some(content) = all.part(&name, read) {
                put(files, File { name, content }).await?;
            }
        }
        Ok(())
    }

    async fn access_lines(&self, pseudonym: String) -> Result<String, PrivacyError> {
        let folder = self.config.data_dir.clone();
        let lines = tokio::task::spawn_blocking(move || access_log::lines_about(&folder, &pseudonym)).await??;
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

/// Hands a file to whoever writes. When that ended, it says itself why.
pub(super) async fn put(files: &mpsc::Sender<File>, file: File) -> Result<(), PrivacyError> {
    let gone = || files::failed(Path::new("the archive"), std::io::ErrorKind::BrokenPipe.into());
    files.send(file).await.map_err(|_| gone())
}

/// Puts the files that come into an archive. Their names.
fn write(out: impl Write, made: u64, mut files: mpsc::Receiver<File>) -> Result<Vec<String>, PrivacyError> {
    let failed = |error| files::failed(Path::new("the archive"), error);
    let mut archive = Archive::new(out, made);
    while let Some(File { name, content }) = files.blocking_recv() {
        archive.add(&name, &content).map_err(failed)?;
    }
    let names = archive.names().to_vec();
    archive.finish().and_then(|mut out| out.flush()).map_err(failed)?;
    Ok(names)
}

fn about(all: &Collection) -> Result<File, PrivacyError> {
    let parts: serde_json::Map<String, serde_json::Value> =
        PARTS.iter().map(|(name, what)| ((*name).to_owned(), json!(what))).collect();
    let about = json!({"user_id": all.user, "pseudonym": all.pseudonym(), "made": all.made, "parts": parts,
        "server": format!("voice-agent {}", env!("CARGO_PKG_VERSION"))});
    File::json("about.json", &about)
}

/// A recording's name in the archive: its session and its part.
fn plain_name(name: &Name) -> String {
    let whole = name.to_string();
    let below = whole.split_once('/').map_or(whole.as_str(), |(_, below)| below);
    below.strip_suffix(".sealed").unwrap_or(below).to_owned()
}

/// What was said, line by line.
fn transcript(session: &StoredSession) -> String {
    let mut text = format!("{} {}\n\n", session.doc.created_at, session.doc.channel.as_str());
    for item in &session.doc.conversation_history {
        let who = match item.role {
            Role::User => "You",
            Role::Assistant => "Agent",
            Role::System | Role::Tool => continue,
        };
        // Writing to a text cannot fail.
        let _infallible = writeln!(text, "{who}: {}", item.content);
    }
    text
}

/// An id as a file's name.
pub(super) fn file_name(id: &str) -> String {
    let safe: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let safe: String = safe.trim_start_matches('.').chars().take(72).collect();
    if safe.is_empty() { "_".to_owned() } else { safe }
}
