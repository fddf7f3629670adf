//! Text messages: who is answered, once, and with what.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use voice_agent::config::Secret;
use voice_agent::privacy::Desk;
use voice_agent::sms::OptOuts;
use voice_agent::store::{Begun, Channel, ConversationItem, InstanceId, Role, SessionDoc, UserId};
use voice_agent::transport::twilio::PhoneNumber;
use voice_sim::provider::{Keys, Provider, ProviderServers, Script};

use super::client::{AUTH_TOKEN, PUBLIC_URL, post, signature, signed, webhook};
use crate::fake::{CRASH, GO_ON, SILENCE, WAIT};
use crate::redis_server::RedisServer;
use crate::server::{TestServer, problem, soon};

const SMS: &str = "/twilio/sms";
const ANA: &str = "+15551234567";

/// What is sent back to a message.
async fn text(server: &TestServer, sid: &str, from: &str, body: &str) -> Vec<String> {
    let form = [("MessageSid", sid), ("From", from), ("To", "+15550001111"), ("Body", body), ("NumMedia", "0")];
    sent_back(server, &form).await
}

async fn sent_back(server: &TestServer, form: &[(&str, &str)]) -> Vec<String> {
    let response = webhook(server, SMS, form).await;
    assert_eq!(response.status(), 200, "{form:?}");
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
    let twiml = response.text().await.unwrap();
    let inside = twiml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>").unwrap();
    let inside = inside.strip_suffix("</Response>").unwrap();
    let messages = inside.split("<Message>").skip(1);
    messages.map(|message| message.strip_suffix("</Message>").unwrap().to_owned()).collect()
}

async fn received(server: &TestServer, outcome: &str) -> f64 {
    server.metric(&format!("voice_sms_received_total{{outcome=\"{outcome}\"}}")).await
}

#[tokio::test]
async fn a_number_has_one_conversation_which_lasts() {
    let server = TestServer::with(signed).await;
    assert_eq!(text(&server, "SM1", ANA, " add a < b & \"c\" ").await, ["You said: add a &lt; b &amp; &quot;c&quot;"]);
    let live = server.app().sessions.list().pop().unwrap();
    assert_eq!((live.user.as_str(), live.channel.as_str()), ("phone:+15551234567", "phone"));
    let stored = server.store.load_session(live.id.clone()).await.unwrap().unwrap().doc;
    assert_eq!((&stored.context["phone_number"], &stored.context["texts"]), (&json!(ANA), &json!(60_000)));
    assert_eq!(stored.context["recording_announced"], false);
    text(&server, "SM2", ANA, "more").await;
    text(&server, "SM3", "+15557654321", "hello").await;
    assert_eq!(server.app().sessions.count(), 2);

    // Another process answers; and one that said goodbye begins anew.
    let server = server.restart_with(signed).await;
    assert_eq!(text(&server, "SM4", ANA, "again").await, ["You said: again"]);
    assert_eq!(server.app().sessions.list()[0].id, live.id);
    server.store.end_session(live.id.clone(), None).await.unwrap();
    let server = server.restart_with(signed).await;
    assert_eq!(text(&server, "SM5", ANA, "and again").await, ["You said: and again"]);
    assert!(!server.store.load_session(live.id).await.unwrap().unwrap().ended);
}

#[tokio::test]
async fn a_message_that_is_delivered_again_is_answered_once() {
    let server = TestServer::with(signed).await;
    assert_eq!(text(&server, "SM1", ANA, "add milk").await.len(), 1);
    assert!(text(&server, "SM1", ANA, "add milk").await.is_empty());
    let server = server.restart_with(signed).await;
    assert!(text(&server, "SM1", ANA, "add milk").await.is_empty(), "another process knows it, too");
    assert_eq!(received(&server, "repeated").await, 1.0);
}

#[tokio::test]
async fn a_message_whose_process_died_is_taken_by_the_next_one_once() {
    let server = TestServer::with(signed).await;
    let begun = async |sid: &str, by: &str| {
        let begun = server.store.begin_message(sid.to_owned(), InstanceId::new(by)).await.unwrap();
        assert_eq!(begun, Begun::First);
    };
    // Nothing of it was saved: it is done now.
    begun("SM1", "dead").await;
    assert_eq!(text(&server, "SM1", ANA, "add milk").await, ["You said: add milk"]);
    assert!(text(&server, "SM1", ANA, "add milk").await.is_empty());
    // An answer was saved, and is given now; of another one only what a tool did.
    let number = PhoneNumber::parse("+15557654321").unwrap();
    let session = server.app().tickets.texts(&number);
    let line = |role, content: &str| ConversationItem { role, content: content.to_owned() };
    let doc = SessionDoc {
        session_id: session.session().clone(),
        user_id: UserId::new("phone:+15557654321"),
        channel: Channel::Phone,
        conversation_history: vec![line(Role::User, "add milk"), line(Role::Assistant, "Added milk.")],
        current_agent: "TaskAgent".to_owned(),
        created_at: jiff::Timestamp::now(),
        last_activity: jiff::Timestamp::now(),
        context: serde_json::Map::from_iter([("texts_kept".to_owned(), json!(["SM2", "SM3"]))]),
    };
    server.store.create_session(doc, session.hash(), InstanceId::new("dead")).await.unwrap();
    begun("SM2", "dead").await;
    begun("SM3", "dead").await;
    let other = "+15557654321";
    assert!(text(&server, "SM2", other, "add milk").await[0].contains("ask me for your tasks"));
    assert_eq!(text(&server, "SM3", other, "add milk").await, ["Added milk."]);
    assert!(text(&server, "SM3", other, "add milk").await.is_empty());
    // Whoever began it lives: it is waited for until that is sure, and nothing is done.
    let living = InstanceId::new("living");
    begun("SM4", "living").await;
    server.store.heartbeat(living.clone(), Duration::from_secs(60)).await.unwrap();
    assert!(text(&server, "SM4", ANA, "add milk").await.is_empty());
    assert_eq!(received(&server, "repeated").await, 3.0);
}

/// A server of texts that can erase people, and its opt-outs as another process has them: it knows what the store knows.
async fn with_rights(redis: &RedisServer) -> (TestServer, OptOuts) {
    let server = TestServer::with(|config| {
        signed(config);
        config.secrets.redis_url = Some(Secret::new(redis.url()));
        config.secrets.recording_master_key = Some(Secret::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="));
    })
    .await;
    let elsewhere = OptOuts::new(Arc::clone(&server.store), server.app().vault.clone());
    (server, elsewhere)
}

/// Erases Ana, who was never recorded. As soon as the store is there. Whether what is kept of her is that she said STOP.
async fn erase_ana(server: &TestServer) -> bool {
    let (desk, ana) = (Desk::of(server.app()).unwrap(), UserId::new("phone:+15551234567"));
    for _ in 0..100 {
        match desk.erase(&ana).await {
            Ok(certificate) => return certificate.statement.kept.iter().any(|kept| kept.contains("no text messages")),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("nobody could be erased");
}

#[tokio::test]
async fn a_stop_that_waited_for_the_store_is_kept_without_a_name() {
    let mut redis = RedisServer::start();
    let (server, elsewhere) = with_rights(&redis).await;
    let ana = UserId::new("phone:+15551234567");
    redis.kill();
    assert!(text(&server, "SM1", ANA, "STOP").await.is_empty());
    redis.restart();
    soon("it is kept", async || elsewhere.has(&ana).await.is_ok_and(|stopped| stopped)).await;
    assert!(!server.store.is_opted_out(ana.clone()).await.unwrap(), "an erasure meanwhile would be undone");
    assert!(text(&server, "SM2", ANA, "START").await.is_empty());
    assert_eq!(text(&server, "SM3", ANA, "hello").await, ["You said: hello"]);
}

#[tokio::test]
async fn a_stop_that_waits_for_the_store_outlives_an_erasure_of_somebody_without_a_key() {
    let mut redis = RedisServer::start();
    let (server, elsewhere) = with_rights(&redis).await;
    let ana = UserId::new("phone:+15551234567");
    redis.kill();
    assert!(text(&server, "SM1", ANA, "STOP").await.is_empty());
    redis.restart();
    assert!(erase_ana(&server).await, "at once: it waits still");
    server.app().texter.opt_outs().save_late().await;
    assert!(!server.store.is_opted_out(ana.clone()).await.unwrap() && elsewhere.has(&ana).await.unwrap());
}

#[tokio::test]
async fn a_stop_that_comes_while_an_erasure_goes_on_is_kept() {
    let redis = RedisServer::start();
    let (server, elsewhere) = with_rights(&redis).await;
    let ana = UserId::new("phone:+15551234567");
    assert_eq!(text(&server, "SM1", ANA, "hello").await, ["You said: hello"]);
    let session = server.app().sessions.list()[0].id.clone();
    let sealing = server.app().vault.clone().unwrap().sealing(&ana);
    let (kept, ()) = tokio::join!(erase_ana(&server), async {
        soon("it goes on", async || {
            server.store.load_session(session.clone()).await.unwrap().is_some_and(|stored| stored.ended)
        })
        .await;
        assert!(text(&server, "SM2", ANA, "STOP").await.is_empty());
        assert!(server.store.is_opted_out(ana.clone()).await.unwrap(), "it came before the end");
        drop(sealing);
    });
    assert!(kept && !server.store.is_opted_out(ana.clone()).await.unwrap());
    assert!(elsewhere.has(&ana).await.unwrap());
    assert!(text(&server, "SM3", ANA, "hello").await.is_empty());
}

#[tokio::test]
async fn a_stop_that_comes_while_the_store_is_away_counts_at_once_and_is_kept_when_it_is_back() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    let server = TestServer::with(|config| {
        signed(config);
        config.secrets.redis_url = Some(Secret::new(url));
    })
    .await;
    redis.kill();
    assert!(text(&server, "SM1", ANA, "STOP").await.is_empty());
    problem(
        webhook(&server, SMS, &[("MessageSid", "SM2"), ("From", "+15557654321"), ("Body", "hello")]).await,
        503,
        "store",
    )
    .await;
    let ana = UserId::new("phone:+15551234567");
    assert!(server.app().texter.opt_outs().has(&ana).await.unwrap(), "nobody texts this number");
    assert!(server.store.is_opted_out(ana.clone()).await.is_err());
    redis.restart();
    soon("it is kept", async || server.store.is_opted_out(ana.clone()).await.is_ok_and(|stopped| stopped)).await;
    assert!(text(&server, "SM3", ANA, "START").await.is_empty());
    assert_eq!(text(&server, "SM4", ANA, "hello").await, ["You said: hello"]);
}

#[tokio::test]
async fn after_stop_there_is_silence_until_start() {
    let server = TestServer::with(signed).await;
    assert_eq!(text(&server, "SM0", ANA, "yes").await, ["You said: yes"], "an answer to the agent");
    for (sid, word) in [("SM1", "STOP"), ("SM2", "stop"), ("SM3", "hello"), ("SM4", "HELP"), ("SM5", "yes please")] {
        assert!(text(&server, sid, ANA, word).await.is_empty(), "{word}");
    }
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    assert_eq!(text(&server, "SM6", "+15557654321", "hello").await, ["You said: hello"], "another number is another's");
    let server = server.restart_with(signed).await;
    assert!(text(&server, "SM7", ANA, "hello").await.is_empty());
    assert!(text(&server, "SM8", ANA, "Yes").await.is_empty(), "Twilio answers that");
    assert_eq!(text(&server, "SM9", ANA, "hello").await, ["You said: hello"]);
    assert_eq!((received(&server, "opted_out").await, received(&server, "start").await), (1.0, 1.0));
    for (sid, word) in [("SM10", "cancel"), ("SM11", "QUIT!"), ("SM12", "Unsubscribe")] {
        assert!(text(&server, sid, ANA, word).await.is_empty(), "{word}");
        assert!(text(&server, &format!("{sid}a"), ANA, "UNSTOP").await.is_empty());
    }
    assert_eq!(text(&server, "SM13", ANA, "cancel it").await, ["You said: cancel it"]);
}

#[tokio::test]
async fn help_is_answered_by_us_unless_twilio_did() {
    let server = TestServer::with(signed).await;
    let help = text(&server, "SM1", ANA, "Info").await;
    assert!(help.len() == 1 && help[0].contains("STOP"), "{help:?}");
    let form = [("MessageSid", "SM2"), ("From", ANA), ("Body", "help"), ("OptOutType", "HELP")];
    assert!(sent_back(&server, &form).await.is_empty());
    let form = [("MessageSid", "SM3"), ("From", ANA), ("Body", "arrêt"), ("OptOutType", "STOP")];
    assert!(sent_back(&server, &form).await.is_empty());
    assert!(text(&server, "SM4", ANA, "hello").await.is_empty());
    assert!(server.app().sessions.list().is_empty(), "none of it is the agent's");
}

#[tokio::test]
async fn what_cannot_be_answered_has_a_clear_outcome() {
    let server = TestServer::with(|config| {
        signed(config);
        config.session.max_text_chars = 100;
        config.twilio.account_sid = "AC0123456789abcdef0123456789abcdef".to_owned();
    })
    .await;
    let empty = text(&server, "SM1", ANA, "  ").await;
    assert!(empty[0].contains("empty"), "{empty:?}");
    let form = [("MessageSid", "SM2"), ("From", ANA), ("Body", ""), ("NumMedia", "2"), ("MediaUrl0", "https://x")];
    assert!(sent_back(&server, &form).await[0].contains("only read text"));
    assert!(text(&server, "SM3", ANA, &"a".repeat(101)).await[0].contains("too long"));
    for (sid, from) in [("SM4", "anonymous"), ("SM5", "MYBANK"), ("SM6", ""), ("SM7", "+266696687")] {
        assert!(text(&server, sid, from, "hello").await.is_empty(), "{from}");
    }
    assert_eq!(received(&server, "no_number").await, 4.0);
    assert!(server.app().sessions.list().is_empty());

    problem(webhook(&server, SMS, &[("From", ANA), ("Body", "x")]).await, 400, "bad_request").await;
    let other = [("MessageSid", "SM8"), ("From", ANA), ("AccountSid", "AC2"), ("Body", "x")];
    problem(webhook(&server, SMS, &other).await, 403, "other_account").await;
    let huge = "x".repeat(70_000);
    problem(webhook(&server, SMS, &[("MessageSid", "SM9"), ("Body", &huge)]).await, 413, "body_too_large").await;
    let form = [("MessageSid", "SM9"), ("From", ANA), ("Body", "x")];
    let wrong = signature("another", &format!("{PUBLIC_URL}{SMS}"), &form);
    problem(post(&server, SMS, &form, Some(&wrong)).await, 403, "not_signed").await;
    problem(post(&server, SMS, &form, None).await, 403, "not_signed").await;
    let get = server.request(Method::GET, SMS).send().await.unwrap();
    problem(get, 405, "method_not_allowed").await;
    let form = [("SmsSid", "SM10"), ("From", ANA), ("Body", "hi"), ("NewField", "1"), ("OptOutType", "")];
    assert_eq!(sent_back(&server, &form).await, ["You said: hi"], "unknown fields are passed over");
    problem(post(&TestServer::start().await, SMS, &form, None).await, 404, "no_telephone").await;
}

#[tokio::test]
async fn who_comes_at_a_bad_time_is_asked_to_come_again() {
    let server = TestServer::with(|config| {
        signed(config);
        config.limits.max_sessions = 1;
        config.limits.unvisited_ms = 3_600_000;
    })
    .await;
    let _session = server.session("somebody").await;
    let busy = text(&server, "SM1", ANA, "add milk").await;
    assert!(busy[0].contains("a few minutes"), "{busy:?}");
    server.app().readiness.hold(voice_agent::readiness::Hold::Draining);
    assert!(text(&server, "SM2", ANA, "add milk").await[0].contains("a few minutes"));
    assert_eq!(received(&server, "busy").await, 2.0);
}

#[tokio::test]
async fn a_voice_that_nobody_can_give_is_no_reason_not_to_answer_by_text() {
    use voice_agent::readiness::Hold;
    let server = TestServer::with(signed).await;
    server.app().readiness.hold(Hold::NoRung("tts_providers"));
    assert_eq!(text(&server, "SM1", ANA, "hello").await, ["You said: hello"]);
    let call = [("CallSid", "CA1"), ("From", ANA), ("Direction", "inbound")];
    let said = webhook(&server, "/twilio/voice", &call).await.text().await.unwrap();
    assert!(
        said.ends_with(
            "<Response><Say>We're experiencing technical difficulties with voice. Please text this number or try again \
             in a few minutes.</Say><Hangup/></Response>"
        ),
        "{said}"
    );
    server.app().readiness.hold(Hold::NoRung("llm_providers"));
    assert!(text(&server, "SM2", "+15557654321", "hello").await[0].contains("a few minutes"));
    // No key: nobody is paged for either, and that is counted.
    soon("it is said", async || {
        server.metric("voice_pages_total{action=\"trigger\",outcome=\"not_configured\"}").await == 2.0
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() {
    let server = TestServer::with(|config| {
        signed(config);
        config.twilio.sms_reply_ms = 100;
        config.twilio.sms_late_ms = 1_000;
    })
    .await;
    // Nothing can be sent later: there is no number to send it from.
    let late = text(&server, "SM1", ANA, WAIT).await;
    assert!(late[0].contains("a little longer"), "{late:?}");
    assert_eq!(received(&server, "late").await, 1.0);
}

#[tokio::test]
async fn a_late_answer_is_sent_unless_nobody_wants_it_any_more() {
    let keys = Keys { twilio_token: AUTH_TOKEN.to_owned(), ..Keys::default() };
    let (account, from) = (keys.twilio_sid.clone(), keys.twilio_number.clone());
    let twilio = ProviderServers::start(Script { keys, ..Script::default() }).await.unwrap();
    let server = TestServer::with(|config| {
        signed(config);
        config.twilio.sms_reply_ms = 100;
        config.twilio.account_sid = account;
        config.twilio.from_number = from;
        config.twilio.base_url = twilio.base_url(Provider::Twilio);
    })
    .await;
    assert!(text(&server, "SM1", ANA, WAIT).await.is_empty());
    assert_eq!(text(&server, "SM2", ANA, GO_ON).await, ["You said: go on"]);
    soon("it is sent", async || twilio.sms().len() == 1).await;
    let sent = twilio.sms().pop().unwrap();
    assert_eq!((sent.to.as_str(), sent.body.as_str()), (ANA, "You said: go on"));
    server.metric_becomes("voice_sms_sent_total{outcome=\"sent\"}", 1.0).await;

    assert!(text(&server, "SM3", ANA, WAIT).await.is_empty());
    assert!(text(&server, "SM4", ANA, "STOP").await.is_empty());
    server.metric_becomes("voice_sms_sent_total{outcome=\"opted_out\"}", 1.0).await;
    assert_eq!(twilio.sms().len(), 1);
}

#[tokio::test]
async fn a_message_that_no_session_survives_is_not_tried_for_ever() {
    let server = TestServer::with(signed).await;
    let lost = text(&server, "SM1", ANA, CRASH).await;
    assert!(lost[0].contains("a few minutes"), "{lost:?}");
    let refused = text(&server, "SM2", ANA, SILENCE).await;
    assert!(refused[0].contains("a few minutes"), "{refused:?}");
}

#[tokio::test]
async fn a_call_that_is_over_ends_its_session_and_reports_are_counted() {
    let server = TestServer::with(signed).await;
    let status = "/twilio/status";
    let delivered = [("MessageSid", "SM1"), ("MessageStatus", "delivered"), ("To", ANA)];
    assert_eq!(webhook(&server, status, &delivered).await.status(), 200);
    let odd = [("MessageSid", "SM1"), ("MessageStatus", "exploded")];
    assert_eq!(webhook(&server, status, &odd).await.status(), 200);
    for (label, count) in [("delivered", 1.0), ("other", 1.0), ("failed", 0.0)] {
        assert_eq!(server.metric(&format!("voice_sms_status_total{{status=\"{label}\"}}")).await, count, "{label}");
    }
    let call = [("CallSid", "CA1"), ("From", ANA), ("Direction", "inbound")];
    let twiml = webhook(&server, "/twilio/voice", &call).await.text().await.unwrap();
    let token = super::client::call_token(&twiml);
    let mut stream = super::client::Stream::begin(server.addr(), "CA1", Some(&token)).await;
    stream.media(&[0xff; 160]).await;
    stream.audio().await;
    let ringing = [("CallSid", "CA1"), ("CallStatus", "in-progress")];
    assert_eq!(webhook(&server, status, &ringing).await.status(), 200);
    assert_eq!(server.app().sessions.count(), 1);
    let over = [("CallSid", "CA1"), ("CallStatus", "completed"), ("CallDuration", "3")];
    assert_eq!(webhook(&server, status, &over).await.status(), 200);
    assert_eq!(stream.closed().await, 1000);
    assert_eq!(webhook(&server, status, &[("CallSid", "CA9"), ("CallStatus", "failed")]).await.status(), 200);
    problem(webhook(&server, status, &[("Other", "x")]).await, 400, "bad_request").await;
    problem(post(&server, status, &over, None).await, 403, "not_signed").await;
}
