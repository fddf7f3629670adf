//! Everything about somebody, in one archive.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::archive::Archive;
use super::files::Whose;
use super::{Desk, PrivacyError, files};
use crate::access_log;
use crate::consent::Decisions;
use crate::recording::Name;
use crate::store::{Role, StoredSession, UserId};

/// What each part of an archive is, for whoever opens it.
const PARTS: [(&str, &str); 8] = [
    ("sessions/", "each conversation that is still kept, as the server keeps it; its secrets are left out"),
    ("transcripts/", "the same conversations, to be read: what was said, as far as it was heard"),
    ("tasks.json", "the task list, and the journal of what can be undone"),
    ("consents.json", "what was decided about recordings: when, how, and after which words"),
    ("preferences.json", "whether text messages and recordings are refused"),
    ("recordings/", "recordings of calls (Ogg, Opus: the caller left, the agent right), and their transcripts"),
    ("input-logs/", "what the server was told during the sessions, where it keeps such logs"),
    ("access-log.jsonl", "who looked at any of this: the lines of this server's access log"),
];

/// An archive, and whose.
#[derive(Debug, Clone)]
pub struct Export {
    /// The person's pseudonym.
    pub pseudonym: String,
    /// The archive: tar, compressed with gzip.
    pub bytes: Vec<u8>,
    /// The names of the files in it.
    pub names: Vec<String>,
}

impl Desk {
    /// Collects everything about this person.
    ///
    /// # Errors
    /// [`PrivacyError`]: an archive that lacks something is none.
    pub async fn export(&self, user: &UserId) -> Result<Export, PrivacyError> {
        let now = self.clock.now();
        let owner = self.vault.pseudonym(user).await?;
        let pseudonym = owner.to_string();
        let io = |error| files::failed(std::path::Path::new("the archive"), error);
        let mut archive = Archive::new(Vec::new(), u64::try_from(now.as_second()).unwrap_or(0));
        let parts: serde_json::Map<String, serde_json::Value> =
            PARTS.iter().map(|(name, what)| ((*name).to_owned(), json!(what))).collect();
        let about = json!({"user_id": user, "pseudonym": pseudonym, "made": now, "parts": parts,
            "server": format!("voice-agent {}", env!("CARGO_PKG_VERSION"))});
        archive.add("about.json", &pretty(&about)?).map_err(io)?;
        let sessions = self.store.sessions_of(user.clone()).await?;
        for session in &sessions {
            let id = file_name(session.doc.session_id.as_str());
            archive.add(&format!("sessions/{id}.json"), &pretty(&session.doc)?).map_err(io)?;
            archive.add(&format!("transcripts/{id}.txt"), transcript(session).as_bytes()).map_err(io)?;
        }
        let tasks = self.store.tasks(user.clone()).await?;
        archive.add("tasks.json", &pretty(&json!({"tasks": tasks.list.tasks, "undo": tasks.undo}))?).map_err(io)?;
        let decisions = Decisions::of(self.store.as_ref(), user).await?;
        archive.add("consents.json", &pretty(&decisions.0)?).map_err(io)?;
        let refused = json!({"text_messages_refused": self.store.is_opted_out(user.clone()).await?,
            "recordings_refused": decisions.opted_out()});
        archive.add("preferences.json", &pretty(&refused)?).map_err(io)?;
        for listed in self.recorder.list(Some(owner)).await? {
            // One that retention has just deleted is not there any more.
            if let Some(opened) = self.recorder.open(&listed.name).await? {
                archive.add(&format!("recordings/{}", plain_name(&listed.name)), &opened.text).map_err(io)?;
            }
        }
        let ids = sessions.iter().map(|session| session.doc.session_id.as_str().to_owned()).collect();
        for (name, content) in self.input_logs(user, Whose { owner, sessions: ids }).await? {
            archive.add(&format!("input-logs/{}", file_name(&name)), &content).map_err(io)?;
        }
        let lines = self.access_lines(pseudonym.clone()).await?;
        archive.add("access-log.jsonl", lines.as_bytes()).map_err(io)?;
        let names = archive.names().to_vec();
        Ok(Export { pseudonym, bytes: archive.finish().map_err(io)?, names })
    }

    async fn access_lines(&self, pseudonym: String) -> Result<String, PrivacyError> {
        let folder = self.config.data_dir.clone();
        let lines = tokio::task::spawn_blocking(move || access_log::lines_about(&folder, &pseudonym)).await??;
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }

    async fn input_logs(&self, user: &UserId, whose: Whose) -> Result<Vec<(String, Vec<u8>)>, PrivacyError> {
        let folder = self.config.input_log.dir.clone();
        let key = self.vault.find_user_key(user).await?;
        tokio::task::spawn_blocking(move || {
            let named = |path: std::path::PathBuf| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let plain = name.strip_suffix(".sealed").unwrap_or(&name).to_owned();
                Ok((plain, files::read(&path, key.as_ref())?))
            };
            files::input_logs(&folder, &whose)?.into_iter().map(named).collect()
        })
        .await?
    }
}

/// A recording's name in the archive: its session and its part.
fn plain_name(name: &Name) -> String {
    let whole = name.to_string();
    let below = whole.split_once('/').map_or(whole.as_str(), |(_, below)| below);
    below.strip_suffix(".sealed").unwrap_or(below).to_owned()
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>, PrivacyError> {
    Ok(serde_json::to_vec_pretty(value)?)
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
fn file_name(id: &str) -> String {
    let safe: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let safe: String = safe.trim_start_matches('.').chars().take(72).collect();
    if safe.is_empty() { "_".to_owned() } else { safe }
}
