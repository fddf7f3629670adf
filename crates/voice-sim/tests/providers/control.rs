//! The control API.

use serde_json::{Value, json};
use voice_sim::provider::{Provider, ProviderServers, Script};

use crate::client::{self, chat, http};

async fn controlled() -> (ProviderServers, String) {
    let servers = client::start(Script { control_port: Some(0), ..Script::default() }).await;
    let url = servers.control_url().expect("a control API");
    (servers, url)
}

fn hello() -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn faults_are_switched_in_a_running_call() {
    let (servers, url) = controlled().await;
    let client = http();
    let fault = json!({"provider": "openai", "model": "gpt-4o-mini", "fault": "503", "at": "connect"});
    let response = client.post(format!("{url}/control/fault")).body(fault.to_string()).send().await.expect("an answer");
    assert_eq!(response.status(), 201);
    assert_eq!(chat(&servers, &client, &hello()).await.expect("an answer").status(), 503);
    let faults: Value =
        client.get(format!("{url}/control/fault")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(faults["faults"], json!([{"fault": "chat+models+whisper/gpt-4o-mini=503@connect", "happened": 1}]));
    for path in ["/control/fault?provider=deepgram", "/control/fault?provider=llm", "/control/fault"] {
        let status = chat(&servers, &client, &hello()).await.expect("an answer").status();
        assert_eq!(status, if path == "/control/fault" { 200 } else { 503 }, "before {path}");
        client.delete(format!("{url}{path}")).send().await.expect("an answer");
    }
    for bad in ["", "{}", r#"{"provider":"openai","fault":"sleep"}"#] {
        let response = client.post(format!("{url}/control/fault")).body(bad).send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn latencies_are_set_and_the_journal_is_read() {
    let (servers, url) = controlled().await;
    let client = http();
    let latency = client
        .post(format!("{url}/control/latency"))
        .body(r#"{"llm": "200", "stt": 7}"#)
        .send()
        .await
        .expect("an answer");
    assert_eq!(latency.status(), 200);
    let began = std::time::Instant::now();
    chat(&servers, &client, &hello()).await.expect("an answer");
    assert!(began.elapsed().as_millis() >= 200);
    let bad = client.post(format!("{url}/control/latency")).body(r#"{"lunch": 1}"#).send().await.expect("an answer");
    assert_eq!(bad.status(), 400);
    let text = client
        .get(format!("{url}/control/journal?provider=llm&last=1"))
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert!(!text.contains(&servers.keys().openai), "no key is told");
    let journal: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(journal["connections"]["openai"], 1);
    let [entry] = &journal["entries"].as_array().expect("entries")[..] else { panic!("{journal}") };
    assert_eq!((&entry["service"], &entry["key"], &entry["end"]), (&json!("chat"), &json!("right"), &json!("done")));
    assert_eq!(servers.env().iter().filter(|(name, _)| name.ends_with("_BASE_URL")).count(), Provider::ALL.len());
}
