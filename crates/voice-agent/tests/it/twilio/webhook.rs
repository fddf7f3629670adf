//! Who is believed: signatures, call tokens, accounts, and what a webhook answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use voice_agent::config::{Config, Secret};
use voice_agent::readiness::Hold;

use super::client::{AUTH_TOKEN, CALL, PUBLIC_URL, Stream, call_token, post, signature, signed, unsigned, webhook};
use crate::fake::CRASH;
use crate::redis_server::RedisServer;
use crate::server::{TestServer, problem};

const FORM: [(&str, &str); 5] = [
    ("CallSid", CALL),
    ("AccountSid", "AC0123456789abcdef0123456789abcdef"),
    ("From", "+15551234567"),
    ("To", "+15550001111"),
    ("Direction", "inbound"),
];
const VOICE: &str = "/twilio/voice";

/// The call token of a signed webhook's answer.
async fn token(server: &TestServer, form: &[(&str, &str)]) -> String {
    call_token(&answer(server, form).await)
}

/// What a signed webhook answers, asked as by a redirect: at an address of its own.
async fn answer(server: &TestServer, form: &[(&str, &str)]) -> String {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let path = format!("{VOICE}?id={}", ASKED.fetch_add(1, Ordering::Relaxed));
    let response = webhook(server, &path, form).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// The path of an answer's redirect.
fn redirect(twiml: &str) -> String {
    let (_, rest) = twiml.split_once("<Redirect method=\"POST\">").expect("a redirect");
    rest.split_once('<').unwrap().0.replace("&amp;", "&").strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

async fn only_session(server: &TestServer) -> voice_agent::sessions::Live {
    let sessions = server.app().sessions.list();
    assert_eq!(sessions.len(), 1);
    sessions[0].clone()
}

#[tokio::test]
async fn without_twilio_there_is_no_telephone() {
    let server = TestServer::start().await;
    problem(post(&server, VOICE, &FORM, None).await, 404, "no_telephone").await;
    assert_eq!(Stream::refused(server.addr(), &[]).await, 404);
}

#[tokio::test]
async fn a_signed_webhook_is_told_where_the_audio_goes_and_its_token_opens_one_stream() {
    let server = TestServer::with(signed).await;
    let response = webhook(&server, VOICE, &FORM).await;
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
    let twiml = response.text().await.unwrap();
    let token = call_token(&twiml);
    let (before, after) = twiml.split_once(&token).unwrap();
    assert_eq!(
        before,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Connect><Stream \
         url=\"wss://voice.example.com/twilio/media\"><Parameter name=\"callToken\" value=\"",
    );
    assert!(
        after
            .starts_with("\"/></Stream></Connect><Redirect method=\"POST\">https://voice.example.com/twilio/voice?at=")
            && after.ends_with("&amp;short=0</Redirect></Response>"),
        "{after}"
    );

    let mut stream = Stream::begin(server.addr(), CALL, Some(&token)).await;
    stream.media(&[0xff; 160]).await;
    assert!(!stream.audio().await.is_empty());
    let live = only_session(&server).await;
    assert_eq!((live.user.as_str(), live.channel.as_str()), ("phone:+15551234567", "phone"));
    let stored = server.store.load_session(live.id).await.unwrap().unwrap().doc;
    assert_eq!(stored.context["phone_number"], "+15551234567");
    assert_eq!(stored.context["call_sid"], CALL);
    assert_eq!(
        (&stored.context["recording_announced"], &stored.context["recording_enabled"]),
        (&json!(false), &json!(false)),
        "nothing was said yet"
    );

    // The same token, sent again, opens nothing, and the caller talks on.
    let replayed = Stream::begin(server.addr(), CALL, Some(&token)).await;
    assert_eq!(replayed.closed().await, 1008);
    stream.media(&[0xff; 160]).await;
    assert!(!stream.audio().await.is_empty());
    server.metric_becomes("voice_connections_closed_total{code=\"1008\"}", 1.0).await;
}

#[tokio::test]
async fn what_twilio_did_not_sign_is_refused() {
    let server = TestServer::with(signed).await;
    let url = format!("{PUBLIC_URL}{VOICE}");
    let right = signature(AUTH_TOKEN, &url, &FORM);
    let mut altered = FORM;
    altered[2] = ("From", "+15559999999");
    let wrong = [
        (&FORM[..], None),
        (&FORM[..], Some("")),
        (&FORM[..], Some("not base64")),
        (&FORM[..], Some(signature("another token", &url, &FORM).leak() as &str)),
        (&FORM[..], Some(signature(AUTH_TOKEN, "https://elsewhere.example.com/twilio/voice", &FORM).leak())),
        (&altered[..], Some(right.as_str())),
        (&FORM[..4], Some(right.as_str())),
    ];
    for (form, signature) in wrong {
        problem(post(&server, VOICE, form, signature).await, 403, "not_signed").await;
    }
    assert_eq!(post(&server, VOICE, &FORM, Some(&right)).await.status(), 200);
    // Nor may the algorithm be chosen by whoever asks, and one header is not two.
    let body = "CallSid=CA1";
    let of_body = signature(AUTH_TOKEN, &url, &[("CallSid", "CA1")]);
    for headers in [
        vec![("x-twilio-signature", of_body.as_str()), ("x-twilio-webhooks-signature-settings", "algorithm=HMAC_MD5")],
        vec![
            ("x-twilio-signature", of_body.as_str()),
            ("x-twilio-webhooks-signature-settings", "algorithm=HMAC_SHA256"),
        ],
        vec![("x-twilio-signature", of_body.as_str()), ("x-twilio-signature", of_body.as_str())],
    ] {
        let mut request = server.request(reqwest::Method::POST, VOICE).body(body);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        problem(request.send().await.unwrap(), 403, "not_signed").await;
    }
    let of_webhook = signature(AUTH_TOKEN, &url, &[]);
    for headers in [vec![], vec![("x-twilio-signature", of_webhook.as_str())]] {
        assert_eq!(Stream::refused(server.addr(), &headers).await, 403);
    }
    assert!(server.app().sessions.list().is_empty());
}

#[tokio::test]
async fn a_stream_without_a_token_of_its_call_is_refused() {
    let server = TestServer::with(signed).await;
    let token = token(&server, &FORM).await;
    for (call, token) in [(CALL, None), (CALL, Some("nonsense")), ("CA2", Some(token.as_str()))] {
        let stream = Stream::begin(server.addr(), call, token).await;
        assert_eq!(stream.closed().await, 1008, "{call} {token:?}");
    }
    assert!(server.app().sessions.list().is_empty());
    // It was not used up by that.
    let mut stream = Stream::begin(server.addr(), CALL, Some(&token)).await;
    stream.media(&[0xff; 160]).await;
    assert!(!stream.audio().await.is_empty());
}

#[tokio::test]
async fn a_webhook_that_makes_no_sense_is_told_so() {
    let server = TestServer::with(|config| {
        signed(config);
        config.twilio.account_sid = "AC0123456789abcdef0123456789abcdef".to_owned();
        config.limits.max_body_bytes = 1_024;
    })
    .await;
    problem(webhook(&server, VOICE, &[]).await, 400, "bad_request").await;
    problem(webhook(&server, VOICE, &[("CallSid", "not a sid")]).await, 400, "bad_request").await;
    let other = webhook(&server, VOICE, &[("CallSid", CALL), ("AccountSid", "AC2")]).await;
    problem(other, 403, "other_account").await;
    let long = "x".repeat(2_000);
    problem(webhook(&server, VOICE, &[("CallSid", &long)]).await, 413, "body_too_large").await;
    let json = server.request(reqwest::Method::POST, VOICE).json(&json!({"CallSid": CALL})).send().await.unwrap();
    problem(json, 415, "not_a_form").await;
    let get = server.request(reqwest::Method::GET, VOICE).send().await.unwrap();
    problem(get, 405, "method_not_allowed").await;
    let plain = signature(AUTH_TOKEN, "wss://voice.example.com/twilio/media", &[]);
    let plain = server.request(reqwest::Method::GET, "/twilio/media").header("x-twilio-signature", plain);
    problem(plain.send().await.unwrap(), 426, "not_a_websocket").await;
}

#[tokio::test]
async fn a_number_that_is_withheld_is_nobody_in_particular_and_one_that_we_call_is_its_own() {
    let server = TestServer::with(signed).await;
    for (call, fields, user) in [
        ("CA1", [("From", "anonymous"), ("To", "+15550001111"), ("Direction", "inbound")], None),
        ("CA2", [("From", "+266696687"), ("To", "+15550001111"), ("Direction", "inbound")], None),
        (
            "CA3",
            [("From", "+15550001111"), ("To", "+15557654321"), ("Direction", "outbound-api")],
            Some("phone:+15557654321"),
        ),
    ] {
        let form: Vec<(&str, &str)> = [("CallSid", call)].into_iter().chain(fields).collect();
        let token = token(&server, &form).await;
        let mut stream = Stream::begin(server.addr(), call, Some(&token)).await;
        stream.media(&[0xff; 160]).await;
        stream.audio().await;
        let live = only_session(&server).await;
        match user {
            Some(user) => assert_eq!(live.user.as_str(), user),
            None => assert!(live.user.as_str().starts_with("anon-"), "{call}"),
        }
        let doc = server.store.load_session(live.id).await.unwrap().unwrap().doc;
        assert_eq!(doc.context.contains_key("phone_number"), user.is_some());
        stream.stop().await;
        stream.closed().await;
        server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    }
}

#[tokio::test]
async fn a_call_comes_back_into_its_session_and_one_that_is_over_is_hung_up() {
    let server = TestServer::with(signed).await;
    let first = token(&server, &FORM).await;
    let mut stream = Stream::begin(server.addr(), CALL, Some(&first)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    let session = only_session(&server).await.id;
    // The socket drops; Twilio goes on to the redirect.
    drop(stream);
    let again = token(&server, &FORM).await;
    let mut stream = Stream::begin(server.addr(), CALL, Some(&again)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    assert_eq!(only_session(&server).await.id, session);

    // The process dies; another one has the store, and the same auth token.
    let server = server.restart_with(signed).await;
    drop(stream);
    assert!(server.app().sessions.list().is_empty());
    let again = token(&server, &FORM).await;
    let mut stream = Stream::begin(server.addr(), CALL, Some(&again)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    let live = only_session(&server).await;
    assert_eq!((live.id, live.user.as_str()), (session, "phone:+15551234567"));

    stream.stop().await;
    assert_eq!(stream.closed().await, 1000);
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    let over = answer(&server, &FORM).await;
    assert!(over.ends_with("<Response><Hangup/></Response>"), "{over}");
}

#[tokio::test]
async fn streams_that_are_lost_at_once_again_and_again_end_the_call() {
    let server = TestServer::with(signed).await;
    let now = jiff::Timestamp::now().as_second();
    let answer = async |at: i64, short: u32| {
        let path = format!("{VOICE}?at={at}&id=1&short={short}");
        webhook(&server, &path, &FORM).await.text().await.unwrap()
    };
    assert!(answer(now, 3).await.contains("&amp;short=4</Redirect>"));
    assert!(answer(now, 4).await.ends_with("<Response><Hangup/></Response>"));
    assert!(answer(now - 60, 4).await.contains("&amp;short=0</Redirect>"));
}

#[tokio::test]
async fn a_server_that_is_full_or_draining_takes_no_new_call_and_keeps_the_old() {
    let server = TestServer::with(|config| {
        signed(config);
        config.limits.max_sessions = 1;
    })
    .await;
    let one = token(&server, &FORM).await;
    let other = token(&server, &[("CallSid", "CA2")]).await;
    let mut stream = Stream::begin(server.addr(), CALL, Some(&one)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    // Room was there when the other's webhook came, and is gone. Its stream is not closed at once: it was not lost.
    let refused = Instant::now();
    let late = Stream::begin(server.addr(), "CA2", Some(&other)).await;
    assert_eq!(late.closed().await, 1013);
    assert!(refused.elapsed() >= Duration::from_secs(3), "{:?}", refused.elapsed());
    for hold in [None, Some(Hold::Draining)] {
        hold.into_iter().for_each(|hold| server.app().readiness.hold(hold));
        let waits = answer(&server, &[("CallSid", "CA2")]).await;
        assert!(waits.contains("<Response><Pause length=\"1\"/><Redirect"), "{waits}");
        token(&server, &FORM).await;
    }
    // It waits, but not for ever.
    let now = jiff::Timestamp::now().as_second();
    let asked = |since: i64| format!("{VOICE}?id=1&held={since}");
    let waits = webhook(&server, &asked(now - 20), &[("CallSid", "CA2")]).await.text().await.unwrap();
    assert!(
        waits.contains("<Pause length=\"6\"/>") && redirect(&waits).ends_with(&format!("&held={}", now - 20)),
        "{waits}"
    );
    let over = webhook(&server, &asked(now - 31), &[("CallSid", "CA2")]).await.text().await.unwrap();
    assert!(over.ends_with("Please call again in a few minutes.</Say><Hangup/></Response>"), "{over}");
}

fn on(redis: &RedisServer) -> impl Fn(&mut Config) {
    let url = redis.url();
    move |config| {
        signed(config);
        config.secrets.redis_url = Some(Secret::new(url.clone()));
    }
}

#[tokio::test]
async fn what_was_signed_once_is_taken_once_by_all_instances_and_after_their_restarts() {
    let redis = RedisServer::start();
    let (here, there) = (TestServer::with(on(&redis)).await, TestServer::with(on(&redis)).await);
    let first = webhook(&here, VOICE, &FORM).await.text().await.unwrap();
    let used = call_token(&first);
    for server in [&here, &there] {
        problem(webhook(server, VOICE, &FORM).await, 403, "replayed").await;
    }
    let mut stream = Stream::begin(here.addr(), CALL, Some(&used)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    // Somebody has seen the token, and the constant signature of the handshake.
    let replayed = Stream::begin(there.addr(), CALL, Some(&used)).await;
    assert_eq!(replayed.closed().await, 1008);
    stream.media(&[0xff; 160]).await;
    stream.audio().await;

    // Twilio's own way back is another request each time, its way to the fallback too.
    let back = redirect(&first);
    let second = webhook(&there, &back, &FORM).await.text().await.unwrap();
    assert_ne!(redirect(&second), back);
    problem(webhook(&here, &back, &FORM).await, 403, "replayed").await;
    let fallback: Vec<(&str, &str)> = FORM
        .into_iter()
        .chain([("ErrorCode", "11200"), ("ErrorUrl", "https://voice.example.com/twilio/voice")])
        .collect();
    call_token(&webhook(&here, VOICE, &fallback).await.text().await.unwrap());

    let again = here.restart_with(on(&redis)).await;
    problem(webhook(&again, VOICE, &FORM).await, 403, "replayed").await;
    let replayed = Stream::begin(again.addr(), CALL, Some(&used)).await;
    assert_eq!(replayed.closed().await, 1008);
    assert!(again.app().sessions.list().is_empty());
}

#[tokio::test]
async fn a_call_whose_stream_is_lost_while_the_store_is_away_waits_for_it() {
    let mut redis = RedisServer::start();
    let (here, there) = (TestServer::with(on(&redis)).await, TestServer::with(on(&redis)).await);
    let first = answer(&here, &FORM).await;
    let mut stream = Stream::begin(here.addr(), CALL, Some(&call_token(&first))).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    redis.kill();
    drop(stream);
    // Another instance cannot know the call. It waits, and the next time it may be asked about where it lives.
    let waits = webhook(&there, &redirect(&first), &FORM).await.text().await.unwrap();
    assert!(waits.contains("<Pause length=\"1\"/>"), "{waits}");
    let goes_on = webhook(&here, &redirect(&waits), &FORM).await.text().await.unwrap();
    let token = call_token(&goes_on);
    // Nor is a token taken twice by the instance that knows it.
    let mut stream = Stream::begin(here.addr(), CALL, Some(&token)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    let replayed = Stream::begin(here.addr(), CALL, Some(&token)).await;
    assert_eq!(replayed.closed().await, 1008);
    problem(webhook(&here, &redirect(&waits), &FORM).await, 403, "replayed").await;
    drop(stream);
    let waits = webhook(&there, &redirect(&goes_on), &FORM).await.text().await.unwrap();
    redis.restart();
    let goes_on = webhook(&there, &redirect(&waits), &FORM).await.text().await.unwrap();
    assert!(goes_on.contains("<Connect>"), "{goes_on}");
}

#[tokio::test]
async fn without_signatures_a_stream_may_begin_by_itself() {
    let server = TestServer::with(unsigned).await;
    let mut stream = Stream::begin(server.addr(), "CAbench7", None).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    assert!(only_session(&server).await.user.as_str().starts_with("anon-"));
    // And a webhook names this very server.
    let twiml = post(&server, VOICE, &FORM, None).await.text().await.unwrap();
    assert!(twiml.contains(&format!("<Stream url=\"ws://{}/twilio/media\">", server.addr())), "{twiml}");
    let token = call_token(&twiml);
    let mut named = Stream::begin(server.addr(), CALL, Some(&token)).await;
    named.media(&[0xff; 160]).await;
    named.audio().await;
    assert!(server.app().sessions.list().iter().any(|live| live.user.as_str() == "phone:+15551234567"));
}

#[tokio::test]
async fn a_session_that_a_defect_ended_is_closed_with_4006() {
    let server = TestServer::with(unsigned).await;
    let mut stream = Stream::begin(server.addr(), CALL, None).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    let text = voice_agent::driver::api::Command::Text { text: CRASH.to_owned(), answer: None, sid: None };
    only_session(&server).await.handle.send(text).unwrap();
    assert_eq!(stream.closed().await, 4006);
}
