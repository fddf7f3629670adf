//! Recordings: which there are, and one of them.

use axum::Json as JsonAnswer;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::role::{AdminCall, Whose, admit, disposition, note, unreadable};
use crate::app::{App, Shared};
use crate::recording::{Kind, Listed, Name, Recorder, RecordingError};
use crate::vault::{Pseudonym, VaultError};

/// Most recordings that are told at once, the newest.
const MOST: usize = 1_000;

fn recorder(app: &App) -> Result<&Recorder, Problem> {
    let sentence = "This server keeps no recordings: instances that share a Redis need RECORDING_MASTER_KEY.";
    app.recorder.as_deref().ok_or_else(|| Problem::not_found("no_recordings", sentence))
}

/// `GET /api/admin/recordings?owner=P`: the recordings, newest first; of one person by pseudonym.
pub(in super::super) async fn list(
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<JsonAnswer<Value>, Problem> {
    let role = admit(&app, &headers, AdminCall::Recordings)?;
    let recorder = recorder(&app)?;
    let owner = read_owner(query.as_deref().unwrap_or_default())?;
    let of = owner.map(|owner| owner.to_string()).unwrap_or_default();
    let whose = if of.is_empty() { Whose::Nobody } else { Whose::Pseudonym(&of) };
    note(&app, role, "list_recordings", whose, "").await?;
    let mut all = recorder.list(owner).await.map_err(|error| failed(&app, &error))?;
    let total = all.len();
    all.reverse();
    all.truncate(MOST);
    let recordings: Vec<Value> = all.iter().map(describe).collect();
    Ok(JsonAnswer(json!({"recordings": recordings, "total": total})))
}

fn read_owner(query: &str) -> Result<Option<Pseudonym>, Problem> {
    let mut owner = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let given = value.parse::<Pseudonym>().ok().filter(|_| name == "owner");
        owner = Some(given.ok_or_else(|| Problem::bad_request("The query takes owner, a pseudonym of 32 digits."))?);
    }
    Ok(owner)
}

fn describe(listed: &Listed) -> Value {
    let name = &listed.name;
    json!({
        "name": name.to_string(),
        "owner": name.owner.to_string(),
        "session_id": name.session,
        "begun": name.start,
        "kind": match name.kind { Kind::Sound => "sound", Kind::Words => "words" },
        "bytes": listed.bytes,
        "waiting": listed.is_waiting,
    })
}

/// `GET /api/admin/recordings/{owner}/{session}/{file}`: one of them, opened: sound, or the words beside it.
pub(in super::super) async fn read(
    State(app): State<Shared>,
    path: Result<Path<(String, String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let role = admit(&app, &headers, AdminCall::Recording)?;
    let recorder = recorder(&app)?;
    let none = || Problem::not_found("no_such_recording", "There is no such recording.");
    let Path((owner, session, file)) = path.map_err(|_| none())?;
    let name: Name = format!("{owner}/{session}/{file}").parse().map_err(|_| none())?;
    note(&app, role, "read_recording", Whose::Pseudonym(&name.owner.to_string()), &name.to_string()).await?;
    let opened = recorder.open(&name).await.map_err(|error| failed(&app, &error))?.ok_or_else(none)?;
    let plain = file.strip_suffix(".sealed").unwrap_or(&file);
    let head = [
        (header::CONTENT_TYPE, name.kind.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&format!("{session}-{plain}"))),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((head, opened.text).into_response())
}

fn failed(app: &App, error: &RecordingError) -> Problem {
    match error {
        RecordingError::Erased => {
            Problem::not_found("recording_erased", "The key of this recording was destroyed: nobody can read it.")
        }
        // It stays so until somebody puts the key right: nobody is told to come again.
        RecordingError::Vault(VaultError::UnknownMaster(_) | VaultError::Damaged(_)) => {
            tracing::error!(%error, "a recording's key cannot be opened");
            let sentence = "No master key here opens the key of this recording: RECORDING_MASTER_KEYS_OLD takes earlier ones. \
                            The server's log says which is needed.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "recording_key", sentence)
        }
        RecordingError::Vault(_) => {
            tracing::error!(%error, "a recording's key cannot be had now");
            let sentence = "The keys of the recordings cannot be had now.";
            Problem::unavailable("recording_key", sentence, app.config.limits.retry_after_s)
        }
        RecordingError::Storage(_) => {
            tracing::error!(%error, "recordings cannot be had now");
            let sentence = "The recordings' storage does not answer now.";
            Problem::unavailable("recording_storage", sentence, app.config.limits.retry_after_s)
        }
        error => unreadable("a recording", error),
    }
}
