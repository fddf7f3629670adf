//! The telephone's calls: `POST /twilio/voice`, which a number's webhook calls, and `GET /twilio/media`, the stream's
//! handshake.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use jiff::tz::TimeZone;
use serde_json::{Map, json};
use voice_core::ids::ConnectionId;
use voice_core::provider::Stage;
use voice_core::session::VOICE_FAILED;

use super::body::Form;
use super::problem::Problem;
use super::session::session_problem;
use super::token::random_hex;
use crate::app::Shared;
use crate::ladder::Fallen;
use crate::readiness::Hold;
use crate::sessions::{Found, NewSession, SessionError};
use crate::sms;
use crate::store::{Channel, UserId};
use crate::transport::end::End;
use crate::transport::twilio::{
    CallSid, Leg, Line, PhoneNumber, SETTINGS_HEADER, SIGNATURE_HEADER, SignatureError, StreamStart, stream_url,
    stream_urls, verify, webhook_urls,
};
use crate::transport::{HARD_LIMIT, Received, close};

const VOICE_PATH: &str = "/twilio/voice";
/// What a caller hears when what may be spent in a day is spent: a voice of Twilio's says it, none of ours.
const NOT_TODAY: &str = "<Say>We cannot take more calls today. Please call again tomorrow.</Say><Hangup/>";
const MEDIA_PATH: &str = "/twilio/media";
/// A stream that was lost sooner than this, in seconds, carried nothing.
const SHORT_S: i64 = 3;
/// After so many of them in a row nothing will come of another.
const MOST_SHORT: u32 = 5;

/// `POST /twilio/voice`: a call has come, or its stream is over. Answers where the call's audio is to go, or that the call
/// is over.
pub(super) async fn voice(
    State(app): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, Problem> {
    check_webhook(&app, &uri, &headers, &form)?;
    let field = |name: &str| field(&form, name);
    let call = CallSid::parse(field("CallSid")).ok_or_else(|| Problem::bad_request("The form has no CallSid."))?;
    // Of a call that we made, the caller is who was called.
    let caller = if field("Direction").starts_with("outbound") { "To" } else { "From" };
    let number = PhoneNumber::parse(field(caller));
    let now = app.clock.now();
    let short = short_streams(uri.query().unwrap_or_default(), now.as_second());
    let over = match how_it_stands(&app, &call).await {
        Err(SessionError::Spent) => return Ok(twiml(NOT_TODAY)),
        Err(SessionError::Held(Hold::NoRung(part))) => {
            // Nobody could speak with the caller, or hear: that is said, by a voice of Twilio's.
            let fallen = Fallen { stage: stage_of(part), by_phone: true, number };
            app.ladder.voice_failed(fallen);
            return Ok(twiml(&voice_failed()));
        }
        standing => standing.map_err(|error| session_problem(&app, error))?,
    };
    match over {
        Standing::VoiceFailed => return Ok(twiml(&voice_failed())),
        Standing::Over => return Ok(twiml("<Hangup/>")),
        Standing::GoesOn if short >= MOST_SHORT => return Ok(twiml("<Hangup/>")),
        Standing::GoesOn => {}
    }
    let base = base_url(&app, &headers);
    if goes_elsewhere(&app, &call) {
        // The session has left this process, or is about to be looked for in vain: whoever is asked next has it.
        let again = escaped(&format!("{base}{VOICE_PATH}"));
        return Ok(twiml(&format!("<Pause length=\"1\"/><Redirect method=\"POST\">{again}</Redirect>")));
    }
    let token = app.tickets.issue(&call, number.as_ref(), now);
    let token = token.map_err(|error| session_problem(&app, error.into()))?;
    Ok(twiml(&format!(
        "<Connect><Stream url=\"{url}\"><Parameter name=\"callToken\" value=\"{token}\"/></Stream></Connect>\
         <Redirect method=\"POST\">{again}</Redirect>",
        url = escaped(&stream_url(&base, MEDIA_PATH)),
        token = token.reveal(),
        again = escaped(&format!("{base}{VOICE_PATH}?at={}&short={short}", now.as_second())),
    )))
}

/// How a call stands.
enum Standing {
    GoesOn,
    Over,
    /// It is over, because nobody could speak any more.
    VoiceFailed,
}

/// How the call's session stands. For a new call there must be room.
async fn how_it_stands(app: &Shared, call: &CallSid) -> Result<Standing, SessionError> {
    match app.sessions.find(&app.tickets.session(call)).await {
        Err(SessionError::Unknown) => app.sessions.has_room(Channel::Phone).await.map(|()| Standing::GoesOn),
        Ok(Found::Stored(stored)) if !stored.ended => Ok(Standing::GoesOn),
        Ok(Found::Stored(stored)) if stored.doc.context.contains_key(VOICE_FAILED) => Ok(Standing::VoiceFailed),
        Ok(Found::Stored(_)) => Ok(Standing::Over),
        Ok(Found::Live(_)) => Ok(Standing::GoesOn),
        Err(error) => Err(error),
    }
}

/// What a caller hears when none of our voices can be heard.
fn voice_failed() -> String {
    format!("<Say>{}</Say><Hangup/>", escaped(sms::VOICE_FAILED))
}

/// The stage of a part that readiness looks after: `tts_providers` is the voices'.
fn stage_of(part: &str) -> Stage {
    match part.split('_').next() {
        Some("stt") => Stage::Stt,
        Some("llm") => Stage::Llm,
        _ => Stage::Tts,
    }
}

/// A field of a form; empty if there is none.
pub(super) fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
}

/// Refuses a webhook's request that is not Twilio's, or is of another account.
pub(super) fn check_webhook(
    app: &Shared,
    uri: &Uri,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Result<(), Problem> {
    check_here(app)?;
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    believe(app, &webhook_urls(&app.config.public_url, path), form, headers)?;
    if is_our_account(app, field(form, "AccountSid")) {
        return Ok(());
    }
    Err(Problem::forbidden("other_account", "The request is of another account than twilio.account_sid."))
}

/// Whether this process takes no session any more, and the call's is not here.
fn goes_elsewhere(app: &Shared, call: &CallSid) -> bool {
    let is_here = || app.sessions.get(app.tickets.session(call).session()).is_some();
    app.readiness.held() == Some(Hold::Draining) && !is_here()
}

/// How many streams in a row were lost at once, by what the redirect of the last answer says.
fn short_streams(query: &str, now_s: i64) -> u32 {
    let field = |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(field, _)| field == name);
    let began_s = field("at").and_then(|(_, at)| at.parse::<i64>().ok());
    let before = field("short").and_then(|(_, count)| count.parse::<u32>().ok()).unwrap_or(0);
    match began_s {
        Some(began_s) if now_s.saturating_sub(began_s) < SHORT_S => before.saturating_add(1),
        _ => 0,
    }
}

/// `GET /twilio/media`: opens the stream's socket. Which call it carries is said in it.
pub(super) async fn media(
    State(app): State<Shared>,
    Extension(received): Extension<Received>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    check_here(&app)?;
    let query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    believe(&app, &stream_urls(&stream_url(&app.config.public_url, MEDIA_PATH)), &query, &headers)?;
    let upgrade = upgrade.map_err(|_| not_a_socket())?;
    let tracker = app.connections.clone();
    Ok(upgrade
        .max_message_size(HARD_LIMIT)
        .max_frame_size(HARD_LIMIT)
        .on_upgrade(move |socket| tracker.track_future(carry(app, socket, received))))
}

async fn carry(app: Shared, socket: WebSocket, received: Received) {
    let mut line = Line::new(socket, received, &app.config.limits, &app.config.twilio);
    let started = app.going_away.run_until_cancelled(line.start()).await;
    let started = started.unwrap_or_else(|| Err(End::new(close::GOING_AWAY, "the server is going away")));
    let admitted = match started {
        Ok(start) => admit(&app, &start).await.map(|leg| (start.stream, leg)),
        Err(end) => Err(end),
    };
    match admitted {
        Ok((stream, leg)) => line.carry(stream, leg).await,
        Err(end) => {
            app.events.stream_refused(end.code, &end.reason);
            line.close(&end).await;
        }
    }
}

/// The session of the call that a stream begins with, if somebody vouches for the stream.
async fn admit(app: &Shared, start: &StreamStart) -> Result<Leg, End> {
    if !is_our_account(app, &start.account) {
        return Err(End::new(close::REFUSED, "the stream is of another account"));
    }
    let number = match app.tickets.redeem(start.call_token.as_deref(), &start.call, app.clock.now()) {
        Ok(number) => number,
        // Without signatures nobody is vouched for, and a stream may come without a webhook.
        Err(_) if !app.config.twilio.validate_signatures => None,
        Err(error) => return Err(End::new(close::REFUSED, error.to_string())),
    };
    let new = new_session(start, number).map_err(|error| refused(&error.into()))?;
    let session = app.tickets.session(&start.call);
    let live = app.sessions.open_or_begin(&session, new).await.map_err(|error| refused(&error))?;
    Ok(Leg {
        connection: ConnectionId(app.next_connection()),
        session_id: live.id.as_str().to_owned(),
        handle: live.handle,
        events: Arc::clone(&app.events),
        outbound_queue: app.config.limits.outbound_queue,
        going_away: app.going_away.clone(),
    })
}

/// Who calls: a number, or nobody in particular when it is withheld.
fn new_session(start: &StreamStart, number: Option<PhoneNumber>) -> Result<NewSession, getrandom::Error> {
    let mut context = Map::new();
    context.insert("call_sid".to_owned(), json!(start.call.as_str()));
    let user = match number {
        Some(number) => {
            context.insert("phone_number".to_owned(), json!(number.reveal()));
            format!("phone:{}", number.reveal())
        }
        None => format!("anon-{}", random_hex::<12>()?),
    };
    let user = UserId::new(user);
    Ok(NewSession {
        user,
        channel: Channel::Phone,
        consent: None,
        wording: String::new(),
        time_zone: TimeZone::UTC,
        context,
    })
}

/// Twilio goes on to the webhook then, which has the last word.
fn refused(error: &SessionError) -> End {
    match error {
        SessionError::Ended => End::new(close::ENDED, "the session has ended"),
        SessionError::Spent => End::new(close::TRY_LATER, "what may be spent in a day is spent"),
        SessionError::Full => End::new(close::TRY_LATER, "as many calls as this server takes are going on"),
        SessionError::Held(_) => End::new(close::TRY_LATER, "this server takes no new sessions now"),
        SessionError::Unknown | SessionError::Store(_) | SessionError::Random(_) => {
            tracing::error!(%error, "a call has no session");
            End::new(close::INTERNAL, "a fault of the server")
        }
    }
}

fn check_here(app: &Shared) -> Result<(), Problem> {
    if app.config.has_phone() {
        return Ok(());
    }
    let sentence =
        "This server has no telephone. Its operator sets TWILIO_AUTH_TOKEN and PUBLIC_URL; docs/phone.md says how.";
    Err(Problem::not_found("no_telephone", sentence))
}

/// An account that is not named in the settings proves itself by the signature.
fn is_our_account(app: &Shared, account: &str) -> bool {
    let ours = app.config.twilio.account_sid.as_str();
    ours.is_empty() || account.is_empty() || account == ours
}

/// Refuses a request that Twilio did not sign.
fn believe(app: &Shared, urls: &[String], form: &[(String, String)], headers: &HeaderMap) -> Result<(), Problem> {
    if !app.config.twilio.validate_signatures {
        return Ok(());
    }
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    // A header that cannot be read must not count as one that is not there.
    let settings =
        headers.contains_key(SETTINGS_HEADER).then(|| one(SETTINGS_HEADER).unwrap_or("algorithm=unreadable"));
    let verified = match (&app.config.secrets.twilio_auth_token, one(SIGNATURE_HEADER)) {
        (Some(key), Some(signature)) => verify(key, urls, form, signature, settings),
        _ => Err(SignatureError::Missing),
    };
    verified.map_err(|error| {
        tracing::info!(%error, "a request that says it is Twilio's was refused");
        Problem::forbidden(
            "not_signed",
            "The request is not signed by the account of TWILIO_AUTH_TOKEN, for this address as PUBLIC_URL has it.",
        )
    })
}

/// Where callers reach this server; where nobody said so, as the request has it.
fn base_url(app: &Shared, headers: &HeaderMap) -> String {
    match app.config.public_url.trim_end_matches('/') {
        "" => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            format!("http://{host}")
        }
        public => public.to_owned(),
    }
}

fn not_a_socket() -> Problem {
    Problem::new(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", "This path is a WebSocket of Twilio's Media Streams.")
        .with(header::UPGRADE, HeaderValue::from_static("websocket"))
}

pub(super) fn twiml(verbs: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}

pub(super) fn escaped(text: &str) -> String {
    let seen = text.chars().filter(|c| !c.is_control() || *c == '\n').collect::<String>();
    seen.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_are_lost_at_once_are_counted_and_one_that_lasted_forgets_them() {
        for (query, expected) in [
            ("", 0),
            ("at=1000&short=0", 1),
            ("at=1000&short=3", 4),
            ("at=990&short=4", 0),
            ("at=soon&short=4", 0),
            ("short=9", 0),
            ("at=1000&short=4294967295", u32::MAX),
            ("at=1000&short=-1", 1),
            ("at=-9223372036854775808&short=1", 0),
        ] {
            assert_eq!(short_streams(query, 1_001), expected, "{query}");
        }
    }

    #[test]
    fn what_stands_in_an_answer_cannot_leave_its_place() {
        assert_eq!(escaped("a?b=1&c=\"<x>\""), "a?b=1&amp;c=&quot;&lt;x&gt;&quot;");
    }
}
