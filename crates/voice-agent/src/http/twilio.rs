//! The telephone's calls: `POST /twilio/voice`, which a number's webhook calls, and `GET /twilio/media`, the stream's
//! handshake.

use std::sync::Arc;
use std::time::Duration;

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
use crate::store::{Channel, MESSAGE_TTL, SessionId, UserId};
use crate::transport::end::End;
use crate::transport::twilio::{
    CallSid, Leg, Line, PhoneNumber, SETTINGS_HEADER, SIGNATURE_HEADER, Seen, SignatureError, StreamStart, USED_TTL,
    stream_url, stream_urls, verify, webhook_urls,
};
use crate::transport::{HARD_LIMIT, READ_BYTES, Received, close};

const VOICE_PATH: &str = "/twilio/voice";
/// What a caller hears when what may be spent in a day is spent: a voice of Twilio's says it, none of ours.
const NOT_TODAY: &str = "<Say>We cannot take more calls today. Please call again tomorrow.</Say><Hangup/>";
/// What a caller hears when nobody took the call for [`HELD_S`].
const NOT_NOW: &str = "<Say>We cannot take your call just now. Please call again in a few minutes.</Say><Hangup/>";
const MEDIA_PATH: &str = "/twilio/media";
/// A stream that was lost sooner than this, in seconds, carried nothing.
const SHORT_S: i64 = 3;
/// After so many of them in a row nothing will come of another.
const MOST_SHORT: u32 = 5;
/// A stream that was refused for the server's own reasons is closed after so long, in seconds: it is no stream that was lost at once.
const REFUSED_S: u64 = 3;
/// A stream that lasted so long, in seconds, was not refused.
const CARRIED_S: i64 = 6;
/// For how long, in seconds, a call waits for somebody who takes it.
const HELD_S: i64 = 30;

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
    if was_sent_before(&app, &headers).await {
        tracing::warn!(call = call.as_str(), "a signed request came again, and was refused");
        return Err(Problem::forbidden("replayed", "This very request, with this signature, came before."));
    }
    let back = Back::of(uri.query().unwrap_or_default(), now.as_second());
    let again = Again { base: base_url(&app, &headers), now_s: now.as_second(), back };
    let over = match how_it_stands(&app, &call, back.held_s.is_some()).await {
        Ok(over) => over,
        Err(SessionError::Spent) => return Ok(twiml(NOT_TODAY)),
        Err(SessionError::Held(Hold::NoRung(part))) => {
            // Nobody could speak with the caller, or hear: that is said, by a voice of Twilio's.
            let fallen = Fallen { stage: stage_of(part), by_phone: true, number };
            app.ladder.voice_failed(fallen);
            return Ok(twiml(&voice_failed()));
        }
        Err(SessionError::Random(error)) => return Err(session_problem(&app, error.into())),
        Err(error) => return again.hold(&app, error),
    };
    match over {
        Standing::VoiceFailed => return Ok(twiml(&voice_failed())),
        Standing::Over => return Ok(twiml("<Hangup/>")),
        Standing::GoesOn if back.short >= MOST_SHORT => return Ok(twiml("<Hangup/>")),
        Standing::GoesOn if back.was_refused_for_long(now.as_second()) => return Ok(twiml(NOT_NOW)),
        Standing::GoesOn => {}
    }
    let token = app.tickets.issue(&call, number.as_ref(), now);
    let token = token.map_err(|error| session_problem(&app, error.into()))?;
    Ok(twiml(&format!(
        "<Connect><Stream url=\"{url}\"><Parameter name=\"callToken\" value=\"{token}\"/></Stream></Connect>\
         <Redirect method=\"POST\">{then}</Redirect>",
        url = escaped(&stream_url(&again.base, MEDIA_PATH)),
        token = token.reveal(),
        then = escaped(&again.after_stream().map_err(|error| session_problem(&app, error.into()))?),
    )))
}

/// Whether a signed request came before: a signature vouches for one request, and each of Twilio's has another address or form. While the
/// store is away only those are known that came to this process.
async fn was_sent_before(app: &Shared, headers: &HeaderMap) -> bool {
    if !app.config.twilio.validate_signatures {
        return false;
    }
    let Some(signature) = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()) else { return false };
    match app.once.see(&format!("twilio:{}", signature.trim()), MESSAGE_TTL).await {
        Seen::First => false,
        Seen::Before => true,
        Seen::Unknown(error) => {
            app.events.store_failed("note_once", &error);
            false
        }
    }
}

/// What the redirect says by which a call comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Back {
    /// How many streams in a row were lost at once.
    short: u32,
    /// Since when, in Unix seconds, the call waits for somebody who takes it.
    held_s: Option<i64>,
    /// It had a stream, and was not only asked to wait.
    streamed: bool,
}

impl Back {
    fn of(query: &str, now_s: i64) -> Self {
        let field = |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(field, _)| field == name);
        let number = |name: &str| field(name).and_then(|(_, text)| text.parse::<i64>().ok());
        let lasted_s = number("at").map(|began_s| now_s.saturating_sub(began_s));
        let before = field("short").and_then(|(_, count)| count.parse::<u32>().ok()).unwrap_or(0);
        let short = if lasted_s.is_some_and(|lasted_s| lasted_s < SHORT_S) { before.saturating_add(1) } else { 0 };
        // A stream that was carried ends the wait; one that was refused does not, and begins one.
        let refused_s = number("at").filter(|_| lasted_s.is_some_and(|lasted_s| lasted_s >= SHORT_S));
        let held_s = number("held").or(refused_s).filter(|_| lasted_s.is_none_or(|lasted_s| lasted_s < CARRIED_S));
        Self { short, held_s, streamed: lasted_s.is_some() }
    }

    /// Whether one stream after the other was refused for as long as a call waits: the caller heard nothing all the while.
    fn was_refused_for_long(self, now_s: i64) -> bool {
        self.streamed && self.held_s.is_some_and(|since_s| now_s.saturating_sub(since_s) >= HELD_S)
    }
}

/// How a call comes back.
struct Again {
    base: String,
    now_s: i64,
    back: Back,
}

impl Again {
    /// The address to which Twilio comes when the stream is over. No two are alike: what is signed for one is good once.
    fn after_stream(&self) -> Result<String, getrandom::Error> {
        let (base, now_s, short, id) = (&self.base, self.now_s, self.back.short, random_hex::<8>()?);
        let held = self.back.held_s.map(|since_s| format!("&held={since_s}")).unwrap_or_default();
        Ok(format!("{base}{VOICE_PATH}?at={now_s}&id={id}{held}&short={short}"))
    }

    /// The call waits, and is asked about again, wherever that is: this instance is full or goes down, or the store is away. Not for ever.
    fn hold(&self, app: &Shared, why: SessionError) -> Result<Response, Problem> {
        let since_s = self.back.held_s.unwrap_or(self.now_s);
        let held_s = self.now_s.saturating_sub(since_s);
        tracing::info!(%why, held_s, "a call waits");
        // Says so where it concerns the store.
        let _problem = session_problem(app, why);
        if !(0..HELD_S).contains(&held_s) {
            return Ok(twiml(NOT_NOW));
        }
        let id = random_hex::<8>().map_err(|error| session_problem(app, error.into()))?;
        let then = escaped(&format!("{}{VOICE_PATH}?id={id}&held={since_s}", self.base));
        let pause_s = 1 + held_s / 4;
        Ok(twiml(&format!("<Pause length=\"{pause_s}\"/><Redirect method=\"POST\">{then}</Redirect>")))
    }
}

/// How a call stands.
enum Standing {
    GoesOn,
    Over,
    /// It is over, because nobody could speak any more.
    VoiceFailed,
}

/// How the call's session stands. For a call that is not live here there must be room.
async fn how_it_stands(app: &Shared, call: &CallSid, waits: bool) -> Result<Standing, SessionError> {
    match app.sessions.find(&app.tickets.session(call)).await {
        Err(SessionError::Unknown) => {
            if waits {
                // That it is refused was counted when it came.
                app.sessions.could_take_up()?;
            }
            app.sessions.has_room(Channel::Phone).await.map(|()| Standing::GoesOn)
        }
        Ok(Found::Stored(stored)) if !stored.ended => app.sessions.could_take_up().map(|()| Standing::GoesOn),
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
        .read_buffer_size(READ_BYTES)
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
            if matches!(end.code, close::TRY_LATER | close::INTERNAL) {
                let wait = tokio::time::sleep(Duration::from_secs(REFUSED_S));
                app.going_away.run_until_cancelled(wait).await;
            }
            line.close(&end).await;
        }
    }
}

/// The session of the call that a stream begins with, if somebody vouches for the stream.
async fn admit(app: &Shared, start: &StreamStart) -> Result<Leg, End> {
    if !is_our_account(app, &start.account) {
        return Err(End::new(close::REFUSED, "the stream is of another account"));
    }
    let session = app.tickets.session(&start.call);
    let number = match vouched(app, start, session.session()).await {
        Ok(number) => number,
        // Without signatures nobody is vouched for, and a stream may come without a webhook.
        Err(_) if !app.config.twilio.validate_signatures => None,
        Err(end) => return Err(end),
    };
    let new = new_session(start, number).map_err(|error| refused(&error.into()))?;
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

/// The number for which the stream's token vouches, once.
async fn vouched(app: &Shared, start: &StreamStart, session: &SessionId) -> Result<Option<PhoneNumber>, End> {
    let ticket = app.tickets.redeem(start.call_token.as_deref(), &start.call, app.clock.now());
    let ticket = ticket.map_err(|error| End::new(close::REFUSED, error.to_string()))?;
    match app.once.see(&format!("call-token:{}", ticket.nonce), USED_TTL).await {
        Seen::First => Ok(ticket.number),
        Seen::Before => Err(End::new(close::REFUSED, "the call token was used before")),
        // A call that is live here goes on without the store, as it does otherwise.
        Seen::Unknown(_) if app.sessions.get(session).is_some() => Ok(ticket.number),
        Seen::Unknown(error) => Err(refused(&SessionError::Store(error))),
    }
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
            assert_eq!(Back::of(query, 1_001).short, expected, "{query}");
        }
    }

    #[test]
    fn a_call_waits_until_a_stream_was_carried() {
        for (query, expected) in [
            ("", None),
            ("id=a&held=990", Some(990)),
            ("id=a&held=soon", None),
            ("at=996&held=990&short=0", Some(990)),
            ("at=990&held=980&short=0", None),
            // A stream that was refused, and one that was lost at once.
            ("at=996&short=0", Some(996)),
            ("at=999&short=0", None),
        ] {
            assert_eq!(Back::of(query, 1_000).held_s, expected, "{query}");
        }
    }

    #[test]
    fn a_call_whose_streams_are_all_refused_is_told_so() {
        for (query, expected) in [
            ("at=996&held=969&short=0", true),
            ("at=996&held=971&short=0", false),
            ("at=990&held=960&short=0", false),
            ("id=a&held=960", false),
        ] {
            assert_eq!(Back::of(query, 1_000).was_refused_for_long(1_000), expected, "{query}");
        }
    }

    #[test]
    fn what_stands_in_an_answer_cannot_leave_its_place() {
        assert_eq!(escaped("a?b=1&c=\"<x>\""), "a?b=1&amp;c=&quot;&lt;x&gt;&quot;");
    }
}
