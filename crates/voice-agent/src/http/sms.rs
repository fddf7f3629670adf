//! Text messages: `POST /twilio/sms`, which a number's webhook calls, and `POST /twilio/status`, which tells what became of a message
//! or of a call.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde_json::{Map, json};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep, timeout};
use voice_core::input::HangUp;
use voice_core::output::EndReason;

use super::body::Form;
use super::problem::Problem;
use super::session::session_problem;
use super::twilio::{check_webhook, escaped, field, twiml};
use crate::app::Shared;
use crate::driver::answer_to;
use crate::driver::api::{Command, SendError, TextReply, TooManyTexts};
use crate::readiness::Hold;
use crate::sessions::{Live, NewSession, SessionError, TEXTS};
use crate::sms::{Word, user_of, word};
use crate::store::{Begun, Channel, HEARTBEAT_TTL, StoreError, UserId};
use crate::transport::twilio::{CallSid, MessageSid, PhoneNumber};

/// To HELP.
const HELP: &str = "This number keeps your tasks. Text me what to add, change, complete or list, or call me. Text STOP to get no \
                    more messages. Message and data rates may apply.";
const EMPTY: &str = "Your message was empty. Text me what to do, like: add buy milk to my list.";
const NO_WORDS: &str = "I can only read text. Please send me what to do in words.";
const TOO_LONG: &str = "Your message is too long for me. Please send a shorter one.";
const BUSY: &str = "I can't answer just now. Please text again in a few minutes.";
const NOT_TODAY: &str = "I can't answer more messages today. Please text again tomorrow.";
const WORKING: &str = "That takes me a little longer. Please text again in a minute.";
const LOST: &str =
    "Something went wrong on my side, and I can't say whether that was done. Please ask me for your tasks.";
/// How long a session that is over may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often it is looked whether whoever began to answer a message is dead.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// A session that ends while it is asked is asked anew so often.
const TRIES: u32 = 2;
/// States of a call that is over.
const OVER: [&str; 5] = ["completed", "busy", "failed", "no-answer", "canceled"];

/// What is done with a message, as a metric label, and what is said to it; empty: nothing.
struct Outcome(&'static str, String);

impl Outcome {
    const fn silent(label: &'static str) -> Self {
        Self(label, String::new())
    }

    fn says(label: &'static str, sentence: &str) -> Self {
        Self(label, sentence.to_owned())
    }
}

/// A message that came.
struct Message {
    sid: MessageSid,
    number: PhoneNumber,
    body: String,
    opt_out: String,
    has_media: bool,
}

impl Message {
    fn word(&self) -> Option<Word> {
        word(&self.body, &self.opt_out)
    }
}

/// `POST /twilio/sms`: a text message has come. Answers what is to be sent back.
pub(super) async fn receive(
    State(app): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, Problem> {
    check_webhook(&app, &uri, &headers, &form)?;
    let sid = [field(&form, "MessageSid"), field(&form, "SmsSid")].into_iter().find_map(MessageSid::parse);
    let sid = sid.ok_or_else(|| Problem::bad_request("The form has no MessageSid."))?;
    let Outcome(label, sentence) = match PhoneNumber::parse(field(&form, "From")) {
        Some(number) => {
            let message = Message {
                sid,
                number,
                body: field(&form, "Body").trim().to_owned(),
                opt_out: field(&form, "OptOutType").to_owned(),
                has_media: !matches!(field(&form, "NumMedia"), "" | "0"),
            };
            // In a task of its own: it is acted on to its end, also when whoever delivers it does not wait for that.
            let taken = app.calls.spawn(take_once(app.clone(), message)).await;
            let taken = taken.inspect_err(|error| tracing::error!(%error, "a text message was not acted on"));
            taken.map_err(|_| Problem::internal())?.map_err(|error| session_problem(&app, error.into()))?
        }
        // Whoever cannot be answered is not acted for.
        None => Outcome::silent("no_number"),
    };
    app.events.sms_received(label);
    let messages = app.texter.messages(&sentence);
    Ok(twiml(&messages.iter().map(|text| format!("<Message>{}</Message>", escaped(text))).collect::<String>()))
}

/// A message that is delivered again is not acted on again, unless nothing was done on it, or its process died before it had answered.
async fn take_once(app: Shared, message: Message) -> Result<Outcome, StoreError> {
    let sid = message.sid.as_str().to_owned();
    match begin(&app, &sid).await {
        Ok(Begun::First) => {}
        Ok(Begun::Again) => match saved_answer(&app, &message).await {
            Ok(Some(outcome)) => {
                done(&app, sid).await;
                return Ok(outcome);
            }
            Ok(None) => {}
            Err(error) => {
                forget(&app, sid).await;
                return Err(error);
            }
        },
        Ok(Begun::UnderWay | Begun::Done) => return Ok(Outcome::silent("repeated")),
        // It is not sent again, and to say it twice changes nothing.
        Err(error) if message.word() == Some(Word::Stop) => app.events.store_failed("begin_message", &error),
        // It may have been noted though no answer came: whoever delivers it again is not to wait for this process.
        Err(error) => {
            forget(&app, sid).await;
            return Err(error);
        }
    }
    let taken = take(&app, &message).await;
    match &taken {
        // Whoever sends the answer says so.
        Ok(Outcome("late", _)) => {}
        Ok(_) => done(&app, sid).await,
        Err(_) => forget(&app, sid).await,
    }
    taken
}

/// Nothing was done on the message: it may come again.
async fn forget(app: &Shared, sid: String) {
    if let Err(error) = app.store.forget_note(sid).await {
        app.events.store_failed("forget_note", &error);
    }
}

/// Begins to answer a message. Whether an instance that began before is dead is known when its last heartbeat has run out.
async fn begin(app: &Shared, sid: &str) -> Result<Begun, StoreError> {
    let until = Instant::now() + HEARTBEAT_TTL + LOOK_AGAIN;
    loop {
        match app.store.begin_message(sid.to_owned(), app.instance().clone()).await? {
            Begun::UnderWay if Instant::now() < until => sleep(LOOK_AGAIN).await,
            begun => return Ok(begun),
        }
    }
}

/// The message is answered.
async fn done(app: &Shared, sid: String) {
    if let Err(error) = app.store.end_message(sid).await {
        app.events.store_failed("end_message", &error);
    }
}

/// What a process that died had saved of the answer; none if it had saved nothing.
async fn saved_answer(app: &Shared, message: &Message) -> Result<Option<Outcome>, StoreError> {
    let session = app.tickets.texts(&message.number).session().clone();
    let Some(stored) = app.store.load_session(session).await? else { return Ok(None) };
    Ok(answer_to(&stored.doc, message.sid.as_str()).map(|answer| match answer {
        Some(answer) => Outcome("answered", answer),
        None => Outcome::says("failed", LOST),
    }))
}

async fn take(app: &Shared, message: &Message) -> Result<Outcome, StoreError> {
    let (number, word) = (&message.number, message.word());
    let user = user_of(number);
    let opt_outs = app.texter.opt_outs();
    if word == Some(Word::Stop) {
        opt_outs.stop(&user).await;
        forget_question(app, number).await;
        return Ok(Outcome::silent("stop"));
    }
    let opted_out = opt_outs.has(&user).await?;
    Ok(match (word, opted_out) {
        (Some(Word::Start | Word::Yes), true) => {
            opt_outs.take_back(&user).await?;
            Outcome::silent("start")
        }
        (_, true) => Outcome::silent("opted_out"),
        // Twilio has answered.
        (Some(Word::Help | Word::Start), false) if !message.opt_out.is_empty() => Outcome::silent("help"),
        (Some(Word::Help | Word::Start), false) => Outcome::says("help", HELP),
        (Some(Word::Stop | Word::Yes) | None, false) => converse(app, message).await,
    })
}

/// The agent's question must not be answered by a yes that comes after a STOP and a START.
async fn forget_question(app: &Shared, number: &PhoneNumber) {
    match app.sessions.end(app.tickets.texts(number).session(), HangUp::Caller).await {
        Ok(()) | Err(SessionError::Unknown) => {}
        Err(error) => tracing::warn!(%error, "a conversation that was stopped did not end"),
    }
}

async fn converse(app: &Shared, message: &Message) -> Outcome {
    if message.body.is_empty() {
        return Outcome::says("empty", if message.has_media { NO_WORDS } else { EMPTY });
    }
    if message.body.chars().count() > app.config.session.max_text_chars {
        return Outcome::says("too_long", TOO_LONG);
    }
    let Ok(place) = std::sync::Arc::clone(&app.texts).try_acquire_owned() else { return Outcome::says("busy", BUSY) };
    let (answer, mut answered) = oneshot::channel();
    app.calls.spawn(answer_or_send(app.clone(), Text::of(message), answer, place));
    let patience = Duration::from_millis(app.config.twilio.sms_reply_ms);
    match timeout(patience, &mut answered).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::says("failed", LOST),
        Err(_) => {
            // It may have come in this very moment; from now on it is sent.
            answered.close();
            let late = if app.texter.can_send() { Outcome::silent("late") } else { Outcome::says("late", WORKING) };
            answered.try_recv().unwrap_or(late)
        }
    }
}

/// What the agent is asked.
struct Text {
    sid: String,
    number: PhoneNumber,
    text: String,
}

impl Text {
    fn of(message: &Message) -> Self {
        let Message { sid, number, body, .. } = message;
        Self { sid: sid.as_str().to_owned(), number: number.clone(), text: body.clone() }
    }

    fn command(&self, answer: oneshot::Sender<TextReply>) -> Command {
        Command::Text { text: self.text.clone(), answer: Some(answer), sid: Some(self.sid.clone()) }
    }
}

/// Gives the answer to whoever waits for it, or sends it when nobody does any more.
async fn answer_or_send(app: Shared, text: Text, waiting: oneshot::Sender<Outcome>, _place: OwnedSemaphorePermit) {
    let longest = Duration::from_millis(app.config.twilio.sms_late_ms);
    let outcome = match timeout(longest, ask(&app, &text)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::says("failed", LOST),
    };
    if let Err(Outcome(_, sentence)) = waiting.send(outcome) {
        // What became of it is counted and logged there.
        drop(app.texter.send(&text.number, &sentence).await);
        done(&app, text.sid).await;
    }
}

async fn ask(app: &Shared, text: &Text) -> Outcome {
    let _turn = app.turns.take(app.tickets.texts(&text.number).session()).await;
    for _ in 0..TRIES {
        let live = match open(app, &text.number).await {
            Ok(live) => live,
            Err(error) => return not_open(app, &error),
        };
        let turns = live.handle.info().turns;
        let (answer, asked) = oneshot::channel();
        match live.handle.send(text.command(answer)) {
            Ok(()) => {}
            Err(SendError::Full) => return Outcome::says("busy", BUSY),
            Err(SendError::Ended) => continue,
        }
        match asked.await {
            Ok(Ok(answered)) => return Outcome("answered", answered.reply),
            Ok(Err(TooManyTexts)) => return Outcome::says("busy", BUSY),
            Err(_ended) => {}
        }
        if timeout(FAREWELL, live.handle.ended()).await.is_err() {
            return Outcome::says("busy", BUSY);
        }
        let info = live.handle.info();
        let why = info.ended.map(|(_, why)| why);
        let untouched = info.turns == turns || why == Some(EndReason::TakenOver);
        // Whoever ended it, by STOP or as an operator, does not want it done after all.
        if !untouched || matches!(why, Some(EndReason::HungUp | EndReason::Operator)) {
            return Outcome::says("failed", LOST);
        }
    }
    Outcome::says("busy", BUSY)
}

async fn open(app: &Shared, number: &PhoneNumber) -> Result<Live, SessionError> {
    let mut context = Map::new();
    context.insert("phone_number".to_owned(), json!(number.reveal()));
    context.insert(TEXTS.to_owned(), json!(app.config.twilio.sms_idle_ms));
    let user: UserId = user_of(number);
    let new = NewSession {
        user,
        channel: Channel::Phone,
        consent: None,
        wording: String::new(),
        time_zone: TimeZone::UTC,
        context,
    };
    app.sessions.open_texts(&app.tickets.texts(number), new).await
}

/// Whoever texts is told what is the matter, as far as it concerns them.
fn not_open(app: &Shared, error: &SessionError) -> Outcome {
    match error {
        SessionError::Spent => Outcome::says("busy", NOT_TODAY),
        SessionError::Held(Hold::NoRung(_)) => {
            app.ladder.texts_unanswered();
            Outcome::says("busy", BUSY)
        }
        SessionError::Full | SessionError::Held(_) => Outcome::says("busy", BUSY),
        SessionError::Unknown | SessionError::Ended | SessionError::Store(_) | SessionError::Random(_) => {
            tracing::error!(%error, "a text message has no session");
            Outcome::says("failed", BUSY)
        }
    }
}

/// `POST /twilio/status`: what became of a message that was sent, or of a call.
pub(super) async fn status(
    State(app): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, Problem> {
    check_webhook(&app, &uri, &headers, &form)?;
    if let Some(call) = CallSid::parse(field(&form, "CallSid")) {
        if OVER.contains(&field(&form, "CallStatus")) {
            end_call(&app, &call).await?;
        }
    } else if MessageSid::parse(field(&form, "MessageSid")).is_some() {
        app.events.sms_status(field(&form, "MessageStatus"), field(&form, "ErrorCode"));
    } else {
        return Err(Problem::bad_request("The form has neither a CallSid nor a MessageSid."));
    }
    Ok(twiml(""))
}

/// The call is over, wherever its stream is.
async fn end_call(app: &Shared, call: &CallSid) -> Result<(), Problem> {
    match app.sessions.end(app.tickets.session(call).session(), HangUp::Caller).await {
        Ok(()) | Err(SessionError::Unknown) => Ok(()),
        Err(error) => Err(session_problem(app, error)),
    }
}
