//! Twilio and PagerDuty.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use voice_sim::provider::{End, Key, Limits, Provider, ProviderServers, Script, Service};

use crate::client::{self, http};

fn url(servers: &ProviderServers, path: &str) -> String {
    format!("{}/2010-04-01/Accounts/{}/{path}", servers.base_url(Provider::Twilio), servers.keys().twilio_sid)
}

async fn post(servers: &ProviderServers, path: &str, form: &str) -> (u16, Value) {
    let keys = servers.keys();
    let request = http().post(url(servers, path)).basic_auth(&keys.twilio_sid, Some(&keys.twilio_token));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

async fn get(servers: &ProviderServers, path: &str) -> (u16, Value) {
    let keys = servers.keys();
    let request = http().get(url(servers, path)).basic_auth(&keys.twilio_sid, Some(&keys.twilio_token));
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

const GOOD: &str = "To=%2B15551234567&From=%2B15005550006&Body=Please+call+again.";

#[tokio::test]
async fn an_sms_is_sent_and_found_again() {
    let servers = client::start(Script::default()).await;
    let (status, body) = post(&servers, "Messages.json", GOOD).await;
    assert_eq!((status, &body["status"], &body["num_segments"]), (201, &json!("queued"), &json!("1")));
    let [sms] = &servers.sms()[..] else { panic!("one message") };
    assert_eq!(
        (sms.to.as_str(), sms.body.as_str(), Some(sms.sid.as_str())),
        ("+15551234567", "Please call again.", body["sid"].as_str())
    );
    let (_, list) = get(&servers, "Messages.json?To=%2B15551234567").await;
    assert_eq!(list["messages"][0]["sid"], body["sid"]);
    let (_, other) = get(&servers, "Messages.json?To=%2B15550000000").await;
    assert_eq!(other["messages"], json!([]));
    assert_eq!(get(&servers, &format!("Messages/{}.json", sms.sid)).await.0, 200);
    assert_eq!(get(&servers, "Messages/SM1.json").await.1["code"], 20404);
    assert_eq!(servers.journal().count(Service::Twilio, "sms"), 1);
}

#[tokio::test]
async fn what_twilio_does_not_send_is_refused_with_its_code() {
    let unreachable = BTreeMap::from([("+15550000009".to_owned(), 21_610)]);
    let servers = client::start(Script { unreachable, ..Script::default() }).await;
    let long = format!("{GOOD}{}", "a".repeat(1_600));
    for (form, code) in [
        ("From=%2B15005550006&Body=x", 21_604),
        ("To=5551234567&From=%2B15005550006&Body=x", 21_211),
        ("To=%2B15551234567&From=%2B15559999999&Body=x", 21_606),
        ("To=%2B15551234567&Body=x", 21_603),
        ("To=%2B15551234567&From=%2B15005550006", 21_602),
        (long.as_str(), 21_617),
        ("To=%2B15550000009&From=%2B15005550006&Body=x", 21_610),
        ("To=%2B15551234567&From=%2B15005550006&Body=x&StatusCallback=http%3A%2F%2Fa_b%2F", 21_609),
    ] {
        let (status, body) = post(&servers, "Messages.json", form).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{form}");
    }
    assert_eq!(servers.sms(), []);
    let keys = servers.keys();
    let request = http().post(url(&servers, "Messages.json")).basic_auth(&keys.twilio_sid, Some("wrong"));
    let response = request.body(GOOD).send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON")["code"].clone()),
        (401, json!(20003))
    );
    assert_eq!(servers.journal().of(Service::Twilio).last().expect("an entry").key, Key::Wrong);
    let journal = format!("{:?}", servers.journal().entries());
    assert!(!journal.contains(&keys.twilio_token) && !journal.contains(&keys.twilio_sid));
}

#[tokio::test]
async fn a_call_is_hung_up_once() {
    let servers = client::start(Script::default()).await;
    let call = format!("Calls/CA{}.json", "0a".repeat(16));
    assert_eq!(get(&servers, &call).await.1["status"], "in-progress");
    assert_eq!(post(&servers, &call, "Twiml=%3CResponse%3E%3CHangup%2F%3E%3C%2FResponse%3E").await.0, 200);
    assert_eq!(post(&servers, &call, "Status=completed&Twiml=%3CResponse%2F%3E").await.1["code"], 21_218);
    assert_eq!(post(&servers, &call, "Status=ringing").await.0, 400);
    assert_eq!(post(&servers, &call, "Status=completed").await.1["status"], "completed");
    assert_eq!(post(&servers, &call, "Status=completed").await.1["code"], 20404);
    assert_eq!(post(&servers, "Calls/CA12.json", "Status=completed").await.0, 404);
    let journal = servers.journal();
    assert_eq!((journal.count(Service::Twilio, "hang_up"), journal.count(Service::Twilio, "redirect")), (1, 1));
}

async fn page(servers: &ProviderServers, event: &Value) -> (u16, Value) {
    let url = format!("{}/v2/enqueue", servers.base_url(Provider::PagerDuty));
    let response = http().post(url).json(event).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

fn trigger(servers: &ProviderServers) -> Value {
    json!({
        "routing_key": servers.keys().pagerduty, "event_action": "trigger", "dedup_key": "voice/stt-down",
        "payload": {"summary": "STT failing", "source": "voice-1", "severity": "critical", "custom_details": {"rate": "0.4"}},
        "links": [{"href": "https://example.org", "text": "dashboard"}],
    })
}

#[tokio::test]
async fn alerts_are_merged_and_resolved() {
    let servers = client::start(Script::default()).await;
    let trigger = trigger(&servers);
    let (status, body) = page(&servers, &trigger).await;
    assert_eq!((status, &body["status"], &body["dedup_key"]), (202, &json!("success"), &json!("voice/stt-down")));
    page(&servers, &trigger).await;
    let resolve =
        json!({"routing_key": servers.keys().pagerduty, "event_action": "resolve", "dedup_key": "voice/stt-down"});
    page(&servers, &resolve).await;
    page(&servers, &resolve).await;
    page(&servers, &trigger).await;
    let states: Vec<(String, u32)> = servers.alerts().into_iter().map(|alert| (alert.state, alert.triggers)).collect();
    assert_eq!(states, [("resolve".to_owned(), 2), ("trigger".to_owned(), 1)]);
    let journal = format!("{:?}", servers.journal().entries());
    assert!(!journal.contains(&servers.keys().pagerduty));
    assert!(servers.journal().of(Service::PagerDuty).iter().all(|entry| entry.end == Some(End::Done)));
}

#[tokio::test]
async fn bad_events_and_too_many_are_refused() {
    let limits = Limits { pagerduty_events: 8, ..Limits::default() };
    let servers = client::start(Script { limits, ..Script::default() }).await;
    for (pointer, value, why) in [
        ("/routing_key", json!("wrong"), "routing_key"),
        ("/event_action", json!("panic"), "event_action"),
        ("/payload/severity", json!("bad"), "severity"),
        ("/payload/summary", json!("a".repeat(1_025)), "summary"),
        ("/payload/source", json!(""), "source"),
        ("/dedup_key", json!("a".repeat(256)), "dedup_key"),
        ("/links", json!([{"text": "x"}]), "links"),
        ("/payload", Value::Null, "payload"),
    ] {
        let mut event = trigger(&servers);
        *event.pointer_mut(pointer).expect("a place") = value;
        let (status, body) = page(&servers, &event).await;
        assert!(status == 400 && body["errors"].to_string().contains(why), "{pointer}: {body}");
    }
    assert_eq!(page(&servers, &trigger(&servers)).await.0, 429);
    assert_eq!(servers.alerts(), []);
}
