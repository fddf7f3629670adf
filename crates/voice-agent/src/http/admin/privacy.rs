//! People's rights: what there is of somebody, everything of it in one file, and none of it any more.

use axum::Json as JsonAnswer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::super::body::{Fields, Json};
use super::super::consent::objection_problem;
use super::super::problem::Problem;
use super::pipe::Pipe;
use super::role::{AdminCall, Whose, admit, disposition, note, unreadable};
use crate::access_log::{self, MAX_REASON, SEAL};
use crate::app::Shared;
use crate::consent::{Decisions, Objector, object};
use crate::privacy::{Desk, PrivacyError};
use crate::store::UserId;

/// The longest user id that is looked for, in characters.
const MAX_USER: usize = 256;
/// Most lines of the access log that are told.
const MOST_LINES: usize = 1_000;

/// The person whom a request is about. Persons stand in bodies, and never in a path, which is logged by whatever is between.
fn user_of(body: Value) -> Result<UserId, Problem> {
    let mut fields = Fields::new(body, &["user_id"])?;
    let user = fields.string("user_id").unwrap_or_default();
    if user.is_empty() || user.chars().count() > MAX_USER || user.chars().any(char::is_control) {
        fields.fault("user_id", "must name somebody, like phone:+15551234567");
    }
    fields.finish(UserId::new(user))
}

fn desk(app: &Shared) -> Result<Desk, Problem> {
    Desk::of(app).ok_or_else(|| {
        let sentence = "There is no master key here: instances that share a Redis need RECORDING_MASTER_KEY.";
        Problem::unavailable("no_master_key", sentence, app.config.limits.retry_after_s)
    })
}

/// `GET /api/admin/whoami`: the role of this token.
pub(in super::super) async fn whoami(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<JsonAnswer<Value>, Problem> {
    let role = admit(&app, &headers, AdminCall::WhoAmI)?;
    let calls = AdminCall::ALL.iter().filter(|call| call.roles().contains(&role));
    let calls: Vec<String> = calls.map(|call| format!("{call:?}")).collect();
    Ok(JsonAnswer(json!({"role": role, "calls": calls, "records": app.config.keeps_recordings()})))
}

/// `POST /api/admin/privacy/consents`: what somebody decided about recordings.
pub(in super::super) async fn consents(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<JsonAnswer<Value>, Problem> {
    let role = admit(&app, &headers, AdminCall::Consents)?;
    let user = user_of(body)?;
    note(&app, role, "read_consents", Whose::User(&user), "").await?;
    let decisions = Decisions::of(app.store.as_ref(), &user).await;
    let decisions = decisions.map_err(|error| failed(&app, PrivacyError::Store(error)))?;
    Ok(JsonAnswer(json!({"opted_out": decisions.opted_out(), "consents": decisions.0})))
}

/// `POST /api/admin/privacy/withdraw`: somebody is not to be recorded any more, as they said in another way than here.
pub(in super::super) async fn withdraw(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<StatusCode, Problem> {
    let role = admit(&app, &headers, AdminCall::Withdraw)?;
    let user = user_of(body)?;
    object(&app, &user, Objector::Officer).await.map_err(|error| objection_problem(&app, &error))?;
    // Nothing is handed out, and a withdrawal must be as easy as consent: it does not wait for an access log that cannot be written. The ledger
    // of consents has it, and that it was said in the person's name.
    if note(&app, role, "withdraw", Whose::User(&user), "").await.is_err() {
        tracing::error!("a withdrawal in somebody's name stands in the ledger of consents, and not in the access log");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/admin/privacy/export`: everything about somebody, as one archive (tar, gzip).
pub(in super::super) async fn export(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let role = admit(&app, &headers, AdminCall::Export)?;
    let user = user_of(body)?;
    let desk = desk(&app)?;
    note(&app, role, "export", Whose::User(&user), "").await?;
    let collection = desk.collect(&user).await.map_err(|error| failed(&app, error))?;
    let head = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&format!("{}.tar.gz", collection.pseudonym()))),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let (pipe, pieces) = Pipe::new();
    app.calls.spawn(async move {
        let broken = pipe.clone();
        if let Err(error) = desk.export(collection, pipe).await {
            tracing::error!(%error, "an archive of everything about somebody breaks off");
            broken.break_off().await;
        }
    });
    Ok((head, Body::from_stream(pieces)).into_response())
}

/// `POST /api/admin/privacy/erase`: nothing of somebody any more. Answers the certificate.
pub(in super::super) async fn erase(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let role = admit(&app, &headers, AdminCall::Erase)?;
    let user = user_of(body)?;
    let desk = desk(&app)?;
    note(&app, role, "erase", Whose::User(&user), "").await?;
    // Whoever asked may be gone before it is through: what is begun is finished.
    let running = app.calls.spawn(async move { desk.erase(&user).await });
    let erased = running.await.map_err(|error| unreadable("an erasure", &error))?;
    let certificate = erased.map_err(|error| failed(&app, error))?;
    Ok(JsonAnswer(certificate).into_response())
}

/// `GET /api/admin/access-log`: its last lines here, newest last, and whether all of it is whole.
pub(in super::super) async fn access_log(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<JsonAnswer<Value>, Problem> {
    let role = admit(&app, &headers, AdminCall::AccessLog)?;
    note(&app, role, "read_access_log", Whose::Nobody, "").await?;
    let desk = desk(&app)?;
    let findings = desk.audit().await.map_err(|error| failed(&app, error))?;
    let folder = app.config.data_dir.clone();
    let read = tokio::task::spawn_blocking(move || access_log::last_lines(&folder, MOST_LINES)).await;
    let lines = read.map_err(|error| unreadable("the access log", &error))?;
    let lines = lines.map_err(|error| unreadable("the access log", &error))?;
    Ok(JsonAnswer(json!({"audit": findings, "lines": lines})))
}

/// `POST /api/admin/access-log` with `{"log": …, "reason": …}`: why a log is not as it was written. It is a line of the access log itself.
pub(in super::super) async fn seal_log(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<StatusCode, Problem> {
    let role = admit(&app, &headers, AdminCall::SealLog)?;
    let mut fields = Fields::new(body, &["log", "reason"])?;
    let (log, reason) = (fields.string("log").unwrap_or_default(), fields.string("reason").unwrap_or_default());
    if log.is_empty() {
        fields.fault("log", "must name a log, as the audit does");
    }
    let is_reason = !reason.trim().is_empty() && reason.chars().count() <= MAX_REASON;
    if !is_reason || reason.chars().any(char::is_control) {
        fields.fault("reason", "must say in at most 300 characters why the log is not as it was written");
    }
    fields.finish(())?;
    if app.access_log.is_none() {
        let off =
            "No accesses are written down here (RECORDING_ACCESS_LOGGING), so nothing can be written of a log either.";
        return Err(Problem::not_found("access_log_off", off));
    }
    let seal = desk(&app)?.seal(&log, &reason).await.map_err(|error| failed(&app, error))?;
    let none = || Problem::not_found("no_such_break", "The audit finds nothing in this log that is not sealed.");
    note(&app, role, SEAL, Whose::Nobody, &seal.ok_or_else(none)?.to_of()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn failed(app: &Shared, error: PrivacyError) -> Problem {
    match error {
        PrivacyError::Store(error) => {
            app.events.store_failed("privacy", &error);
            Problem::unavailable("store", "The store does not work now.", app.config.limits.retry_after_s)
        }
        error => unreadable("what is kept of somebody", &error),
    }
}
