//! The calls of a session: begin, come back, read, type, end.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::sync::oneshot;
use voice_core::input::HangUp;
use voice_core::session::{Restored, first_words};

use super::JwtError;
use super::body::{Fields, Json};
use super::caller::{bearer, check_open, check_user_id};
use super::path::Path;
use super::problem::Problem;
use super::token::{Token, random_hex};
use crate::app::Shared;
use crate::driver::api::{Command, SendError, TextAnswer, TooManyTexts};
use crate::sessions::{Found, Live, NewSession, Opened, SessionError};
use crate::store::{Channel, SessionDoc, SessionId, UserId};

/// The answer to `POST /api/sessions`.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    session_id: SessionId,
    token: String,
    resumed: bool,
    /// What the agent says next; empty when it goes on where it was.
    greeting: String,
}

struct Wanted {
    channel: Channel,
    user_id: Option<String>,
    resume: Option<(String, String)>,
    consent: Option<bool>,
    wording: String,
    time_zone: Option<TimeZone>,
}

/// Longest text that a dialog shows beside its question, in characters.
const MAX_WORDING: usize = 1_000;

/// What a caller who comes back tells anew.
struct Back {
    /// Whose session it takes this one to be. The token decides, and a session keeps its user.
    user_id: Option<String>,
    time_zone: Option<TimeZone>,
    /// Consent to recording is withdrawn. It is never given here: a client that repeats its first answer must not undo a
    /// "stop recording" that was said since.
    withdraws: bool,
}

/// `POST /api/sessions`.
pub(super) async fn create(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    check_open(&app.config)?;
    let proven = proven_user(&app, &headers).await?;
    let wanted = read_wanted(body)?;
    let created = match wanted.resume {
        Some((id, token)) => {
            let back =
                Back { user_id: wanted.user_id, time_zone: wanted.time_zone, withdraws: wanted.consent == Some(false) };
            resume(&app, &id, &token, proven.as_deref(), back).await?
        }
        None => begin(&app, wanted, proven).await?,
    };
    Ok((StatusCode::CREATED, JsonAnswer(created)).into_response())
}

fn read_wanted(body: serde_json::Value) -> Result<Wanted, Problem> {
    const FIELDS: [&str; 7] =
        ["channel", "user_id", "session_id", "token", "recording_consent", "consent_wording", "time_zone"];
    let mut fields = Fields::new(body, &FIELDS)?;
    let channel = match fields.string("channel").as_deref() {
        None | Some("browser") => Channel::Browser,
        Some("screen_share") => Channel::ScreenShare,
        Some(_) => {
            fields.fault("channel", "must be browser or screen_share: a phone call begins with a phone");
            Channel::Browser
        }
    };
    let user_id = fields.string("user_id");
    if let Some(Err(fault)) = user_id.as_deref().map(check_user_id) {
        fields.fault("user_id", fault);
    }
    let resume = match (fields.string("session_id"), fields.string("token")) {
        (Some(id), Some(token)) => Some((id, token)),
        (Some(_), None) => {
            fields.fault("token", "is required with session_id");
            None
        }
        (None, Some(_)) => {
            fields.fault("session_id", "is required with token");
            None
        }
        (None, None) => None,
    };
    let consent = fields.boolean("recording_consent");
    let wording = fields.string("consent_wording").unwrap_or_default();
    if wording.chars().count() > MAX_WORDING {
        fields.fault("consent_wording", "has more than 1000 characters");
    }
    if consent == Some(true) && wording.trim().is_empty() && resume.is_none() {
        tracing::warn!(
            "a page's yes to being recorded came without consent_wording: the ledger cannot say what the caller was shown"
        );
    }
    let time_zone = fields.string("time_zone").and_then(|name| match TimeZone::get(&name) {
        Ok(zone) if zone.iana_name().is_some() => Some(zone),
        _ => {
            fields.fault("time_zone", "must be the name of an IANA time zone, like Europe/Berlin");
            None
        }
    });
    fields.finish(Wanted { channel, user_id, resume, consent, wording, time_zone })
}

/// The user whom a JSON Web Token proves; `None` where callers are believed.
async fn proven_user(app: &Shared, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(verifier) = &app.verifier else { return Ok(None) };
    let token = bearer(headers).ok_or_else(|| Problem::unauthorized("A bearer token is needed."))?;
    let user = verifier.user(token).await.map_err(|error| token_problem(app, &error))?;
    check_user_id(&user).map_err(|fault| {
        tracing::info!(fault, "a caller's token has a subject that cannot be a user");
        Problem::unauthorized("The bearer token is not valid.")
    })?;
    Ok(Some(user))
}

/// A token that nobody can check now may be good: that is not its caller's fault.
fn token_problem(app: &Shared, error: &JwtError) -> Problem {
    if let JwtError::Keys(_) = error {
        tracing::warn!(%error, "a caller's token cannot be checked");
        let sentence = "Callers' tokens cannot be checked now.";
        return Problem::unavailable("auth", sentence, app.config.limits.retry_after_s);
    }
    tracing::info!(%error, "a caller's token was refused");
    Problem::unauthorized("The bearer token is not valid.")
}

async fn begin(app: &Shared, wanted: Wanted, proven: Option<String>) -> Result<Created, Problem> {
    let user = match (proven, wanted.user_id) {
        (Some(proven), Some(claimed)) if proven != claimed => {
            return Err(Problem::forbidden("not_your_user", "user_id is not the user of the bearer token."));
        }
        (Some(user), _) | (None, Some(user)) => user,
        (None, None) => format!("anon-{}", random_hex::<12>().map_err(|error| session_problem(app, error.into()))?),
    };
    let new = NewSession {
        user: UserId::new(user),
        channel: wanted.channel,
        consent: wanted.consent,
        wording: wanted.wording,
        time_zone: wanted.time_zone.unwrap_or(TimeZone::UTC),
        context: serde_json::Map::new(),
    };
    let (token, live) = app.sessions.create(new).await.map_err(|error| session_problem(app, error))?;
    let greeting = greeting(app, false);
    Ok(Created { session_id: live.id, token: token.reveal().to_owned(), resumed: false, greeting })
}

async fn resume(app: &Shared, id: &str, token: &str, proven: Option<&str>, back: Back) -> Result<Created, Problem> {
    let token = Token::parse(token).filter(|token| token.session().as_str() == id).ok_or_else(no_session)?;
    let found = app.sessions.find(&token).await.map_err(|error| resume_problem(app, error))?;
    if proven.is_some_and(|user| user != found.user().as_str()) {
        return Err(no_session());
    }
    if back.user_id.is_some_and(|claimed| claimed != found.user().as_str()) {
        return Err(Problem::forbidden("not_your_user", "user_id is not the user of this session; leave it out."));
    }
    let (live, opened) = app.sessions.open(&token, back.time_zone).await.map_err(|error| resume_problem(app, error))?;
    if back.withdraws {
        withdraw_consent(app, &live)?;
    }
    let greeting = match opened {
        Opened::Restored { begun: false, .. } => greeting(app, false),
        Opened::Restored { say: Some(say), .. } => say,
        Opened::Restored { begun: true, say: None } => greeting(app, true),
        // It greets whoever comes first, and that may still be to come.
        Opened::Running => first_words_due(app, &live).await?,
    };
    Ok(Created { session_id: live.id, token: token.reveal().to_owned(), resumed: true, greeting })
}

/// Whoever cannot be told that recording stopped is told that it did not.
fn withdraw_consent(app: &Shared, live: &Live) -> Result<(), Problem> {
    live.handle.send(Command::Consent { recording: false }).map_err(|error| match error {
        SendError::Ended => no_session(),
        SendError::Full => busy(app),
    })
}

/// What a running session says as soon as its caller's first connection comes; empty when it was said.
async fn first_words_due(app: &Shared, live: &Live) -> Result<String, Problem> {
    let (answer, asked) = oneshot::channel();
    match live.handle.send(Command::FirstWords { answer }) {
        // It ended while it was asked.
        Ok(()) => asked.await.map_err(|_| no_session()),
        Err(SendError::Ended) => Err(no_session()),
        Err(SendError::Full) => Err(busy(app)),
    }
}

/// What the agent says first in a session that is new, or restored after a loss.
fn greeting(app: &Shared, begun: bool) -> String {
    first_words(&app.config.greeting, begun, Restored::Lost).unwrap_or_default().to_owned()
}

fn no_session() -> Problem {
    Problem::not_found("no_such_session", "There is no such session, or the token is not its own.")
}

/// Whoever wants to come back is told the same whether the session is unknown, over or another's: begin anew.
fn resume_problem(app: &Shared, error: SessionError) -> Problem {
    match error {
        SessionError::Unknown | SessionError::Ended => no_session(),
        error => session_problem(app, error),
    }
}

/// A session's error as an answer. Without a valid token nothing can be learned about a session: 401 for all.
pub(super) fn session_problem(app: &Shared, error: SessionError) -> Problem {
    let retry_after_s = app.config.limits.retry_after_s;
    match error {
        SessionError::Unknown => Problem::unauthorized("The bearer token is of no session."),
        SessionError::Ended => Problem::not_found("session_ended", "The session has ended."),
        SessionError::Spent => {
            let sentence = "What this server may spend in a day is spent. It takes new calls again from midnight, UTC.";
            Problem::unavailable("day_spent", sentence, app.ledger.seconds_left())
        }
        SessionError::Full => {
            Problem::unavailable("full", "As many calls as this server takes are going on.", retry_after_s)
        }
        SessionError::Held(_) => {
            Problem::unavailable("not_ready", "This server takes no new sessions now.", retry_after_s)
        }
        SessionError::Store(error) => {
            app.readiness.degrade("store", error.to_string());
            Problem::unavailable("store", "The store does not work now; nothing was changed.", retry_after_s)
        }
        SessionError::Random(error) => {
            tracing::error!(%error, "the operating system gives no randomness");
            Problem::internal()
        }
    }
}

/// The session's token of a request.
pub(super) fn session_token(app: &Shared, headers: &HeaderMap) -> Result<Token, Problem> {
    check_open(&app.config)?;
    let token = bearer(headers).ok_or_else(|| Problem::unauthorized("A session's bearer token is needed."))?;
    Token::parse(token).ok_or_else(|| Problem::unauthorized("The bearer token is of no session."))
}

/// The session that the request's token opens, if it is the one that the path names.
async fn find(app: &Shared, id: &str, headers: &HeaderMap) -> Result<(Token, Found), Problem> {
    let token = session_token(app, headers)?;
    let found = app.sessions.find(&token).await.map_err(|error| session_problem(app, error))?;
    if token.session().as_str() == id { Ok((token, found)) } else { Err(no_session()) }
}

/// `GET /api/sessions/{id}`: the contract's JSON.
pub(super) async fn read(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
) -> Result<JsonAnswer<SessionDoc>, Problem> {
    let (token, found) = find(&app, &id, &headers).await?;
    let live = match found {
        Found::Stored(stored) => return Ok(JsonAnswer(stored.doc)),
        Found::Live(live) => live,
    };
    if let Some(doc) = describe(&app, &live).await? {
        return Ok(JsonAnswer(doc));
    }
    // It ended while it was asked.
    match app.sessions.find(&token).await.map_err(|error| session_problem(&app, error))? {
        Found::Stored(stored) => Ok(JsonAnswer(stored.doc)),
        Found::Live(_) => Err(Problem::internal()),
    }
}

async fn describe(app: &Shared, live: &Live) -> Result<Option<SessionDoc>, Problem> {
    let (answer, asked) = oneshot::channel();
    match live.handle.send(Command::Describe { answer }) {
        Ok(()) => Ok(asked.await.ok().map(|doc| *doc)),
        Err(SendError::Ended) => Ok(None),
        Err(SendError::Full) => Err(busy(app)),
    }
}

fn busy(app: &Shared) -> Problem {
    Problem::unavailable("busy", "The session has too much to do now.", app.config.limits.retry_after_s)
}

fn too_many(app: &Shared) -> Problem {
    let most = app.config.session.max_pending_texts;
    let detail = format!(
        "{most} messages of this session are waiting for an answer, and no more may (session.max_pending_texts). \
         This one was not taken: wait for an answer, and send it again."
    );
    Problem::too_many("too_many_messages", detail, app.config.limits.retry_after_s)
}

/// `POST /api/sessions/{id}/messages`: the same agent by text.
pub(super) async fn message(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<JsonAnswer<TextAnswer>, Problem> {
    let (token, _found) = find(&app, &id, &headers).await?;
    let text = read_text(body, app.config.session.max_text_chars)?;
    let (live, _restored) = app.sessions.open(&token, None).await.map_err(|error| session_problem(&app, error))?;
    let (answer, asked) = oneshot::channel();
    live.handle.send(Command::Text { text, answer: Some(answer), sid: None }).map_err(|error| match error {
        SendError::Full => busy(&app),
        SendError::Ended => Problem::not_found("session_ended", "The session has ended."),
    })?;
    match asked.await {
        Ok(Ok(answered)) => Ok(JsonAnswer(answered)),
        Ok(Err(TooManyTexts)) => Err(too_many(&app)),
        Err(_ended) => Err(Problem::new(
            StatusCode::CONFLICT,
            "not_answered",
            "The session ended before it answered; what it did until then is in the tasks.",
        )),
    }
}

fn read_text(body: serde_json::Value, max_chars: usize) -> Result<String, Problem> {
    let mut fields = Fields::new(body, &["text"])?;
    let given = fields.string("text");
    let chars = given.as_deref().map_or(0, |text| text.chars().count());
    match &given {
        None => fields.fault("text", "is required, a string"),
        Some(text) if text.trim().is_empty() => fields.fault("text", "must not be empty"),
        Some(_) if chars > max_chars => {
            fields.fault("text", format!("must have at most {max_chars} characters, and has {chars}"));
        }
        Some(_) => {}
    }
    fields.finish(given.unwrap_or_default())
}

/// `DELETE /api/sessions/{id}`.
pub(super) async fn end(State(app): State<Shared>, Path(id): Path, headers: HeaderMap) -> Result<StatusCode, Problem> {
    let (token, _found) = find(&app, &id, &headers).await?;
    app.sessions.end(token.session(), HangUp::Caller).await.map_err(|error| session_problem(&app, error))?;
    Ok(StatusCode::NO_CONTENT)
}
