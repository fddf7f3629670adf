//! A session's log of inputs, for `voice-agent replay`.

use std::io::BufReader;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::super::path::Path;
use super::super::problem::Problem;
use super::super::session::session_problem;
use super::role::{AdminCall, Whose, admit, note};
use crate::access_log::Role;
use crate::app::{Shared, newest_input_log};
use crate::store::SessionId;
use crate::vault::{Header, Opener, SealError};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Whether inputs are logged here.
pub(super) fn is_on(app: &Shared) -> bool {
    !app.config.input_log.dir.as_os_str().is_empty()
}

/// `GET /api/admin/sessions/{id}/log`: the session's newest log, also after its end. It holds what the caller said, so
/// asking for it is noted.
pub(in super::super) async fn download(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let role = admit(&app, &headers, AdminCall::InputLog)?;
    if !is_on(&app) {
        let how =
            "Inputs are not logged. INPUT_LOG_DIR names the folder for the logs of the sessions that begin after that.";
        return Err(Problem::not_found("input_log_off", how));
    }
    let (dir, session) = (app.config.input_log.dir.clone(), id.clone());
    // A panic in the look through the folder would be a defect: it is told like a folder that cannot be read.
    let found =
        tokio::task::spawn_blocking(move || newest_input_log(&dir, &session)).await.map_err(std::io::Error::other);
    let path = found.flatten().map_err(|error| unreadable(&error))?;
    let path = path.ok_or_else(|| Problem::not_found("no_input_log", "There is no log of this session here."))?;
    note_whose(&app, role, &path, &id).await?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let disposition = format!("attachment; filename=\"{}\"", name.strip_suffix(".sealed").unwrap_or(&name));
    let head = [(header::CONTENT_TYPE, "application/jsonl".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    let body = if name.ends_with(".sealed") { opened(&app, path).await? } else { plain(path).await? };
    Ok((head, body).into_response())
}

/// Writes down whose log is read: its header says it, and of a plain one the session, as long as the store has it.
async fn note_whose(app: &Shared, role: Role, path: &std::path::Path, id: &str) -> Result<(), Problem> {
    const ACTION: &str = "read_input_log";
    let sealed = path.to_owned();
    let header = tokio::task::spawn_blocking(move || Header::read(&mut BufReader::new(std::fs::File::open(sealed)?)));
    if let Ok(header) = header.await.map_err(|error| unreadable(&error))? {
        return note(app, role, ACTION, Whose::Pseudonym(&header.owner.to_string()), id).await;
    }
    let stored = app.store.load_session(SessionId::new(id)).await;
    let user = stored.map_err(|error| session_problem(app, error.into()))?.map(|stored| stored.doc.user_id);
    let whose = user.as_ref().map_or(Whose::Nobody, Whose::User);
    note(app, role, ACTION, whose, id).await
}

/// A log of a version that sealed none.
async fn plain(path: PathBuf) -> Result<Body, Problem> {
    let file = File::open(&path).await.map_err(|error| unreadable(&error))?;
    Ok(Body::from_stream(stream::try_unfold(file, read)))
}

/// A sealed log, opened: of a call that still goes on, as far as it goes.
async fn opened(app: &Shared, path: PathBuf) -> Result<Body, Problem> {
    let gone = || Problem::not_found("input_log_erased", "The key of this log was destroyed: nobody can read it.");
    let begin = move || {
        let mut file = BufReader::new(std::fs::File::open(path)?);
        Header::read(&mut file).map(|header| (file, header))
    };
    let begun = tokio::task::spawn_blocking(begin).await.map_err(|error| unreadable(&error))?;
    let (file, header) = begun.map_err(|error| unreadable(&error))?;
    let vault = app.vault.as_ref().ok_or_else(gone)?;
    let key = vault.key_of(header.owner).await.map_err(|error| unreadable(&error))?.ok_or_else(gone)?;
    let opener = Opener::new(file, &header, &key).map_err(|error| unreadable(&error))?;
    Ok(Body::from_stream(stream::try_unfold(opener, next)))
}

async fn next(
    mut opener: Opener<BufReader<std::fs::File>>,
) -> std::io::Result<Option<(Bytes, Opener<BufReader<std::fs::File>>)>> {
    let read = tokio::task::spawn_blocking(move || (opener.next_chunk(), opener)).await?;
    match read {
        (Ok(Some(text)), opener) => Ok(Some((text.into(), opener))),
        (Ok(None) | Err(SealError::Truncated { .. }), _) => Ok(None),
        (Err(error), _) => Err(std::io::Error::other(error)),
    }
}

async fn read(mut file: File) -> std::io::Result<Option<(Bytes, File)>> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let count = file.read_buf(&mut bytes).await?;
    Ok((count > 0).then(|| (Bytes::from(bytes), file)))
}

fn unreadable(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a log of inputs cannot be read");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "input_log_unreadable",
        "The log cannot be read; the server's log says why.",
    )
}
